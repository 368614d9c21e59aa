"""What the web framework itself refuses, as errors of the platform: wrong fields, unknown paths, big bodies."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from app.core.errors import FieldError, PlatformError

STATUS_CODES = {
    401: "INVALID_TOKEN",
    403: "INSUFFICIENT_PERMISSIONS",
    404: "NOT_FOUND",
    405: "NOT_FOUND",
    409: "CONFLICT",
    413: "PAYLOAD_TOO_LARGE",
    429: "RATE_LIMITED",
    503: "SERVICE_UNAVAILABLE",
    504: "OPERATION_TIMEOUT",
}
"""Codes of answers that the framework makes; other refusals are VALIDATION_FAILED, other failures SYSTEM_ERROR."""


class BodyTooLarge(HTTPException):
    """Raised while an application reads a body over the limit; the framework lets it pass as it is."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(413)
        self.limit_bytes = limit_bytes


def _parts(place: Sequence[Any]) -> list[str]:
    """The place that pydantic names, without the part of the request (body, query) and without marks of validators."""
    parts = [str(part) for part in place if not (isinstance(part, str) and part.startswith("function-"))]
    return parts[1:] if parts and parts[0] in ("body", "query", "path", "header", "cookie") else parts


def pointer(place: Sequence[Any]) -> str:
    """A JSON pointer, as a URI fragment, to a place that pydantic names."""
    return "#/" + "/".join(part.replace("~", "~0").replace("/", "~1") for part in _parts(place))


def field_errors(problems: Sequence[Mapping[str, Any]], known: Sequence[str]) -> list[FieldError]:
    """What pydantic found, as field errors; unknown fields are told the nearest known name."""
    found = []
    for problem in problems:
        place, kind = problem["loc"], str(problem["type"])
        message = str(problem["msg"]).removeprefix("Value error, ")
        if kind == "extra_forbidden":
            close = get_close_matches(str(place[-1]), known, n=1)
            message = f"unknown field; did you mean `{close[0]}`?" if close else "unknown field"
        elif kind == "json_invalid":
            place, message = ("body",), f"the body is not valid JSON (at character {place[-1]})"
        found.append(FieldError(pointer(place), kind, message[:1].lower() + message[1:]))
    return found


def _known_fields(connection: HTTPConnection) -> list[str]:
    """Names of the fields that the endpoint's body has."""
    field = getattr(connection.scope.get("route"), "body_field", None)
    model = getattr(getattr(field, "field_info", None), "annotation", None)
    return list(getattr(model, "model_fields", {}))


def from_validation(
    connection: HTTPConnection, error: RequestValidationError | WebSocketRequestValidationError
) -> PlatformError:
    """VALIDATION_FAILED with every wrong field; the values that were sent are not repeated."""
    fields = field_errors(list(error.errors()), _known_fields(connection))
    name = fields[0].pointer.removeprefix("#/") or "body"
    first = f": {name} {fields[0].message}" if len(fields) == 1 else f" ({len(fields)})"
    details = {"field": name, "count": len(fields), "first": first}
    return PlatformError.from_code("VALIDATION_FAILED", details, errors=fields)


def from_http(connection: HTTPConnection, error: HTTPException) -> PlatformError:
    """The error for an answer by status that the framework or a library made; its own text stays inside."""
    status, path = error.status_code, connection.scope["path"]
    code = STATUS_CODES.get(status, "SYSTEM_ERROR" if status >= 500 else "VALIDATION_FAILED")
    details: dict[str, Any] = {}
    if isinstance(error, BodyTooLarge):
        details = {"limit_bytes": error.limit_bytes}
    elif status == 404:
        details = {"resource_type": "path", "resource_id": path}
    elif status == 405:
        method = f"{connection.scope.get('method', '')} {path}"
        details = {"resource_type": "method", "resource_id": method, "allowed": (error.headers or {}).get("Allow")}
    elif status == 415:
        details = {"first": ": this content type is not accepted here"}
    return PlatformError.from_code(code, details)
