"""The last resort: what it answers, when it must not, and which bodies it lets through."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.requests import ClientDisconnect
from starlette.websockets import WebSocketDisconnect
from structlog.testing import capture_logs

from app.core.catch_all import CatchAll, base_of_problem, streams_body
from app.core.errors import PlatformError
from app.core.framework_errors import BodyTooLarge
from app.core.responses import WayOut
from tests.asgi import Socket

App = Callable[[Any, Any, Any], Any]


def scope_of(*headers: tuple[bytes, bytes], **more: Any) -> dict[str, Any]:
    return {"type": "http", "method": "POST", "path": "/x", "scheme": "https", "headers": list(headers), **more}


async def served(app: App, scope: dict[str, Any], *body: bytes, limit: int | None = None) -> list[dict[str, Any]]:
    """What a server would be sent."""
    sent: list[dict[str, Any]] = []
    given = [{"type": "http.request", "body": piece, "more_body": True} for piece in body]

    async def receive() -> dict[str, Any]:
        return given.pop(0) if given else {"type": "http.request", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await CatchAll(app, WayOut(), limit)(scope, receive, send)
    return sent


async def read_all(_scope: Any, receive: Any, send: Any) -> None:
    size = 0
    while True:
        message = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(size).encode()})


async def test_a_bug_is_answered() -> None:
    async def app(*_: Any) -> None:
        raise ZeroDivisionError

    start, body = await served(app, scope_of())
    assert (start["status"], dict(start["headers"])[b"x-error-code"]) == (500, b"SYSTEM_ERROR")
    assert b"ZeroDivision" not in body["body"]


async def test_an_error_of_the_platform_from_a_middleware_keeps_its_code() -> None:
    async def app(*_: Any) -> None:
        raise PlatformError.from_code("CONFLICT")

    start, _ = await served(app, scope_of())
    assert (start["status"], dict(start["headers"])[b"x-error-code"]) == (409, b"CONFLICT")


async def test_an_answer_that_has_begun_is_not_begun_again() -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ZeroDivisionError

    with capture_logs() as lines, pytest.raises(ZeroDivisionError):
        await served(app, scope_of())
    assert [line["code"] for line in lines] == ["SYSTEM_ERROR"]


async def test_a_client_that_left_is_no_error() -> None:
    async def app(*_: Any) -> None:
        raise ClientDisconnect

    with capture_logs() as lines:
        assert await served(app, scope_of()) == []
    assert [line["log_level"] for line in lines] == ["info"]


@pytest.mark.parametrize(
    ("headers", "base"),
    [
        ([], None),
        ([(b"accept", b"application/json")], None),
        ([(b"accept", b"application/problem+json"), (b"host", b"vtp.test:8000")], "https://vtp.test:8000"),
        ([(b"host", b"[::1]:8000"), (b"accept", b"text/html, application/problem+json;q=0.9")], "https://[::1]:8000"),
        ([(b"accept", b"application/problem+json"), (b"host", b'evil"><script>')], ""),
        ([(b"accept", b"application/problem+json")], ""),
    ],
)
def test_a_problem_document_names_the_server_as_the_client_does(
    headers: list[tuple[bytes, bytes]], base: str | None
) -> None:
    assert base_of_problem(scope_of(*headers)) == base


@pytest.mark.parametrize("size", [0, 9, 10])
async def test_a_body_up_to_the_limit_passes(size: int) -> None:
    sent = await served(read_all, scope_of((b"content-length", str(size).encode())), b"x" * size, limit=10)
    assert sent[1]["body"] == str(size).encode()


@pytest.mark.parametrize(
    ("headers", "pieces"),
    [
        ([(b"content-length", b"11")], [b""]),
        ([(b"content-length", b"9" * 400)], [b""]),
        ([], [b"x" * 6, b"x" * 5]),
        ([(b"content-length", b"3")], [b"x" * 11]),
        ([(b"content-length", b"nonsense")], [b"x" * 11]),
    ],
)
async def test_a_body_over_the_limit_is_refused(headers: list[tuple[bytes, bytes]], pieces: list[bytes]) -> None:
    caught = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await read_all(scope, receive, send)
        except BodyTooLarge as error:
            caught.append(error.limit_bytes)

    assert await served(app, scope_of(*headers), *pieces, limit=10) == []
    assert caught == [10]


async def test_without_a_limit_any_body_passes() -> None:
    assert (await served(read_all, scope_of((b"content-length", b"99")), b"x" * 99))[1]["body"] == b"99"


async def test_an_endpoint_that_reads_piece_by_piece_is_not_limited() -> None:
    @streams_body
    async def endpoint() -> None: ...

    scope = scope_of((b"content-length", b"99"), endpoint=endpoint)
    assert (await served(read_all, scope, b"x" * 60, b"x" * 39, limit=10))[1]["body"] == b"99"


async def test_other_connections_pass() -> None:
    seen = []

    async def app(scope: Any, *_: Any) -> None:
        seen.append(scope["type"])

    await CatchAll(app, WayOut())({"type": "lifespan"}, None, None)  # type: ignore[arg-type]
    assert seen == ["lifespan"]


async def test_a_bug_before_a_handshake_is_its_answer() -> None:
    async def app(*_: Any) -> None:
        raise ZeroDivisionError

    async with Socket(CatchAll(app, WayOut()), "/ws") as watcher:
        status, _, body = await watcher.denied()
    assert (status, body["error"]["code"]) == (500, "SYSTEM_ERROR")


async def test_a_bug_after_a_handshake_is_the_last_message() -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        raise ZeroDivisionError

    async with Socket(CatchAll(app, WayOut()), "/ws") as watcher:
        event, end = await watcher.event(), await watcher.next()
    assert (event["error"]["code"], end["code"]) == ("SYSTEM_ERROR", 1011)


async def test_a_bug_after_the_end_is_only_logged() -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 1001})
        raise ZeroDivisionError

    with capture_logs() as lines:
        async with Socket(CatchAll(app, WayOut()), "/ws") as watcher:
            assert (await watcher.next())["code"] == 1001
    assert watcher.sent.empty()
    assert [line["code"] for line in lines] == ["SYSTEM_ERROR"]


async def test_a_watcher_that_leaves_is_no_error() -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        raise WebSocketDisconnect(1001)

    with capture_logs() as lines:
        async with Socket(CatchAll(app, WayOut()), "/ws"):
            pass
    assert [line["event"] for line in lines] == ["watcher left"]


async def test_a_normal_end_after_a_handshake_stays_one() -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 1000})

    async with Socket(CatchAll(app, WayOut()), "/ws") as watcher:
        assert (await watcher.next())["code"] == 1000
