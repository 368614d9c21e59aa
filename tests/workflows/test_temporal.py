"""The driver on a real Temporal server: what it starts again, what it leaves to others, and that it ends in time."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from httpx import AsyncClient
from temporalio.client import Client

from app.api.deps import Platform
from app.clients import temporal as temporal_client
from app.config import Settings
from app.core import logging
from app.core.errors import PlatformError
from app.main import create_app
from app.workflows import temporal as temporal_driver
from app.workflows.dispatch import Dispatcher
from app.workflows.temporal import TemporalDriver
from tests.conftest import Clock, TrainerService, register_agent
from tests.core.servers import Temporal
from tests.integration.proxy import FaultProxy
from tests.integration.servers import need_temporal, new_queue
from tests.services.test_verdicts import CONFIG, JOBS, Talk
from tests.waiting import eventually

EVENTS = 40
"""A workflow with more events than this is continued as a new one (the server's own limit is thousands)."""


@pytest.fixture(scope="module")
def server() -> Iterator[Temporal]:
    """A server with short histories."""
    need_temporal()
    server = Temporal(limit_historyCount_suggestContinueAsNew=str(EVENTS))
    yield server
    server.close()


@pytest.fixture
def settings(settings: Settings, server: Temporal) -> Settings:
    changes = {"temporal_address": server.address, "temporal_task_queue": new_queue()}
    return settings.model_copy(update={"orchestrator": "temporal", **changes})


@pytest.fixture
def driver(platform: Platform) -> TemporalDriver:
    assert isinstance(platform.driver, TemporalDriver)
    return platform.driver


@pytest.fixture
def talk(client: AsyncClient, mock_trainer_service: TrainerService, platform: Platform, clock: Clock) -> Talk:
    return Talk(client, mock_trainer_service, platform, clock)


async def ended(talk: Talk, job_id: str, wanted: str = "succeeded") -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        job = dict((await talk.client.get(f"{JOBS}/{job_id}")).json())
        return job if job["status"] == wanted else None

    return dict(await eventually(look, 20, what=f"{job_id} {wanted}", every=0.01))


async def executions(driver: TemporalDriver, job_id: str) -> list[str]:
    """How the runs of a job's workflow stand, by the server's index."""
    client = await Client.connect(driver.client.place.address)
    rows = client.list_workflows(f'WorkflowId = "{driver.client.workflow_id(job_id)}"')
    return [row.status.name async for row in rows if row.status is not None]


async def test_a_long_life_is_continued_as_new_and_starts_one_training(talk: Talk, driver: TemporalDriver) -> None:
    await talk.begin()
    first = talk.job_id
    answer = await talk.client.post(JOBS, json=CONFIG, headers={"Prefer": "respond-async"})
    job_id = str(answer.json()["job_id"])

    async def renewed() -> bool:
        await driver.client.signal(job_id, "news")
        return "CONTINUED_AS_NEW" in await executions(driver, job_id)

    await eventually(renewed, 20, what="a new run", every=0.02)
    await talk.tell(status="succeeded", result={"metrics": {}})
    await ended(talk, first)
    await eventually(lambda: talk.spec["job_id"] == job_id, what="the start", every=0.01)
    talk.job_id, talk.seq = job_id, 0
    await talk.tell(status="succeeded", result={"metrics": {}})
    await ended(talk, job_id)
    assert [spec["job_id"] for spec in talk.service.specs] == [first, job_id]


async def test_a_workflow_that_somebody_ended_is_started_again_where_the_rows_stand(
    talk: Talk, driver: TemporalDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(temporal_driver, "COMPARE_SECONDS", 0.2)
    await talk.begin()
    client = await Client.connect(driver.client.place.address)
    await client.get_workflow_handle(driver.client.workflow_id(talk.job_id)).terminate("by hand")

    async def again() -> bool:
        return sorted(await executions(driver, talk.job_id)) == ["RUNNING", "TERMINATED"]

    await eventually(again, 20, what="a second run", every=0.05)
    await talk.fails("TRAINER_CRASHED")
    await talk.tell(status="succeeded", result={"metrics": {}})
    await ended(talk, talk.job_id)
    assert [spec["attempt"] for spec in talk.service.specs] == [1, 2]


async def test_a_bug_at_the_start_ends_the_job_after_one_try(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    logging.configure()
    tries = []

    async def broken(_: Dispatcher, job_id: str) -> None:
        tries.append(job_id)
        message = "a bug"
        raise RuntimeError(message)

    monkeypatch.setattr(Dispatcher, "_spec", broken)
    answer = await talk.client.post(JOBS, json=CONFIG, headers={"Prefer": "respond-async"})
    job_id = answer.json()["job_id"]
    job = await ended(talk, job_id, "failed")
    assert (job["error"]["code"], tries) == ("SYSTEM_ERROR", [job_id])
    assert job["error"]["trace_id"] in job["error"]["message"]
    lines = capsys.readouterr().err.splitlines()
    assert any("step failed" in line and job["error"]["trace_id"] in line for line in lines), "the log has the bug under it"
    (attempt,) = (await talk.client.get(f"{JOBS}/{job_id}/attempts")).json()["items"]
    assert attempt["status"] == "cancelled", "it holds no slot"


async def test_a_job_whose_start_takes_long_is_not_woken_again_and_again(
    talk: Talk, driver: TemporalDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check of a large data set takes hours; each signal would stay in the workflow's history."""
    monkeypatch.setattr(temporal_driver, "WAKE_AGAIN_SECONDS", 0.0)
    let_go, whole, woken = asyncio.Event(), Dispatcher.dispatch, []

    async def slow(self: Dispatcher, job_id: str) -> Any:
        await let_go.wait()
        return await whole(self, job_id)

    async def noted(job_id: str, *, again: bool) -> None:
        woken.append(job_id)

    monkeypatch.setattr(Dispatcher, "dispatch", slow)
    answer = await talk.client.post(JOBS, json=CONFIG, headers={"Prefer": "respond-async"})
    job_id = answer.json()["job_id"]
    await eventually(lambda: driver.activities.is_starting(job_id))
    monkeypatch.setattr(driver, "_wake", noted)
    for _ in range(5):
        await driver.round()
    assert woken == []
    let_go.set()
    await eventually(lambda: talk.service.specs)


@asynccontextmanager
async def another(settings: Settings, clock: Clock, headers: Any) -> Any:
    """A second backend on the same database, store and queue; its platform and a client of it."""
    app: FastAPI = create_app(settings, clock)
    app.state.platform.base_url = "http://backend.test"
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        told = {"Authorization": headers["Authorization"]}
        async with httpx.AsyncClient(transport=transport, base_url="http://backend.test", headers=told) as client:
            yield app.state.platform, client


async def test_two_backends_share_the_work_and_start_every_attempt_once(
    talk: Talk, settings: Settings, clock: Clock, platform: Platform
) -> None:
    """The first one ends while it is with a training; the other goes on with that."""
    second: AbstractAsyncContextManager[Any] = another(settings, clock, talk.client.headers)
    async with second as (other, client):
        await register_agent(platform, talk.service.url, slots=6)
        ids = []
        for number in range(6):
            through = client if number % 2 else talk.client
            answer = await through.post(JOBS, json=CONFIG, headers={"Prefer": "respond-async"})
            ids.append(answer.json()["job_id"])
        await eventually(lambda: len(talk.service.specs) == 6, 20, what="six starts", every=0.01)
        await platform.driver.stop()
        talk.client, talk.platform = client, other
        for spec in list(talk.service.specs):
            headers = {"Authorization": f"Bearer {spec['token']}"}
            body = {"attempt": 1, "seq": 1, "status": "succeeded", "result": {"metrics": {}}}
            await client.post(f"{JOBS}/{spec['job_id']}/callback", json=body, headers=headers)
        for job_id in ids:
            await ended(talk, job_id)

        async def over() -> bool:
            return not await other.driver.client.running()

        await eventually(over, 20, what="the end of all workflows", every=0.05)
    assert sorted(spec["job_id"] for spec in talk.service.specs) == sorted(ids)


class TestSharedByBackends:
    """Two backends on PostgreSQL, of which only one has a way to the server that can be broken."""

    @pytest.fixture
    def way(self, server: Temporal, proxied: Callable[[int], FaultProxy]) -> FaultProxy:
        return proxied(int(server.address.rpartition(":")[2]))

    @pytest.fixture
    def settings(self, settings: Settings, way: FaultProxy, postgres_url: str) -> Settings:
        changes = {"temporal_address": f"127.0.0.1:{way.port}", "database_url": postgres_url}
        return settings.model_copy(update=changes)

    async def test_a_server_that_one_finds_failing_is_left_alone_by_all_until_one_finds_it_well(
        self,
        settings: Settings,
        clock: Clock,
        driver: TemporalDriver,
        platform: Platform,
        client: AsyncClient,
        server: Temporal,
        way: FaultProxy,
    ) -> None:
        well = settings.model_copy(update={"temporal_address": server.address})
        async with another(well, clock, client.headers) as (other, _):
            way.refuse()
            while driver.client.breaker.state == "CLOSED":
                with pytest.raises(PlatformError):
                    await driver.client.running()
            await platform.cluster.breakers.stop()
            await other.cluster.beat()
            theirs = other.driver.client
            assert theirs.breaker.state == "OPEN", "though its own way is well"
            with pytest.raises(PlatformError) as refused:
                await theirs.running()
            assert refused.value.code == "TEMPORAL_ERROR"
            way.heal()
            assert await theirs.version()
            await other.cluster.breakers.stop()
            await platform.cluster.beat()
            assert driver.client.breaker.state == "CLOSED"
            assert await driver.client.running() == set()


async def test_a_backend_ends_in_time_though_the_server_hangs(
    talk: Talk, server: Temporal, driver: TemporalDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(temporal_client, "STOP_SECONDS", 0.5)
    await talk.begin()
    server.freeze()
    try:
        began = time.monotonic()
        await driver.stop()
        assert time.monotonic() - began < 3
    finally:
        server.freeze(yes=False)
