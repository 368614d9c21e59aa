"""The interface's own description: every error in one place, with an example of each code, made from the registry.

Each operation refers to the one error answer as its default, so that the framework's own error model appears nowhere.
"""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from app.core.error_messages import REGISTRY
from app.core.errors import FieldError, PlatformError
from app.core.fixes import fixes_for
from app.core.responses import PROBLEM, public
from app.schemas.errors import ErrorBody, ProblemBody

REF = "#/components/schemas/{model}"
EXAMPLE_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
EXAMPLE_TIME = "2026-11-23T16:20:31.123Z"
EXAMPLE_DETAILS: dict[str, Any] = {
    "action": "cancel this job", "allowed": "GET, POST", "batch_size": 32, "count": 1, "current": 100,
    "dataset_id": "street-signs",
    "details": "lr0 must be at most 1", "entity": "images/train/7.png", "epoch": 12, "epochs": 100, "excludable": 7,
    "exit_code": 1, "field": "lr0", "format": "YOLO", "framework": "ultralytics", "image_size": 640, "limit": 100,
    "limit_bytes": 1048576, "limit_gb": 20, "lr0": 10, "max": 1, "max_duration_s": 3600, "min": 0, "model": "yolo11n",
    "operation": "upload", "policy": "default", "rank": 1, "required_role": "user", "resource": "open jobs",
    "resource_id": "J-77", "resource_type": "job", "retry_after": 30, "service": "trainer", "signal": 11, "size_gb": 31,
    "state": "succeeded", "suggestions": ["yolo11n", "yolo11s"], "timeout_seconds": 30, "value": 10, "wanted": "cancel",
    "workers": 8,
}  # fmt: skip
"""A plausible value of each declared parameter, for examples."""
HEADERS = {
    "X-Error-Code": "Equals `error.code`",
    "Retry-After": "Seconds to wait; equals `error.retry_after`",
    "Server-Timing": "The trace id, as a W3C traceparent; on every answer",
    "RateLimit": "What is left of the client's limit; on every answer",
    "RateLimit-Policy": "The client's limit; on every answer",
}


def example_error(code: str) -> PlatformError:
    """A typical error of a code."""
    row = REGISTRY[code]
    details = {name: EXAMPLE_DETAILS[name] for name in row.params if name in EXAMPLE_DETAILS}
    wrong = [FieldError("#/lr0", "less_than_equal", "must be at most 1")]
    return PlatformError.from_code(
        code,
        details,
        errors=wrong if code in ("VALIDATION_FAILED", "INVALID_CONFIG") else (),
        fixes=fixes_for(code, EXAMPLE_DETAILS),
    )


def example_body(code: str) -> dict[str, Any]:
    """The body of a typical error answer of a code."""
    return {"error": public(example_error(code), at=EXAMPLE_TIME, trace_id=EXAMPLE_TRACE)}


def _problem_of(body: dict[str, Any], status: int) -> dict[str, Any]:
    error = body["error"]
    return body | {
        "type": "https://vtp.example" + error["doc_url"],
        "title": error["title"],
        "status": status,
        "detail": error["message"],
        "instance": f"/api/v1/errors/occurrences/{error['trace_id']}",
    }


def _examples() -> dict[str, Any]:
    return {code: {"summary": row.title, "value": example_body(code)} for code, row in REGISTRY.items()}


def _error_answer() -> dict[str, Any]:
    named = {code: {"$ref": f"#/components/examples/{code}"} for code in REGISTRY}
    problem = {"INVALID_CONFIG": {"value": _problem_of(example_body("INVALID_CONFIG"), 422)}}
    return {
        "description": "Any refusal or failure. Programs go by `error.code`; all codes are listed under /api/v1/errors.",
        "headers": {name: {"description": text, "schema": {"type": "string"}} for name, text in HEADERS.items()},
        "content": {
            "application/json": {"schema": {"$ref": REF.format(model="ErrorBody")}, "examples": named},
            PROBLEM: {"schema": {"$ref": REF.format(model="ProblemBody")}, "examples": problem},
        },
    }


def _schemas() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for model in (ErrorBody, ProblemBody):
        schema = model.model_json_schema(ref_template=REF)
        found |= schema.pop("$defs", {})
        found[model.__name__] = schema
    return found


def describe(app: FastAPI) -> None:
    """Makes `app` describe its errors; the description is made once, on the first demand."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _described(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _described(app: FastAPI) -> dict[str, Any]:
    described = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
    parts = described.setdefault("components", {})
    parts["schemas"] = {**parts.get("schemas", {}), **_schemas()}
    for unused in ("HTTPValidationError", "ValidationError"):
        parts["schemas"].pop(unused, None)
    parts["examples"] = _examples()
    parts["responses"] = {"Error": _error_answer()}
    parts["securitySchemes"] = {
        "token": {
            "type": "http",
            "scheme": "bearer",
            "description": "The user's token, an agent's secret, an attempt's token",
        },
        "session": {"type": "apiKey", "in": "cookie", "name": "vtp_session", "description": "What the page has"},
    }
    described["security"] = [{"token": []}, {"session": []}]
    for operations in described["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = {"$ref": "#/components/responses/Error"}
    return described
