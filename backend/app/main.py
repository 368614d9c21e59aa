"""The backend application."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from app import __version__
from app.api import agents, datasets, errors, page, system, training, weights
from app.api.deps import build
from app.config import Settings
from app.core import responses
from app.db.session import utcnow
from app.websocket import training as training_websocket


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    platform = app.state.platform
    await platform.db.migrate()
    await platform.datasets.start()
    platform.driver.start()
    try:
        yield
    finally:
        await platform.driver.stop()
        await platform.datasets.stop()
        await platform.trainer.close()
        await platform.db.close()


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
    )
    app.state.platform = build(settings, clock)
    for module in (training, datasets, weights, agents, system, errors, training_websocket, page):
        app.include_router(module.router)
    responses.install(app, max_body_bytes=settings.max_body_bytes)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["*"],
            allow_headers=["*"],
            allow_credentials=True,
            expose_headers=["X-Error-Code", "Retry-After", "Server-Timing", "Location", "RateLimit", "RateLimit-Policy"],
        )
    return app
