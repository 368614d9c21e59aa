"""The backend application."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.types import Scope

from app import __version__
from app.api import (
    agents,
    datasets,
    documents,
    error_groups,
    errors,
    feedback,
    many_jobs,
    page,
    rules,
    system,
    training,
    uploads,
    weights,
)
from app.api.access_log import AccessLog
from app.api.cors import Cors
from app.api.deprecation import Deprecations
from app.api.deps import Platform, build
from app.api.limits import RateLimits
from app.api.openapi import describe
from app.config import Settings
from app.core import responses, spans
from app.core.metrics import expect_answers
from app.core.redact import redact_text
from app.db.session import utcnow
from app.websocket import training as training_websocket

ROUTERS = tuple(
    module.router
    for module in (
        many_jobs,
        training,
        datasets,
        uploads,
        weights,
        agents,
        rules,
        system,
        error_groups,
        feedback,
        errors,
        documents,
        training_websocket,
    )
)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    platform = app.state.platform
    await platform.db.migrate()
    await platform.cluster.start()
    await platform.datasets.start()
    platform.alert_board.alerts.start(platform.occurrences)
    platform.occurrences.start()
    platform.retention.hourly.start()
    platform.collector.hourly.start()
    platform.driver.start()
    if platform.mlflow is not None:
        platform.mlflow.start()
    try:
        yield
    finally:
        await platform.dependencies.stop()
        await platform.driver.stop()
        if platform.mlflow is not None:
            await platform.mlflow.stop()
        await platform.datasets.stop()
        await platform.explanations.stop()
        await platform.trainer.close()
        await platform.retention.hourly.stop()
        await platform.collector.hourly.stop()
        await platform.occurrences.stop()
        await platform.alert_board.stop()
        await platform.cluster.stop()
        await platform.db.close()
        await spans.flush()


def create_app(settings: Settings | None = None, clock: Callable[[], datetime] = utcnow) -> FastAPI:
    """A backend with its own database, store and orchestrator, ready to be served by an ASGI server."""
    settings = settings or Settings()
    app = FastAPI(
        title="Vision AI Training Platform",
        version=__version__,
        lifespan=_lifespan,
        redirect_slashes=False,
        docs_url="/api/docs",
        openapi_url="/api/v1/openapi.json",
        # The framework would export messages and stacks of exceptions as they are; ours are logged, once and redacted.
        telemetry={"logs": False, "exclude": _carries_a_secret},
    )
    platform = app.state.platform = build(settings, clock)
    way_out = responses.WayOut([platform.occurrences.note])
    for router in ROUTERS:
        app.include_router(router)
        expect_answers(
            (route.path, method) for route in router.routes if isinstance(route, APIRoute) for method in route.methods
        )
    app.include_router(system.metrics_router)
    # The page takes every path that is left.
    app.include_router(page.router)
    describe(app)
    responses.install(
        app,
        way_out=way_out,
        max_body_bytes=settings.max_body_bytes,
        between=_between(settings, platform, way_out),
        trace=not spans.active(),
    )
    if spans.active():
        app.add_middleware(spans.SpanTraceMiddleware)
    return app


def _carries_a_secret(scope: Scope) -> bool:
    """Whether a request has a secret in its address, which must not get into a span."""
    query = scope.get("query_string", b"").decode("latin-1")
    return bool(query) and ("token=" in query or redact_text(f"?{query}") != f"?{query}")


def _between(settings: Settings, platform: Platform, way_out: responses.WayOut) -> list[tuple[Any, dict[str, Any]]]:
    """Middleware from inside to outside, between the last resort and the trace."""
    limits = {"limit": settings.rate_limit, "agent_limit": settings.agent_rate_limit}
    shared = {"way_out": way_out, "identify": platform.guard.kind, "backends": lambda: len(platform.cluster.peers)}
    layers: list[tuple[Any, dict[str, Any]]] = [
        (RateLimits, {**shared, **limits}),
        (Deprecations, {}),
        (AccessLog, {"everything": settings.log_json}),
    ]
    if settings.cors_origins:
        layers.append((Cors, {"origins": settings.cors_origins}))
    return layers
