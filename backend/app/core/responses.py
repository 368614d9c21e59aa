"""The only way an error leaves the platform: over HTTP, a WebSocket, ``job.error`` and the command line.

`public` is the one form. It shows what the registry declares for the code, and nothing else.
"""

import json
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from app.core.errors import FieldError, PlatformError, UnexpectedError
from app.core.logging import get_logger
from app.core.metrics import api_errors, track_error
from app.core.redact import LONGEST, public_text, public_value, redact_text
from app.core.tracing import TraceMiddleware, get_trace_id

logger = get_logger(__name__)
_accept: ContextVar[str] = ContextVar("vtp_accept", default="")
PROBLEM = "application/problem+json"
STATUS_CODES = {
    400: "VALIDATION_FAILED",
    401: "INVALID_TOKEN",
    403: "INSUFFICIENT_PERMISSIONS",
    404: "NOT_FOUND",
    405: "NOT_FOUND",
    409: "CONFLICT",
    413: "PAYLOAD_TOO_LARGE",
    415: "VALIDATION_FAILED",
    422: "VALIDATION_FAILED",
    429: "RATE_LIMITED",
    503: "SERVICE_UNAVAILABLE",
    504: "OPERATION_TIMEOUT",
}


def timestamp() -> str:
    """Now, as RFC 3339 in UTC with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def public(
    error: PlatformError,
    *,
    at: str | None = None,
    trace_id: str | None = None,
    attempts_url: str | None = None,
) -> dict[str, Any]:
    """The error as anybody may see it. Total; only declared parameters, freed of secrets and internals."""
    trace_id = trace_id or get_trace_id()
    message, action = error.user_message, error.suggested_action
    if error.code == "SYSTEM_ERROR":
        message = f"An unexpected error occurred (ID: {trace_id})."
    return {
        "type": error.error_type.value,
        "severity": error.severity.value,
        "message": public_text(message),
        "suggested_action": public_text(action) if action else None,
        "timestamp": at or timestamp(),
        "trace_id": trace_id,
        "code": error.code,
        "title": error.row.title,
        "retryable": error.retryable,
        "retry_after": error.retry_after,
        "params": {name: public_value(value) for name, value in error.params.items()},
        "errors": [
            {"pointer": redact_text(item.pointer)[:LONGEST], "code": item.code, "message": public_text(item.message)}
            for item in error.errors
        ],
        "fixes": [
            {
                "id": fix.id,
                "label": public_text(fix.label),
                "applicability": fix.applicability,
                "patch": [dict(step) for step in fix.patch],
            }
            for fix in error.fixes
        ],
        "doc_url": f"/errors/{error.code}",
        "attempts_url": attempts_url,
    }


def error_response(
    error: PlatformError, status_code: int | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """The answer to a request that failed: the public form, as ``application/problem+json`` where that was asked for."""
    status = status_code or error.http_status
    body = public(error)
    content: dict[str, Any] = {"error": body}
    media_type = "application/json"
    if PROBLEM in _accept.get():
        media_type = PROBLEM
        content |= {
            "type": body["doc_url"],
            "title": body["title"],
            "status": status,
            "detail": body["message"],
            "instance": f"/api/v1/errors/occurrences/{body['trace_id']}",
        }
    out = {
        "X-Error-Code": error.code,
        "Cache-Control": "no-store",
        "Content-Language": "en",
        "Link": f'<{body["doc_url"]}>; rel="describedby"; type="text/html"',
        **(headers or {}),
    }
    if error.retry_after is not None:
        out["Retry-After"] = str(max(1, round(error.retry_after)))
        body["retry_after"] = max(1, round(error.retry_after))
    if status == 401:
        out["WWW-Authenticate"] = 'Bearer realm="vtp"'
    return Response(orjson.dumps(content), status, out, media_type=media_type)


def _pointer(place: tuple[Any, ...]) -> str:
    """A JSON pointer for a place that pydantic names; the part of the request (body, query) is left out."""
    parts = [str(part) for part in place if not isinstance(part, str) or not part.startswith("function-")]
    if parts and parts[0] in ("body", "query", "path", "header", "cookie"):
        parts = parts[1:]
    return "#/" + "/".join(part.replace("~", "~0").replace("/", "~1") for part in parts)


def _near(problem: Mapping[str, Any], known: list[str]) -> str:
    close = get_close_matches(str(problem["loc"][-1]), known, n=1)
    return f"; did you mean `{close[0]}`?" if close else ""


def field_errors(problems: list[Any], known: list[str]) -> list[FieldError]:
    """What pydantic found, as field errors; unknown fields are told the nearest known name."""
    found = []
    for problem in problems:
        message = str(problem["msg"]).removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            message = f"unknown field{_near(problem, known)}"
        elif problem["type"] == "json_invalid":
            message = "the body is not valid JSON"
        found.append(FieldError(_pointer(tuple(problem["loc"])), str(problem["type"]), message[:1].lower() + message[1:]))
    return found


def _known_fields(connection: HTTPConnection) -> list[str]:
    """Names of the fields that the endpoint's body has."""
    route = connection.scope.get("route")
    field = getattr(route, "body_field", None)
    model = getattr(getattr(field, "field_info", None), "annotation", None)
    return list(getattr(model, "model_fields", {}))


