"""Around an application: the errors that it raises are answered here, expected or not, and no body grows without limit.

It works inside CORS and the trace, so that a browser sees the answer to an unhandled error, too, and the connection is kept.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from app.core.errors import PlatformError, UnexpectedError
from app.core.framework_errors import BodyTooLarge
from app.core.logging import get_logger

logger = get_logger(__name__)
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
NORMAL_CLOSURE = 1000
_HOST = re.compile(rb"[A-Za-z0-9.\-\[\]:]{1,255}")


class Answers(Protocol):
    """How errors leave; `app.core.responses.WayOut` is the one implementation."""

    def answer(self, scope: Scope, error: PlatformError) -> Response:
        """The answer to a request that failed."""

    def note(self, scope: Scope, error: PlatformError) -> None:
        """Counts and logs an error that can no longer be answered."""

    async def end(self, websocket: WebSocket, error: PlatformError) -> None:
        """Ends a WebSocket with an error."""


def streams_body(endpoint: Endpoint) -> Endpoint:
    """Marks an endpoint that reads its body piece by piece and limits it itself."""
    endpoint.streams_body = True  # type: ignore[attr-defined]
    return endpoint


def _streams(scope: Scope) -> bool:
    return getattr(scope.get("endpoint"), "streams_body", False)


def _header(scope: Scope, wanted: bytes) -> bytes:
    for name, value in scope["headers"]:
        if name == wanted:
            found: bytes = value
            return found
    return b""


def base_of_problem(scope: Scope) -> str | None:
    """Scheme and host of this server as the client named it, where it asked for a problem document; None where not.

    Empty where the client named no proper host.
    """
    if b"problem+json" not in _header(scope, b"accept"):
        return None
    host = _header(scope, b"host")
    return f"{scope['scheme']}://{host.decode()}" if _HOST.fullmatch(host) else ""


def _as_platform_error(error: Exception) -> PlatformError:
    return error if isinstance(error, PlatformError) else UnexpectedError(error)


class CatchAll:
    """Answers the errors that come out of an application; limits bodies that an endpoint reads whole to `max_body_bytes`."""

    def __init__(self, app: ASGIApp, way_out: Answers, max_body_bytes: int | None = None) -> None:
        self.app = app
        self.way_out = way_out
        self.max_body_bytes = max_body_bytes

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serves one connection; an unhandled error is logged once and answered, unless the answer had begun."""
        if scope["type"] == "http":
            return self._http(scope, receive, send)
        if scope["type"] == "websocket":
            return self._websocket(scope, receive, send)
        return self.app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        def watched(message: Message) -> Awaitable[None]:
            nonlocal started
            started = True
            return send(message)

        try:
            await self.app(scope, receive if self.max_body_bytes is None else self._limited(scope, receive), watched)
        except ClientDisconnect:
            logger.info("client left before its request was whole", path=scope["path"])
        except Exception as error:
            if started:
                self.way_out.note(scope, _as_platform_error(error))
                raise
            response = self.way_out.answer(scope, _as_platform_error(error))
            await response(scope, receive, send)

    def _limited(self, scope: Scope, receive: Receive) -> Receive:
        """`receive`, refusing bodies over the limit, by their declared length before any of it is read."""
        limit = self.max_body_bytes
        if limit is None:
            return receive
        seen: int | None = None

        async def limited() -> Message:
            nonlocal seen
            if seen is None:
                declared = _header(scope, b"content-length")
                seen = 0
                if declared.isdigit() and int(declared[:20]) > limit and not _streams(scope):
                    raise BodyTooLarge(limit)
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit and not _streams(scope):
                raise BodyTooLarge(limit)
            return message

        return limited

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = WebSocketState.CONNECTING

        async def watched(message: Message) -> None:
            nonlocal state
            if state is WebSocketState.CONNECTING and message.get("code") == NORMAL_CLOSURE:
                # The router's way to say that no such path exists.
                unknown = {"resource_type": "path", "resource_id": scope["path"]}
                await self.way_out.end(websocket, PlatformError.from_code("NOT_FOUND", unknown))
                return
            closed = message["type"] == "websocket.close"
            state = WebSocketState.DISCONNECTED if closed else WebSocketState.CONNECTED
            await send(message)

        websocket = WebSocket(scope, receive, send)
        try:
            await self.app(scope, receive, watched)
        except WebSocketDisconnect:
            logger.info("watcher left", path=scope["path"])
        except Exception as error:  # noqa: BLE001 - the last resort
            websocket.application_state = state
            await self.way_out.end(websocket, _as_platform_error(error))
