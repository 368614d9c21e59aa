"""The backend itself: health, status, dependencies, metrics, session."""

from typing import Annotated

from fastapi import APIRouter, Query
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import HTTPConnection
from starlette.responses import Response

from app import __version__
from app.api.answer import Answer, shown
from app.api.auth import bearer, same
from app.api.deps import OperatorDep, PlatformDep, UserDep
from app.core.circuit_breaker import OPEN
from app.core.errors import PlatformError
from app.core.sentry import PRODUCTION
from app.schemas.alerts import SystemAlerts
from app.schemas.system import Breakers, Dependencies, Health, Session, Status, Usage
from app.services.usage import held, usage

router = APIRouter(prefix="/api/v1", tags=["system"])
metrics_router = APIRouter(tags=["system"])


@router.get("/system/health/live", responses=shown(Health))
async def live() -> Answer:
    """The process answers."""
    return Answer({"status": "live"})


@router.get("/system/health/ready", responses=shown(Health))
async def ready(platform: PlatformDep) -> Answer:
    """Requests can be served, for the database answers; `degraded` where something else is not as it should be."""
    found = await platform.dependencies.look("database")
    breaker = platform.db.breaker
    if found["database"].reachable is False or breaker.state == OPEN:
        raise PlatformError.from_code("SERVICE_UNAVAILABLE", {"service": "The database"})
    names = [part["name"] for part in (await platform.standing.whole("database"))["degraded"]]
    return Answer({"status": "degraded" if names else "ready", "degraded": names})


@router.get("/system/status", dependencies=[UserDep], responses=shown(Status))
async def status(platform: PlatformDep) -> Answer:
    """Version, agents, open jobs, free disk, and what is done without at the moment, for page and command line."""
    whole = await platform.standing.whole()
    return Answer(
        {
            "version": __version__,
            "status": "degraded" if whole["degraded"] else "ok",
            **whole,
            "home": str(platform.settings.home),
        }
    )


@router.get("/system/usage", dependencies=[UserDep], responses=shown(Usage))
async def used(platform: PlatformDep, days: Annotated[int, Query(ge=1, le=366)] = 30) -> Answer:
    """Compute time of the attempts that ended lately: by how they ended, and of the failed ones by whose fault it was.

    Besides, what is held now: open jobs with their limit, bytes of data sets and of the files of jobs.
    """
    spent = await usage(platform.db, platform.training.clock(), days)
    return Answer(spent | await held(platform.db, platform.settings.max_open_jobs))


@router.get("/system/dependencies", dependencies=[UserDep], responses=shown(Dependencies))
async def dependencies(platform: PlatformDep) -> Answer:
    """Every integration: whether it is there, its last error, what is lost without it, and the state of its circuit breakers
    in this process."""
    return Answer({"items": await platform.standing.integrations()})


@router.post("/system/dependencies/{name:path}/isolate", dependencies=[OperatorDep], responses=shown(Breakers))
async def isolate(name: str, platform: PlatformDep) -> Answer:
    """Refuses all calls to a whole integration, or through one breaker by its name, until `reset`, in all backends."""
    found = await platform.cluster.breakers.switch(name, off=True)
    return Answer({"items": [breaker.describe() for breaker in found]})


@router.post("/system/dependencies/{name:path}/reset", dependencies=[OperatorDep], responses=shown(Breakers))
async def reset(name: str, platform: PlatformDep) -> Answer:
    """Closes the circuit breakers of a dependency and forgets their failures, in all backends."""
    found = await platform.cluster.breakers.switch(name, off=False)
    return Answer({"items": [breaker.describe() for breaker in found]})


@router.get("/system/alerts", dependencies=[OperatorDep], responses=shown(SystemAlerts))
async def alerts(platform: PlatformDep) -> Answer:
    """Alerts that this backend told at once lately, and those that the Alertmanager holds, where one is set up."""
    return Answer(await platform.alert_board.look())


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
