"""Live events come once each and in order, whatever happens to the connection."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from app.cli import events as module
from app.cli.client import Api, ApiFailure, close_connections
from app.cli.events import events
from app.cli.output import Output

Handler = Callable[[ServerConnection], Awaitable[None]]


@pytest.fixture
async def watch(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., Awaitable[list[dict[str, Any]]]]]:
    """All events that a watcher of a server with this handler gets."""
    servers: list[Server] = []
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.01)
    monkeypatch.setenv("VTP_TOKEN", "t")

    async def watched(handler: Handler, since: int = 0, **options: Any) -> list[dict[str, Any]]:
        servers.append(await serve(handler, "127.0.0.1", 0, **options))
        port = next(iter(servers[-1].sockets)).getsockname()[1]
        monkeypatch.setenv("VTP_URL", f"http://127.0.0.1:{port}")
        return [event async for event in events(Api(), Output(), "J-1", since)]

    yield watched
    close_connections()
    for server in servers:
        server.close()
        await server.wait_closed()


def since_of(socket: ServerConnection) -> int:
    assert socket.request is not None
    assert socket.request.headers["Authorization"] == "Bearer t"
    return int(socket.request.path.rpartition("since=")[2])


async def send(socket: ServerConnection, seq: int, **event: Any) -> None:
    await socket.send(json.dumps({"type": "log", "seq": seq, **event}))


async def test_watching_ends_with_the_event_that_ends_the_job(watch: Any) -> None:
    async def handler(socket: ServerConnection) -> None:
        await socket.send(json.dumps({"type": "ready", "seq": 9}))
        await send(socket, 1)
        await send(socket, 2, type="state", status="running")
        await send(socket, 3, type="state", status="succeeded")
        await send(socket, 4)

    assert [event["seq"] for event in await watch(handler)] == [1, 2, 3]


async def test_a_lost_connection_goes_on_where_it_was_and_repeats_nothing(watch: Any) -> None:
    asked: list[int] = []

    async def handler(socket: ServerConnection) -> None:
        asked.append(since_of(socket))
        if len(asked) == 1:
            await send(socket, 6)
            await send(socket, 7)
            socket.transport.abort()
        elif len(asked) == 2:
            await send(socket, 7)  # a repetition
            await send(socket, 8)
            await socket.close(1011)
        else:
            await send(socket, 9, type="state", status="failed")

    assert [event["seq"] for event in await watch(handler, since=5)] == [6, 7, 8, 9]
    assert asked == [5, 7, 8]


async def test_a_server_that_is_away_is_told_and_waited_for(watch: Any, capsys: pytest.CaptureFixture[str]) -> None:
    tries: list[str] = []

    def away(_: ServerConnection, request: Request) -> Response | None:
        tries.append(request.path)
        return Response(503, "Service Unavailable", Headers()) if len(tries) < 3 else None

    async def handler(socket: ServerConnection) -> None:
        await send(socket, 1, type="state", status="cancelled")

    assert len(await watch(handler, process_request=away)) == 1
    assert len(tries) == 3


async def test_what_may_not_be_seen_is_not_asked_for_again(watch: Any) -> None:
    tries: list[str] = []

    def refuse(_: ServerConnection, request: Request) -> Response:
        tries.append(request.path)
        body = b'{"error": {"code": "INVALID_TOKEN", "message": "no", "type": "permanent"}}'
        return Response(401, "Unauthorized", Headers({"Content-Length": str(len(body))}), body)

    async def handler(_: ServerConnection) -> None:
        raise AssertionError

    with pytest.raises(ApiFailure) as caught:
        await watch(handler, process_request=refuse)
    assert caught.value.error["code"] == "INVALID_TOKEN"
    assert len(tries) == 1


async def test_an_error_before_the_close_is_the_watchers_error(watch: Any) -> None:
    async def handler(socket: ServerConnection) -> None:
        error = {"code": "NOT_FOUND", "message": "There is no job `J-1`.", "type": "permanent"}
        await socket.send(json.dumps({"type": "error", "seq": 0, "fatal": True, "error": error}))
        await socket.close(1008, "not found")

    with pytest.raises(ApiFailure) as caught:
        await watch(handler)
    assert caught.value.error["code"] == "NOT_FOUND"
