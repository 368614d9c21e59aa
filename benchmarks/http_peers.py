"""The applications that `bench_http.py` compares: ours, and other ways to answer an error with FastAPI.

Each has one route, ``GET /``, and each error names another job, as errors do.
"""

import itertools
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, Response
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint

from app.core import responses
from app.core.errors import PlatformError, ResourceNotFoundError

_numbers: Iterator[int] = itertools.count(1)


def missing_job() -> PlatformError:
    """The error that ours answers: a job that does not exist."""
    return PlatformError.from_code("NOT_FOUND", {"resource_type": "job", "resource_id": f"J-{next(_numbers)}"})


def plain() -> FastAPI:
    """A plain JSON route as FastAPI's tutorial writes it: what all others are compared with."""
    app = FastAPI()

    @app.get("/")
    async def route():  # type: ignore[no-untyped-def]
        return {"job_id": f"J-{next(_numbers)}", "status": "running"}

    return app


def plain_and_typed() -> FastAPI:
    """The same with a return type, by which FastAPI serialises faster."""
    app = FastAPI()

    @app.get("/")
    async def route() -> dict[str, str]:
        return {"job_id": f"J-{next(_numbers)}", "status": "running"}

    return app


def plain_of_the_same_size() -> FastAPI:
    """A plain JSON route whose body has the fields of an error."""
    app, body = FastAPI(), {"error": responses.public(missing_job())}

    @app.get("/")
    async def route():  # type: ignore[no-untyped-def]
        return body

    return app


def ours(*, trace: bool) -> FastAPI:
    """An error of the platform, answered in the one form."""
    app = FastAPI()

    @app.get("/")
    async def route() -> None:
        raise missing_job()

    responses.install(app, trace=trace)
    return app


def ours_that_goes_well() -> FastAPI:
    """A plain JSON route inside everything of ours, trace id included."""
    app = plain()
    responses.install(app)
    return app


def ours_with_a_bug() -> FastAPI:
    """An error that nobody expected; answered, logged and counted, with its trace id."""
    app = FastAPI()

    @app.get("/")
    async def route() -> None:
        raise ZeroDivisionError

    responses.install(app)
    return app


def http_exception() -> FastAPI:
    """FastAPI's own: a text under ``detail``, no code, no trace."""
    app = FastAPI()

    @app.get("/")
    async def route() -> None:
        raise HTTPException(404, f"There is no job J-{next(_numbers)}")

    return app


def _as_the_document(error: PlatformError, status: int) -> JSONResponse:
    """The design document's `error_response`, with a trace id made as its sketch would."""
    body = {
        "type": error.error_type.value,
        "severity": error.severity.value,
        "message": error.user_message,
        "suggested_action": error.suggested_action,
        "timestamp": datetime.now(UTC).isoformat(),
        "trace_id": str(uuid.uuid4()),
    }
    return JSONResponse({"error": body}, status)


def document_style() -> FastAPI:
    """The design document's style: each route catches and answers by itself; the trace id only in the body."""
    app = FastAPI()

    @app.get("/")
    async def route() -> Any:
        try:
            raise ResourceNotFoundError("job", f"J-{next(_numbers)}")  # noqa: TRY301 - the style that is measured
        except ResourceNotFoundError as error:
            return _as_the_document(error, 404)

    return app


def exception_handler() -> FastAPI:
    """An `exception_handler` with JSONResponse; the trace id only in the body."""
    app = FastAPI()

    @app.exception_handler(PlatformError)
    async def handle(_request: Request, error: PlatformError) -> JSONResponse:
        return _as_the_document(error, 404)

    @app.get("/")
    async def route() -> None:
        raise ResourceNotFoundError("job", f"J-{next(_numbers)}")

    return app


def base_http_middleware() -> FastAPI:
    """`@app.middleware("http")` for a trace id in a header, over the handler above."""
    app = exception_handler()

    async def trace(request: Request, call_next: RequestResponseEndpoint) -> Response:
        response = await call_next(request)
        response.headers["X-Trace-Id"] = str(uuid.uuid4())
        return response

    app.add_middleware(BaseHTTPMiddleware, dispatch=trace)
    return app


APPLICATIONS: dict[str, Callable[[], FastAPI]] = {
    "plain JSON route": plain,
    "plain, with a return type": plain_and_typed,
    "plain, an error's body": plain_of_the_same_size,
    "vtp error": lambda: ours(trace=False),
    "vtp error, trace id": lambda: ours(trace=True),
    "vtp bug (500), trace id": ours_with_a_bug,
    "vtp 200, trace id": ours_that_goes_well,
    "HTTPException": http_exception,
    "exception_handler": exception_handler,
    "try/except in the route": document_style,
    "BaseHTTPMiddleware": base_http_middleware,
}
