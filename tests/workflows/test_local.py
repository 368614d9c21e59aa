"""The embedded driver: what it does about jobs in each state, and that it survives what a round may meet."""

import asyncio
from typing import Any

import pytest
from httpx import AsyncClient
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.deps import Platform
from app.core.errors import DatabaseError
from app.db.models import Attempt, Job
from app.db.repositories import jobs
from tests.api.test_training import JOBS, running
from tests.conftest import Clock, TrainerService, job_in_state
from tests.waiting import eventually


async def change(platform: Platform, job_id: str, *, job: str | None = None, attempt: str | None = None) -> None:
    """Puts rows into a state that a kill -9 at the right moment leaves."""

    async def tx(session: AsyncSession) -> None:
        row: Job = await jobs.get_job(session, job_id)
        row.status = job or row.status
        last: Attempt = await jobs.get_attempt(session, job_id, row.attempt)
        last.status = attempt or last.status

    await platform.db.write(tx)


async def state(client: AsyncClient, job_id: str) -> str:
    return str((await client.get(f"{JOBS}/{job_id}")).json()["status"])


async def test_a_cancelled_job_whose_attempt_no_agent_has_ends_at_once(
    client: AsyncClient, mock_trainer_service: TrainerService, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The backend was killed between recording an attempt and handing it over, then the user cancelled."""
    job_id, _ = await running(client, mock_trainer_service)
    await change(platform, job_id, job="cancelling", attempt="created")

    async def unknown(*_: Any) -> bool:
        return False

    monkeypatch.setattr(platform.trainer, "cancel", unknown)
    await platform.driver.round()
    assert await state(client, job_id) == "cancelled"
    (attempt,) = (await client.get(f"{JOBS}/{job_id}/attempts")).json()["items"]
    assert attempt["status"] == "cancelled"


async def test_a_cancel_waits_for_the_word_of_an_agent_that_has_the_attempt(
    client: AsyncClient, mock_trainer_service: TrainerService, platform: Platform
) -> None:
    job_id, _ = await running(client, mock_trainer_service)
    await client.post(f"{JOBS}/{job_id}/cancel")
    await platform.driver.round()
    assert await state(client, job_id) == "cancelling"


async def test_a_cancelled_job_whose_agent_is_gone_ends_when_it_counts_as_lost(
    client: AsyncClient, mock_trainer_service: TrainerService, platform: Platform, clock: Clock
) -> None:
    job_id, _ = await running(client, mock_trainer_service)
    mock_trainer_service.close()
    await client.post(f"{JOBS}/{job_id}/cancel")
    await platform.driver.round()
    assert await state(client, job_id) == "cancelling"
    clock.move(31)
    await platform.driver.round()
    assert await state(client, job_id) == "cancelled"


async def test_a_lost_attempt_is_called_lost_whatever_the_limit_is(
    client: AsyncClient, mock_trainer_service: TrainerService, platform: Platform, clock: Clock
) -> None:
    from datetime import timedelta

    platform.driver.silence = timedelta(seconds=5)
    job_id, _ = await running(client, mock_trainer_service)
    clock.move(6)
    await platform.driver.round()
    (attempt,) = (await client.get(f"{JOBS}/{job_id}/attempts")).json()["items"]
    assert attempt["diagnosis"]["code"] == "TRAINER_LOST"
    assert await state(client, job_id) == "waiting"


async def test_time_in_which_the_backend_itself_was_away_counts_against_nobody(
    client: AsyncClient, mock_trainer_service: TrainerService, platform: Platform, clock: Clock
) -> None:
    job_id, _ = await running(client, mock_trainer_service)
    await platform.driver.stop()
    clock.move(3600)
    platform.driver.start()
    await platform.driver.round()
    assert await state(client, job_id) == "running"
    clock.move(31)
    await platform.driver.round()
    assert await state(client, job_id) == "waiting"


async def test_an_attempt_that_was_recorded_but_never_handed_over_is_handed_over_at_the_next_start(
    client: AsyncClient, mock_trainer_service: TrainerService, platform: Platform
) -> None:
    job_id, _ = await running(client, mock_trainer_service)
    await change(platform, job_id, job="starting", attempt="created")
    before = mock_trainer_service.call_count
    await platform.driver.round()
    await eventually(lambda: mock_trainer_service.call_count == before + 1)
    assert mock_trainer_service.specs[-1]["attempt"] == 1


@pytest.mark.parametrize("error", [DatabaseError("transaction", OSError("locked")), RuntimeError("a bug")])
async def test_a_round_that_fails_does_not_end_the_driving(
    client: AsyncClient,
    mock_trainer_service: TrainerService,
    platform: Platform,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    rounds, whole = [], platform.driver.round

    async def sometimes() -> None:
        rounds.append(1)
        if len(rounds) == 1:
            raise error
        await whole()

    monkeypatch.setattr(platform.driver, "round", sometimes)
    platform.driver.kick()
    await eventually(lambda: len(rounds) == 1)
    job_id = (await client.post(JOBS, json={"model": "yolo11n", "dataset_id": "test-dataset"})).json()["job_id"]
    platform.driver.kick()
    await eventually(lambda: len(rounds) >= 2)
    await job_in_state(client, job_id, "starting")


async def test_a_dispatch_that_meets_a_bug_leaves_the_job_for_the_next_round(
    client: AsyncClient, mock_trainer_service: TrainerService, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.workflows.dispatch import Dispatcher

    tries, whole = [], Dispatcher._spec

    async def sometimes(self: Dispatcher, job_id: str) -> dict[str, Any]:
        tries.append(job_id)
        if len(tries) == 1:
            message = "a bug"
            raise RuntimeError(message)
        return await whole(self, job_id)

    monkeypatch.setattr(Dispatcher, "_spec", sometimes)
    body = {"model": "yolo11n", "dataset_id": "test-dataset"}
    job_id = (await client.post(JOBS, json=body, headers={"Prefer": "respond-async"})).json()["job_id"]
    await eventually(lambda: len(tries) == 1)
    await eventually(lambda: not platform.driver._under_way)
    platform.driver.kick()
    await eventually(lambda: mock_trainer_service.specs)
    assert mock_trainer_service.specs[-1]["job_id"] == job_id


async def test_driving_can_be_stopped_at_any_moment(platform: Platform) -> None:
    """A cancellation that comes together with news must not be swallowed."""
    for _ in range(50):
        platform.driver.kick()
        await asyncio.sleep(0)
        await asyncio.wait_for(platform.driver.stop(), 5)
        platform.driver.start()


async def test_a_job_that_a_full_agent_refused_is_taken_as_soon_as_there_is_room(
    client: AsyncClient, mock_trainer_service: TrainerService, platform: Platform
) -> None:
    """Its waiting attempt holds no slot: on a machine with one slot it would wait for itself for ever."""
    mock_trainer_service.answer = 409
    body = {"model": "yolo11n", "dataset_id": "test-dataset"}
    ids = [(await client.post(JOBS, json=body)).json()["job_id"] for _ in range(2)]
    for job_id in ids:
        await job_in_state(client, job_id, "queued")
    mock_trainer_service.answer = 202
    platform.driver.kick()
    await eventually(lambda: mock_trainer_service.specs)
    assert mock_trainer_service.specs[0]["job_id"] in ids


async def test_a_long_queue_is_not_dispatched_in_every_round(
    client: AsyncClient, mock_trainer_service: TrainerService, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.workflows.dispatch import Dispatcher

    await running(client, mock_trainer_service)
    body = {"model": "yolo11n", "dataset_id": "test-dataset"}
    waiting = [(await client.post(JOBS, json=body, headers={"Prefer": "respond-async"})).json()["job_id"] for _ in range(20)]

    async def told() -> bool:
        items = [(await client.get(f"{JOBS}/{job_id}")).json() for job_id in waiting]
        return all((item["progress"] or {}).get("waiting_for") == "all agents are busy" for item in items)

    platform.driver.kick()
    await eventually(told)
    dispatched: list[str] = []

    async def noted(_self: Dispatcher, job_id: str) -> None:
        dispatched.append(job_id)

    monkeypatch.setattr(Dispatcher, "dispatch", noted)
    for _ in range(3):
        await platform.driver.round()
    await eventually(lambda: not platform.driver._under_way)
    assert dispatched == []
