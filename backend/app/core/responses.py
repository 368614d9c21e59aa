"""The only way an error leaves the platform: over HTTP, a WebSocket, ``job.error`` and the command line.

`public` is the one form. It shows what the registry declares for the code, and nothing else.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from math import ceil
from time import perf_counter, time
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Scope
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from app.core.catch_all import CatchAll, base_of_problem
from app.core.closing import close_code, close_reason
from app.core.error_messages import REGISTRY, public_texts
from app.core.errors import FieldError, PlatformError
from app.core.framework_errors import from_http, from_validation
from app.core.logging import get_logger
from app.core.metrics import contained, track_answer
from app.core.monitoring import report
from app.core.redact import is_public, plain_params, public_pointer, public_text
from app.core.tracing import TraceMiddleware, get_trace_id

logger = get_logger(__name__)
PROBLEM = "application/problem+json"
LONGEST_WAIT = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Answered:
    """An error that went out: its public form, and to what it was the answer. `endpoint` is the route's template."""

    error: dict[str, Any]
    status: int
    method: str
    endpoint: str
    raised: PlatformError | None = None


Observer = Callable[[Answered], None]


def timestamp() -> str:
    """Now, as RFC 3339 in UTC with milliseconds."""
    return _instant(int(time() * 1000))


@lru_cache(maxsize=4)
def _instant(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds // 1000, UTC).isoformat()[:19]}.{milliseconds % 1000:03d}Z"


def wait_seconds(error: PlatformError) -> int | None:
    """Whole seconds to wait before the next try, for body and header alike; None where nothing is known."""
    wait = error.retry_after
    return None if wait is None else max(1, ceil(min(wait, LONGEST_WAIT)))


def public(
    error: PlatformError,
    *,
    at: str | None = None,
    trace_id: str | None = None,
    attempts_url: str | None = None,
) -> dict[str, Any]:
    """The error as anybody may see it. Total; only declared parameters, freed of secrets and internals."""
    trace_id = trace_id or get_trace_id()
    row = REGISTRY[error.code]
    params, plain = plain_params(row.params, error.context)
    retry_after = wait_seconds(error) if "retry_after" in error.context else None
    if "retry_after" in params:
        params["retry_after"] = retry_after
    message, action = public_texts(row, params, plain=plain) if not error.has_own_texts else _own_texts(error)
    if row.code == "SYSTEM_ERROR":
        message = f"An unexpected error occurred (ID: {trace_id})."
    return {
        "type": error.error_type._value_,
        "severity": error.severity._value_,
        "message": message,
        "suggested_action": action,
        "timestamp": at or timestamp(),
        "trace_id": trace_id,
        "code": row.code,
        "title": row.title,
        "retryable": error.retryable,
        "retry_after": retry_after,
        "params": params,
        "errors": [_field(item) for item in error.errors] if error.errors else [],
        "fixes": _fixes(error) if error.fixes else [],
        "doc_url": row.doc_url,
        "attempts_url": attempts_url,
    }


def _own_texts(error: PlatformError) -> tuple[str, str | None]:
    """Message and action that the error brings itself, cleaned."""
    action = error.suggested_action
    return public_text(error.user_message), public_text(action) if action else None


def _field(wrong: FieldError) -> dict[str, str]:
    texts = {"code": public_text(wrong.code), "message": public_text(wrong.message)}
    return {"pointer": public_pointer(wrong.pointer), **texts}


def _fixes(error: PlatformError) -> list[dict[str, Any]]:
    """The fixes as anybody may see them, without those whose patch holds what may not leave: half a patch is none."""
    return [
        {
            "id": public_text(fix.id),
            "label": public_text(fix.label),
            "applicability": fix.applicability,
            "patch": [dict(step) for step in fix.patch],
        }
        for fix in error.fixes
        if is_public([step.get("value") for step in fix.patch])
    ]


class ErrorAnswer(Response):
    """An answer whose body and headers are ready as bytes."""

    def __init__(self, body: bytes, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.body = body
        self.status_code = status
        self.raw_headers = headers
        self.background = None


@lru_cache(maxsize=1024)
def _headers(code: str, status: int, media_type: str) -> tuple[tuple[bytes, bytes], ...]:
    """The headers that all answers of a code share."""
    headers = [
        (b"content-type", media_type.encode()),
        (b"x-error-code", code.encode()),
        (b"cache-control", b"no-store"),
        (b"content-language", b"en"),
        (b"link", f'</errors/{code}>; rel="describedby"; type="text/html"'.encode()),
    ]
    if status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="vtp"'))
    return tuple(headers)


def error_response(
    error: PlatformError,
    status_code: int | None = None,
    headers: Mapping[str, str] | None = None,
    scope: Scope | None = None,
) -> Response:
    """The answer to a request that failed: the public form, as ``application/problem+json`` where `scope` asks for it."""
    base = None if scope is None else base_of_problem(scope)
    return _response(public(error), status_code or error.http_status, base, headers)


def _response(body: dict[str, Any], status: int, base: str | None, more: Mapping[str, str] | None = None) -> ErrorAnswer:
    """The answer with `body`; a problem document where `base`, the address of this server, is given."""
    content: dict[str, Any] = {"error": body}
    media_type = "application/json"
    if base is not None:
        media_type = PROBLEM
        content |= {
            "type": base + body["doc_url"],
            "title": body["title"],
            "status": status,
            "detail": body["message"],
            "instance": f"/api/v1/errors/occurrences/{body['trace_id']}",
        }
        if "policy" in body["params"]:
            content["violated-policies"] = [body["params"]["policy"]]
    text = orjson.dumps(content)
    headers = [*_headers(body["code"], status, media_type), (b"content-length", b"%d" % len(text))]
    if body["retry_after"] is not None:
        headers.append((b"retry-after", b"%d" % body["retry_after"]))
    if more:
        headers += [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in more.items()]
    return ErrorAnswer(text, status, headers)


class WayOut:
    """Answers errors of one application; `observers` hear of each answer."""

    def __init__(self, observers: Iterable[Observer] = ()) -> None:
        self.observers = tuple(observers)

    def answer(
        self, scope: Scope, error: PlatformError, status: int | None = None, headers: Mapping[str, str] | None = None
    ) -> Response:
        """The answer to a request that failed; counted, logged where it is ours, told to the observers."""
        began = perf_counter()
        body = public(error)
        status = status or error.http_status
        response = _response(body, status, base_of_problem(scope), headers)
        self._count(scope, error, body, status, began)
        return response

    def note(self, scope: Scope, error: PlatformError) -> None:
        """Counts and logs an error that can no longer be answered."""
        began = perf_counter()
        self._count(scope, error, public(error), error.http_status, began)

    def _count(self, scope: Scope, error: PlatformError, body: dict[str, Any], status: int, began: float) -> None:
        endpoint = getattr(scope.get("route"), "path", None)
        method = scope.get("method", "WEBSOCKET")
        component = "api" if scope["type"] == "http" else "websocket"
        track_answer(error, component, status, endpoint, method, perf_counter() - began)
        if status >= 500:
            report(error, component, "request failed", place=f"{method} {endpoint}", path=scope["path"])
        for observer in self.observers:
            with contained("error observer"):
                observer(Answered(body, status, method, endpoint or "unmatched", error))

    async def end(self, websocket: WebSocket, error: PlatformError, seq: int | None = None) -> None:
        """Ends a WebSocket with an error: before it was accepted as an HTTP answer, afterwards as its last message.

        A server that cannot answer a handshake with a body closes it with the reason alone.
        """
        began = perf_counter()
        body = public(error)
        self._count(websocket.scope, error, body, error.http_status, began)
        if websocket.application_state is WebSocketState.DISCONNECTED:
            return
        accepted = websocket.application_state is WebSocketState.CONNECTED
        if not accepted and "websocket.http.response" in websocket.scope.get("extensions", {}):
            await websocket.send_denial_response(_response(body, error.http_status, base_of_problem(websocket.scope)))
            return
        try:
            if accepted:
                event = {"type": "error", "seq": seq, "fatal": True, "error": body}
                await websocket.send_text(orjson.dumps(event).decode())
            await websocket.close(close_code(error), close_reason(body["message"]))
        except (RuntimeError, WebSocketDisconnect) as gone:
            logger.info("watcher left before it was told", code=error.code, reason=type(gone).__name__)


def _without_second_last_resort(app: FastAPI) -> None:
    """Leaves out the framework's own last resort, which costs every answer: what `CatchAll` lets through has begun to be
    answered, and nobody can answer it any more."""
    build = app.build_middleware_stack

    def built() -> ASGIApp:
        stack = build()
        return stack.app if isinstance(stack, ServerErrorMiddleware) else stack

    app.build_middleware_stack = built  # type: ignore[method-assign]


def install(
    app: FastAPI,
    *,
    way_out: WayOut | None = None,
    max_body_bytes: int | None = None,
    between: Iterable[tuple[Any, dict[str, Any]]] = (),
    trace: bool = True,
) -> WayOut:
    """Makes every error of `app` leave in the one form, and puts a trace id on every answer.

    `between` names middleware (class, arguments), from inside to outside, that works inside the trace and outside the last
    resort: CORS belongs there, so that answers to unhandled errors keep its headers.
    """
    way_out = way_out or WayOut()

    async def validation_error(connection: HTTPConnection, error: Any) -> Response:
        raise from_validation(connection, error) from error

    async def framework_error(connection: HTTPConnection, error: Any) -> Response | None:
        translated = from_http(connection, error)
        if not isinstance(connection, WebSocket):
            return way_out.answer(connection.scope, translated, error.status_code, error.headers)
        await way_out.end(connection, translated)
        return None

    # The framework answers these two itself unless told otherwise; errors of the platform come through to `CatchAll`.
    app.add_exception_handler(RequestValidationError, validation_error)
    app.add_exception_handler(WebSocketRequestValidationError, validation_error)
    app.add_exception_handler(HTTPException, framework_error)  # type: ignore[arg-type]
    app.add_middleware(CatchAll, way_out=way_out, max_body_bytes=max_body_bytes)
    _without_second_last_resort(app)
    for middleware, arguments in between:
        app.add_middleware(middleware, **arguments)
    if trace:
        app.add_middleware(TraceMiddleware)
    app.state.way_out = way_out
    return way_out
