"""The built web page: its files, its routes, and the link with a token that opens it."""

from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Match
from starlette.types import Scope

from app.api.auth import COOKIE
from app.api.deps import PlatformDep
from app.core.errors import PlatformError


class PageRoute(APIRoute):
    """A route of the page. It knows nothing of other methods under the interface's paths: those do not exist there."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether this route serves a request."""
        match, child = super().matches(scope)
        if match is Match.PARTIAL and scope["path"].startswith(("/api/", "/ws/")):
            return Match.NONE, {}
        return match, child


router = APIRouter(include_in_schema=False, route_class=PageRoute)
DIST = Path(__file__).parents[3] / "frontend" / "dist"
POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; connect-src 'self' ws: wss:{}; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
WEEK = 7 * 24 * 3600


@router.api_route("/{path:path}", methods=["GET", "HEAD"])
async def page(path: str, request: Request, platform: PlatformDep) -> Response:
    """A file of the page; any other path that no API has is a route of the page's own.

    Raises:
        PlatformError: NOT_FOUND under /api, and where the page was not built.
    """
    token = request.query_params.get("token")
    if token is not None:
        return _open(request, platform.guard.login(token))
    file = (DIST / path).resolve()
    inside = file.is_relative_to(DIST.resolve())
    if not inside or (path.startswith(("api/", "ws/", "assets/")) and not file.is_file()):
        raise PlatformError.from_code("NOT_FOUND", {"resource_type": "path", "resource_id": f"/{path}"})
    if not file.is_file():
        file = DIST / "index.html"
    if not file.is_file():
        details = {"resource_type": "web page", "resource_id": "frontend/dist (run `make page`)"}
        raise PlatformError.from_code("NOT_FOUND", details)
    # Whole files only: they are small, and the response would refuse a wrong range in a form of its own.
    request.scope["headers"] = [(name, value) for name, value in request.scope["headers"] if name != b"range"]
    fingerprinted = path.startswith("assets/")
    cache = "public, max-age=31536000, immutable" if fingerprinted else "no-cache"
    policy = _policy(platform.settings.page_dsn())
    return FileResponse(file, headers={**HEADERS, "Content-Security-Policy": policy, "Cache-Control": cache})


@lru_cache(maxsize=4)
def _policy(dsn: str | None) -> str:
    """What the page may do: beside its own server it reaches the one that takes its failures, where there is one."""
    at = urlsplit(dsn or "")
    host = f"[{at.hostname}]" if at.hostname and ":" in at.hostname else at.hostname
    port = f":{at.port}" if at.port else ""
    return POLICY.format(f" {at.scheme}://{host}{port}" if host else "")


def _open(request: Request, session: str | None) -> Response:
    """Takes the token out of the address and puts a session cookie in its place."""
    rest = request.url.remove_query_params("token")
    target = rest.path + (f"?{rest.query}" if rest.query else "")
    response = RedirectResponse(target if session else "/login?wrong=1", 303, headers={"Cache-Control": "no-store"})
    if session:
        secure = request.url.scheme == "https"
        response.set_cookie(COOKIE, session, max_age=4 * WEEK, httponly=True, samesite="strict", secure=secure, path="/")
    return response
