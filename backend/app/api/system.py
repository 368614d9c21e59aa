"""The backend itself: health, status, session."""

import shutil
from typing import Any

from fastapi import APIRouter, Response
from sqlalchemy import text
from starlette.requests import HTTPConnection

from app import __version__
from app.api.deps import PlatformDep, UserDep
from app.core.errors import PlatformError

router = APIRouter(prefix="/api/v1", tags=["system"])


@router.get("/system/health/live")
async def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "live"}


@router.get("/system/health/ready")
async def ready(platform: PlatformDep) -> dict[str, str]:
    """The database answers, so requests can be served."""
    await platform.db.read(lambda session: session.execute(text("select 1")))
    return {"status": "ready"}


@router.get("/system/status", dependencies=[UserDep])
async def status(platform: PlatformDep) -> dict[str, Any]:
    """Version, agents, open jobs and free disk, for page and command line."""
    agents = await platform.agents.list_all()
    disk = shutil.disk_usage(platform.settings.home)
    return {
        "version": __version__,
        "status": "ok" if any(agent["alive"] for agent in agents) else "degraded",
        "agents": agents,
        "open_jobs": await platform.training.open_count(),
        "disk": {"free_bytes": disk.free, "total_bytes": disk.total},
        "home": str(platform.settings.home),
    }


@router.get("/session")
async def session(connection: HTTPConnection, platform: PlatformDep, response: Response) -> dict[str, Any]:
    """Whether the caller is let in; the page asks this first.

    Raises:
        PlatformError: INVALID_TOKEN.
    """
    if not platform.guard.is_user(connection):
        raise PlatformError.from_code("INVALID_TOKEN")
    response.headers["Cache-Control"] = "no-store"
    return {"authenticated": True, "version": __version__}
