"""The backend itself: health, status, dependencies, metrics, session."""

import shutil
from typing import Annotated, Any

from fastapi import APIRouter, Query
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text
from starlette.requests import HTTPConnection
from starlette.responses import Response

from app import __version__
from app.api.answer import Answer, shown
from app.api.auth import bearer, same
from app.api.deps import OperatorDep, PlatformDep, UserDep
from app.core.breakers import known_breakers, label_of
from app.core.circuit_breaker import CircuitBreaker
from app.core.errors import PlatformError
from app.core.policies import POLICIES, Policy
from app.core.sentry import PRODUCTION
from app.schemas.system import Breakers, Dependencies, Health, Session, Status, Usage
from app.services.usage import usage

WORST_FIRST = ("ISOLATED", "OPEN", "HALF_OPEN", "CLOSED")
router = APIRouter(prefix="/api/v1", tags=["system"])
metrics_router = APIRouter(tags=["system"])


@router.get("/system/health/live", responses=shown(Health))
async def live() -> Answer:
    """The process answers."""
    return Answer({"status": "live"})


@router.get("/system/health/ready", responses=shown(Health))
async def ready(platform: PlatformDep) -> Answer:
    """The database answers, so requests can be served."""
    await platform.db.read(lambda session: session.execute(text("select 1")))
    return Answer({"status": "ready"})


@router.get("/system/status", dependencies=[UserDep], responses=shown(Status))
async def status(platform: PlatformDep) -> Answer:
    """Version, agents, open jobs and free disk, for page and command line."""
    agents = await platform.agents.list_all()
    disk = shutil.disk_usage(platform.settings.home)
    return Answer(
        {
            "version": __version__,
            "status": "ok" if any(agent["alive"] for agent in agents) and platform.driver.away is None else "degraded",
            "agents": agents,
            "open_jobs": await platform.training.open_count(),
            "disk": {"free_bytes": disk.free, "total_bytes": disk.total},
            "home": str(platform.settings.home),
        }
    )


@router.get("/system/usage", dependencies=[UserDep], responses=shown(Usage))
async def used(platform: PlatformDep, days: Annotated[int, Query(ge=1, le=366)] = 30) -> Answer:
    """Compute time of the attempts that ended lately: by how they ended, and of the failed ones by whose fault it was."""
    return Answer(await usage(platform.db, platform.training.clock(), days))


@router.get("/system/dependencies", dependencies=[UserDep], responses=shown(Dependencies))
async def dependencies() -> Answer:
    """Every integration: how calls to it are protected, and the state of its circuit breakers in this process."""
    everyone = known_breakers()
    return Answer(
        {
            "items": [
                _dependency(policy, [breaker for breaker in everyone if label_of(breaker.name) == policy.name])
                for policy in POLICIES.values()
            ]
        }
    )


def _dependency(policy: Policy, breakers: list[CircuitBreaker]) -> dict[str, Any]:
    after = policy.breaker_after
    states = {"ISOLATED" if breaker.isolated else breaker.state for breaker in breakers}
    described = [breaker.describe() for breaker in breakers]
    return {
        "name": policy.name,
        "title": policy.title,
        "attempts": policy.attempts,
        "first_wait_s": policy.first_wait,
        "longest_wait_s": policy.longest_wait,
        "breaker_after": {"failures": after[0], "seconds": after[1]} if after else None,
        "give_up": policy.give_up,
        "state": next((state for state in WORST_FIRST if state in states), None),
        "failure_count": max((breaker["failure_count"] for breaker in described), default=0),
        "retry_after": max((breaker["retry_after"] for breaker in described if breaker["retry_after"]), default=None),
        "breakers": described,
    }


def _breakers(name: str) -> list[CircuitBreaker]:
    """The breakers called `name`, or all of the integration of this name.

    Raises:
        PlatformError: NOT_FOUND.
    """
    found = [breaker for breaker in known_breakers() if name in (breaker.name, label_of(breaker.name))]
    if not found:
        raise PlatformError.from_code("NOT_FOUND", {"resource_type": "circuit breaker", "resource_id": name})
    return found


@router.post("/system/dependencies/{name:path}/isolate", dependencies=[OperatorDep], responses=shown(Breakers))
async def isolate(name: str) -> Answer:
    """Refuses all calls to a dependency until `reset`: one breaker by its name, or all of an integration."""
    found = _breakers(name)
    for breaker in found:
        breaker.isolate()
    return Answer({"items": [breaker.describe() for breaker in found]})


@router.post("/system/dependencies/{name:path}/reset", dependencies=[OperatorDep], responses=shown(Breakers))
async def reset(name: str) -> Answer:
    """Closes the circuit breakers of a dependency and forgets their failures."""
    found = _breakers(name)
    for breaker in found:
        breaker.reset()
    return Answer({"items": [breaker.describe() for breaker in found]})


@router.get("/session", responses=shown(Session))
async def session(connection: HTTPConnection, platform: PlatformDep) -> Answer:
    """Whether the caller is let in; the page asks this first."""
    who = platform.guard.user(connection)
    told = {"authenticated": True, "version": __version__, "user": who.name, "role": who.role}
    dsn = platform.settings.page_dsn()
    environment = platform.settings.env_name or PRODUCTION
    told["monitoring"] = dsn and {"dsn": dsn, "environment": environment, "release": f"vtp@{__version__}"}
    return Answer(told, headers={"Cache-Control": "no-store"})


@metrics_router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(connection: HTTPConnection, platform: PlatformDep) -> Response:
    """All figures in the format of Prometheus.

    As usual for such pages it is open: it names routes and codes, never a user, job or file. With ``VTP_METRICS_TOKEN``
    set, that token is wanted.
    """
    wanted = platform.settings.metrics_token
    if wanted is not None and not same(bearer(connection), wanted):
        raise PlatformError.from_code("INVALID_TOKEN")
    await platform.gauges.refresh()
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