def _validation(request: Request, error: RequestValidationError) -> PlatformError:
    fields = field_errors(list(error.errors()), _known_fields(request))
    first = f": {fields[0].pointer.lstrip('#/') or 'body'} {fields[0].message}" if len(fields) == 1 else ""
    count = len(fields)
    details = {"field": fields[0].pointer.lstrip("#/") if fields else None, "count": count}
    return PlatformError.from_code("VALIDATION_FAILED", {**details, "first": first or f" ({count})"}, errors=fields)


def _framework(request: Request, error: HTTPException) -> PlatformError:
    code = STATUS_CODES.get(error.status_code, "SYSTEM_ERROR" if error.status_code >= 500 else "VALIDATION_FAILED")
    details: dict[str, Any] = {}
    if error.status_code == 404:
        details = {"resource_type": "path", "resource_id": request.url.path}
    elif error.status_code == 405:
        details = {"resource_type": "method", "resource_id": f"{request.method} {request.url.path}"}
    elif error.status_code == 415:
        details = {"first": ": this content type is not accepted here"}
    return PlatformError.from_code(code, details)


def _count(request: HTTPConnection, error: PlatformError, status: int) -> None:
    route = request.scope.get("route")
    endpoint = getattr(route, "path", "unmatched")
    method = request.scope.get("method", "WEBSOCKET")
    api_errors.labels(status_code=str(status), endpoint=endpoint, method=method).inc()
    track_error(error, "api")
    if status >= 500:
        logger.error("request failed", code=error.code, error=error.message, path=request.url.path, exc_info=error)


def _answer(request: Request, error: PlatformError, status: int | None = None, **headers: str) -> Response:
    response = error_response(error, status, headers)
    _count(request, error, response.status_code)
    return response


def install(app: FastAPI, *, max_body_bytes: int | None = None) -> None:
    """Makes every error of `app` leave in the one form, and puts a trace id on every answer.

    Call it after the routes and before adding CORS, so that answers to unhandled errors keep their CORS headers.
    """

    async def platform_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, PlatformError)  # noqa: S101 - registered for this class only
        return _answer(request, error)

    async def validation_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class only
        return _answer(request, _validation(request, error))

    async def framework_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
        headers = dict(error.headers or {})
        return _answer(request, _framework(request, error), error.status_code, **headers)

    async def websocket_error(websocket: WebSocket, _error: Exception) -> None:
        await websocket.close(1008, "request invalid")

    app.add_exception_handler(PlatformError, platform_error)
    app.add_exception_handler(RequestValidationError, validation_error)
    app.add_exception_handler(HTTPException, framework_error)
    app.add_exception_handler(WebSocketRequestValidationError, websocket_error)
    app.add_middleware(CatchAll, max_body_bytes=max_body_bytes)
    app.add_middleware(TraceMiddleware)


class BodyTooLargeError(Exception):
    """Raised inside the application while it reads a body over the limit."""


class CatchAll:
    """Answers what no handler answered, inside CORS and the trace, and limits JSON bodies."""

    def __init__(self, app: ASGIApp, max_body_bytes: int | None = None) -> None:
        self.app = app
        self.max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request; an unhandled error is logged once and answered, unless the answer had begun."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        token = _accept.set(headers.get(b"accept", b"").decode("latin-1"))
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, self._limited(headers, receive), watched)
        except Exception as error:
            if started:
                raise
            response = self._answer(scope, error)
            await response(scope, receive, send)
        finally:
            _accept.reset(token)

    def _answer(self, scope: Scope, error: Exception) -> Response:
        request = Request(scope)
        if isinstance(error, BodyTooLargeError):
            return _answer(request, PlatformError.from_code("PAYLOAD_TOO_LARGE", {"limit_bytes": self.max_body_bytes}))
        return _answer(request, UnexpectedError(error))

    def _limited(self, headers: Mapping[bytes, bytes], receive: Receive) -> Receive:
        """`receive`, refusing JSON bodies over the limit; other bodies (uploads) have limits of their own."""
        limit = self.max_body_bytes
        if limit is None or b"json" not in headers.get(b"content-type", b"json"):
            return receive
        seen = 0

        async def limited() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                raise BodyTooLargeError
            return message

        return limited


def dumps(error: PlatformError) -> str:
    """The public form as JSON text, for logs and terminals."""
    return json.dumps({"error": public(error)}, ensure_ascii=False)
