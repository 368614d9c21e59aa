"""Whether somebody takes connections is found out without a word being sent."""

import asyncio
import socket

import pytest

from app.clients import reach
from app.clients.reach import takes_connections, through
from app.core.errors import NetworkError
from app.core.errors import TimeoutError as OperationTimeout


async def test_an_address_that_takes_connections_gets_one_and_not_a_byte() -> None:
    got: list[bytes] = []
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await reader.read())
        writer.close()
        over.set()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        await takes_connections(f"http://key:secret@127.0.0.1:{port}/1", "it")
        async with asyncio.timeout(5):
            await over.wait()
    assert got == [b""]


async def test_nobody_there_and_nobody_who_answers_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(NetworkError):
            await takes_connections(url, "it")

    async def hangs(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(reach, "SECONDS", 0.01)
    monkeypatch.setattr(asyncio, "open_connection", hangs)
    with pytest.raises(OperationTimeout):
        await takes_connections(url, "it")


def test_a_client_that_heeds_proxies_is_looked_for_where_it_connects_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.test:3128")
    monkeypatch.setenv("no_proxy", "inside.test")
    assert through("https://sentry.test/1") == "http://proxy.test:3128"
    assert through("https://inside.test/1") == "https://inside.test/1"
    monkeypatch.setenv("https_proxy", "proxy.test:3128")
    assert through("https://sentry.test/1") == "http://proxy.test:3128"
    assert through("http://sentry.test/1") == "http://sentry.test/1"
