"""The proxy does to a connection what it says, and nothing else."""

import asyncio
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from tests.integration.proxy import FaultProxy, http_answer


@pytest.fixture
async def echo() -> AsyncIterator[int]:
    """The port of a server that sends back what it gets."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def test_everything_passes_until_it_is_told_to_fail_and_again_when_healed(
    echo: int, proxied: Callable[[int], FaultProxy]
) -> None:
    proxy = proxied(echo)
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"one")
    assert await reader.readexactly(3) == b"one"
    proxy.hold()
    writer.write(b"two")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.readexactly(3), 0.1)
    proxy.heal()
    assert await reader.readexactly(3) == b"two"
    proxy.faults.cut_after = 4
    writer.write(b"three")
    with pytest.raises(ConnectionResetError):
        await reader.readexactly(5)
    writer.close()
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", proxy.port)
    proxy.heal()
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"x" * 300_000)
    assert len(await reader.readexactly(300_000)) == 300_000
    writer.close()


async def test_answers_are_given_in_the_servers_place_one_a_request(echo: int, proxied: Callable[[int], FaultProxy]) -> None:
    proxy = proxied(echo)
    proxy.faults.answers = [http_answer("503 Slow Down", b"wait", Retry_After="7"), http_answer("200 OK", b"fine")]
    async with httpx.AsyncClient(base_url=proxy.url) as client:
        first = await client.put("/x", content=b"y" * 200_000)
        assert (first.status_code, first.text, first.headers["Retry-After"]) == (503, "wait", "7")
        assert (await client.get("/x")).text == "fine"
