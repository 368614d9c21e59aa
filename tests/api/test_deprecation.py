"""What goes away says so on every answer."""

from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from app.api import deprecation
from app.api.deprecation import DEPRECATED, Deprecation, Deprecations
from app.core.errors import PlatformError
from app.core.responses import install
from tests.contract.shape import assert_canonical_error

SINCE, SUNSET = datetime(2026, 11, 1, tzinfo=UTC), datetime(2027, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def old_and_new() -> FastAPI:
    app = FastAPI()

    @app.get("/old/{name}")
    @app.post("/old/{name}")
    async def old(name: str) -> str:
        if name == "bad":
            raise PlatformError.from_code("CONFLICT")
        return name

    table = (
        Deprecation("GET", "/old/{name}", SINCE, SUNSET, "/new", "/changes"),
        Deprecation("POST", "/old/{name}", SINCE),
    )
    install(app, between=[(Deprecations, {"table": table})])
    return app


@pytest.fixture
async def client(old_and_new: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=old_and_new), base_url="http://backend.test")


async def test_a_deprecated_operation_says_since_when_until_when_and_what_instead(client: httpx.AsyncClient) -> None:
    async with client:
        headers = (await client.get("/old/x")).headers
        assert headers["deprecation"] == "@1793491200"
        assert headers["sunset"] == "Sat, 01 May 2027 12:00:00 GMT"
        assert headers.get_list("link") == [
            '</changes>; rel="deprecation"; type="text/html"',
            '</new>; rel="successor-version"',
        ]
        other = (await client.post("/old/x")).headers
        assert other["deprecation"] == "@1793491200"
        assert "sunset" not in other
        assert "link" not in other


async def test_its_errors_say_so_too_and_other_operations_do_not(client: httpx.AsyncClient) -> None:
    async with client:
        failed = await client.get("/old/bad")
        assert failed.headers["deprecation"] == "@1793491200"
        assert 'rel="describedby"' in failed.headers["link"]
        missing = await client.get("/nothing")
        assert_canonical_error(missing, 404)
        assert "deprecation" not in missing.headers


async def test_every_entry_of_the_table_is_an_operation_and_stands_in_the_changelog(anonymous: httpx.AsyncClient) -> None:
    paths = (await anonymous.get("/api/v1/openapi.json")).json()["paths"]
    changelog = Path(deprecation.__file__).parents[3] / "CHANGELOG.md"
    for entry in DEPRECATED:
        assert entry.method.lower() in paths[entry.endpoint]
        assert entry.endpoint in changelog.read_text()
    assert isinstance(DEPRECATED, tuple)
