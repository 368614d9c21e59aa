"""What tests of orchestrators share."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from fastapi import FastAPI

from app.config import Settings
from app.main import create_app
from tests.conftest import Clock


@pytest.fixture
async def app(settings: Settings, clock: Clock, request: pytest.FixtureRequest) -> AsyncIterator[FastAPI]:
    """A running backend on an empty database, which `stop_app` stops before the test ends."""
    app = create_app(settings, clock)
    app.state.platform.base_url = "http://backend.test"
    context = app.router.lifespan_context(app)
    await context.__aenter__()
    app.state.stopped = False

    async def stop() -> None:
        if not app.state.stopped:
            app.state.stopped = True
            await context.__aexit__(None, None, None)

    app.state.stop = stop
    yield app
    await stop()


@pytest.fixture
def stop_app(app: FastAPI) -> Callable[[], Awaitable[None]]:
    """Stops the backend."""
    stop: Callable[[], Awaitable[None]] = app.state.stop
    return stop
