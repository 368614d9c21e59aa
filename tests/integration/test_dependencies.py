"""What the list of dependencies and the health checks say while real servers are there, killed, hung and back again."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from app.api.deps import Platform
from app.config import Settings
from app.core import last_errors
from app.services import dependencies
from app.services.degradation import MEANS
from app.services.probes import PATIENCE
from tests.core.servers import ObjectStore, Postgres, Temporal
from tests.integration.servers import need_object_store, need_postgres, need_temporal, new_database, new_queue
from tests.waiting import eventually

DEPENDENCIES = "/api/v1/system/dependencies"
READY = "/api/v1/system/health/ready"
SERVERS = ("storage", "temporal", "database")
GRACE = 1.0
"""Seconds for all but the waiting, on a busy machine."""


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers hold for a moment only, and no failure is known yet."""
    monkeypatch.setattr(dependencies, "FRESH_SECONDS", 0.2)
    monkeypatch.setattr(dependencies, "AWAY_SECONDS", 0.2)
    monkeypatch.setattr(last_errors, "_last", {})


@pytest.fixture
def servers() -> Iterator[dict[str, Any]]:
    """Servers of this test's own, to be killed."""
    need_postgres()
    need_object_store()
    need_temporal()
    with ExitStack() as stack:
        found: dict[str, Any] = {"storage": ObjectStore(), "temporal": Temporal(), "database": Postgres()}
        for server in found.values():
            stack.callback(server.close)
        found["storage"].wait_for_bucket()
        yield found


@pytest.fixture
async def settings(settings: Settings, servers: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The application on all of them."""
    for name, value in servers["storage"].environment().items():
        monkeypatch.setenv(name, value)
    return settings.model_copy(
        update={
            "database_url": await new_database(servers["database"]),
            "storage_url": f"s3://{servers['storage'].bucket}/here",
            "orchestrator": "temporal",
            "temporal_address": servers["temporal"].address,
            "temporal_task_queue": new_queue(),
        }
    )


async def listed(client: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    """Every dependency by its name."""
    answer = await client.get(DEPENDENCIES)
    assert answer.status_code == 200, answer.text
    return {item["name"]: item for item in answer.json()["items"]}


async def seen(client: httpx.AsyncClient, *, reachable: bool) -> dict[str, dict[str, Any]]:
    """The list as soon as it says so of all three servers."""

    async def look() -> dict[str, dict[str, Any]] | None:
        found = await listed(client)
        return found if all(found[name]["reachable"] is reachable for name in SERVERS) else None

    found: dict[str, dict[str, Any]] = await eventually(look, 30, f"the servers to be reachable: {reachable}", 0.1)
    return found


async def test_servers_that_are_killed_hang_or_are_back_are_told_as_what_they_are(
    client: httpx.AsyncClient, platform: Platform, servers: dict[str, Any]
) -> None:
    found = await seen(client, reachable=True)
    kinds = {name: (found[name]["configured"], bool(found[name]["version"])) for name in SERVERS}
    assert kinds == {"storage": ("s3", False), "temporal": ("server", True), "database": ("postgresql", True)}
    assert {item["degraded"] for item in found.values()} == {None}
    assert {item["last_error"] for item in found.values()} == {None}
    await platform.driver.stop()

    # Gone: each says so with its reason, and what that means; the database's end ends readiness.
    for server in servers.values():
        server.kill()
    found = await seen(client, reachable=False)
    for name, code in zip(SERVERS, ("STORAGE_ERROR", "TEMPORAL_ERROR", "DATABASE_ERROR"), strict=True):
        assert (found[name]["last_error"]["code"], found[name]["degraded"]) == (code, MEANS[name])
        assert found[name]["last_error"]["reason"] == "Connection failed", found[name]["last_error"]
        assert len(found[name]["last_error"]["trace_id"]) == 32
    assert (await client.get(READY)).status_code == 503
    status = await client.get("/api/v1/system/status")
    assert (status.status_code, status.json()["open_jobs"], status.json()["agents"]) == (200, None, [])
    assert [part["name"] for part in status.json()["degraded"]] == ["database", "temporal", "storage"]
    assert (await client.get("/api/v1/system/health/live")).status_code == 200
    assert "AK" not in str(found)
    assert "postgres@" not in str(found)

    # Back: nothing is lost, the version is known, and what was wrong last is still told.
    for server in servers.values():
        server.start()
    found = await seen(client, reachable=True)
    errors = {name: found[name]["last_error"]["code"] for name in SERVERS}
    assert set(errors.values()) == {"STORAGE_ERROR", "TEMPORAL_ERROR", "DATABASE_ERROR"}
    platform.db.breaker.reset()
    assert (await client.get(READY)).json() == {"status": "degraded", "degraded": ["agents"]}

    # Hung: nobody waits for them longer than for one, however many ask.
    for server in servers.values():
        server.freeze()
    try:
        began = time.monotonic()
        found = await seen(client, reachable=False)
        first = time.monotonic() - began
        began = time.monotonic()
        looks = await asyncio.gather(*(listed(client) for _ in range(20)))
        # Only the question which agents live still goes to the database.
        assert time.monotonic() - began < PATIENCE / 2 + GRACE
        assert {look["trainer"]["reachable"] for look in looks} == {None}
    finally:
        for server in servers.values():
            server.freeze(yes=False)
    assert first < 2 * PATIENCE + GRACE
    assert {found[name]["last_error"]["reason"] for name in ("storage", "database")} <= {None, "Took too long"}
    await seen(client, reachable=True)
    platform.db.breaker.reset()
