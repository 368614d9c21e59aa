"""Pages of other origins that may call the interface; a refused preflight has the one form, too."""

from collections.abc import Sequence

from fastapi.middleware.cors import CORSMiddleware
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp

from app.core.errors import PlatformError
from app.core.responses import error_response

EXPOSED = (
    "Content-Language", "Deprecation", "Idempotency-Replayed", "Link", "Location", "RateLimit", "RateLimit-Policy",
    "Retry-After", "Server-Timing", "Sunset", "X-Error-Code",
)  # fmt: skip


class Cors(CORSMiddleware):
    """Lets pages of the listed origins call with credentials and read our own headers."""

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=["*"],
            allow_headers=["*"],
            allow_credentials=True,
            expose_headers=EXPOSED,
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """The answer to a browser's question whether it may call."""
        answer = super().preflight_response(request_headers)
        if answer.status_code < 400:
            return answer
        error = PlatformError.from_code("VALIDATION_FAILED", {"first": ": this origin, method or header is not allowed"})
        headers = {name: value for name, value in answer.headers.items() if not name.startswith("content-")}
        return error_response(error, answer.status_code, headers)
