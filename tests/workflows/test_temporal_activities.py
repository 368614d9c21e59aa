"""What the steps tell Temporal: of a failure its code and whether to try again, of a training its last checkpoint."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from httpx import AsyncClient
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from app.api.deps import Platform
from app.core.error_messages import REGISTRY
from app.core.errors import CircuitOpenError, DatabaseError, PlatformError
from app.workflows.dispatch import Dispatcher
from app.workflows.temporal_activities import STOPPED, Activities
from app.workflows.temporal_workflow import OVER, TRAINING, WAITING, Step
from tests.conftest import Clock, TrainerService
from tests.services.test_verdicts import CONFIG, JOBS, Talk
from tests.waiting import eventually

SILENCE = timedelta(seconds=30)


@pytest.fixture
async def steps(platform: Platform) -> Activities:
    """The steps, on a platform that nobody drives."""
    await platform.driver.stop()
    return Activities(platform.driver.dispatcher, SILENCE, interval=0.01)


@pytest.fixture
def talk(client: AsyncClient, mock_trainer_service: TrainerService, platform: Platform, clock: Clock) -> Talk:
    return Talk(client, mock_trainer_service, platform, clock)


async def stored(talk: Talk) -> str:
    answer = await talk.client.post(JOBS, json=CONFIG, headers={"Prefer": "respond-async"})
    talk.job_id = str(answer.json()["job_id"])
    return talk.job_id


async def failing(steps: Activities, error: Exception, monkeypatch: pytest.MonkeyPatch, job_id: str) -> ApplicationError:
    async def fails(*_: Any) -> None:
        raise error

    monkeypatch.setattr(Dispatcher, "dispatch", fails)
    with pytest.raises(ApplicationError) as caught:
        await ActivityEnvironment().run(steps.dispatch, job_id)
    return caught.value


async def test_every_code_is_told_with_whether_trying_again_can_help(
    steps: Activities, talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = await stored(talk)
    for code, row in REGISTRY.items():
        told = await failing(steps, PlatformError.from_code(code), monkeypatch, job_id)
        assert (told.type, told.non_retryable) == (code, not row.retryable)


async def test_an_open_breaker_is_told_with_the_time_until_it_closes(
    steps: Activities, talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = await failing(steps, CircuitOpenError("database", 17.5), monkeypatch, await stored(talk))
    assert (told.type, told.non_retryable) == ("SERVICE_UNAVAILABLE", False)
    assert told.next_retry_delay == timedelta(seconds=17.5)


async def test_of_a_bug_temporal_is_told_nothing_but_the_code(
    steps: Activities, talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = await failing(steps, RuntimeError("password=hunter2"), monkeypatch, await stored(talk))
    assert (told.type, told.non_retryable) == ("SYSTEM_ERROR", True)
    assert "hunter2" not in str(told)
    assert told.__cause__ is None


async def test_a_database_error_is_told_without_what_it_says(
    steps: Activities, talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = DatabaseError("transaction", OSError("select secret from jobs"))
    told = await failing(steps, error, monkeypatch, await stored(talk))
    assert (told.type, told.non_retryable) == ("DATABASE_ERROR", False)
    assert "select" not in str(told)


async def test_a_start_that_breaks_off_keeps_no_slot_until_it_works(
    steps: Activities, talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = await stored(talk)
    with monkeypatch.context() as broken:
        await failing(steps, RuntimeError("a bug"), broken, job_id)
    assert steps.dispatcher.stuck == {job_id}
    assert await ActivityEnvironment().run(steps.dispatch, job_id) == Step(TRAINING, "starting", 1)
    assert steps.dispatcher.stuck == set()


async def test_a_start_done_twice_is_one(steps: Activities, talk: Talk) -> None:
    """The first one's answer was lost: the server has it carried out again."""
    job_id = await stored(talk)
    first, second = [await ActivityEnvironment().run(steps.dispatch, job_id) for _ in range(2)]
    assert first == second == Step(TRAINING, "starting", 1)
    assert len(talk.service.specs) == 1


async def test_the_heartbeat_of_a_training_carries_its_last_checkpoint(steps: Activities, talk: Talk) -> None:
    job_id = await stored(talk)
    await ActivityEnvironment().run(steps.dispatch, job_id)
    steps.silence = timedelta(seconds=0.04)  # a heartbeat every 0.01 s
    beats: list[dict[str, Any]] = []
    environment = ActivityEnvironment()
    environment.on_heartbeat = lambda seen: beats.append(dict(seen))
    training = asyncio.create_task(environment.run(steps.train, job_id, 1))
    await talk.tell(status="running", phase="training")
    await talk.epoch(2)
    await talk.checkpoint(2, b"weights")
    await eventually(lambda: beats and beats[-1]["checkpoint"])
    assert beats[-1]["epoch"] == 2
    assert set(beats[-1]["checkpoint"]) == {"name", "epoch", "sha256"}
    assert steps.is_with(job_id)
    await talk.tell(status="succeeded", result={"metrics": {}})
    assert await training == Step(OVER, "succeeded", 1)
    assert not steps.is_with(job_id)


async def test_a_training_is_left_to_another_backend_when_this_one_ends(steps: Activities, talk: Talk) -> None:
    job_id = await stored(talk)
    await ActivityEnvironment().run(steps.dispatch, job_id)
    environment = ActivityEnvironment()
    training = asyncio.create_task(environment.run(steps.train, job_id, 1))
    await eventually(lambda: steps.is_with(job_id))
    environment.worker_shutdown()
    environment.cancel()
    with pytest.raises(ApplicationError) as caught:
        await training
    assert (caught.value.type, caught.value.non_retryable) == (STOPPED, False)
    assert STOPPED not in REGISTRY
    assert (await talk.client.get(f"{JOBS}/{job_id}")).json()["status"] == "starting"


async def test_a_training_that_temporal_gives_up_goes_on(steps: Activities, talk: Talk) -> None:
    """Only the rows end an attempt."""
    job_id = await stored(talk)
    await ActivityEnvironment().run(steps.dispatch, job_id)
    environment = ActivityEnvironment()
    training = asyncio.create_task(environment.run(steps.train, job_id, 1))
    await eventually(lambda: steps.is_with(job_id))
    environment.cancel()
    with pytest.raises(asyncio.CancelledError):
        await training
    assert talk.service.cancelled == []


async def test_a_job_waits_as_long_as_its_rows_say(steps: Activities, talk: Talk) -> None:
    job_id = await stored(talk)
    await ActivityEnvironment().run(steps.dispatch, job_id)
    await talk.tell(status="running", phase="training")
    await talk.fails("TRAINER_CRASHED", again=False)
    step = await ActivityEnvironment().run(steps.train, job_id, 1)
    assert (step.what, step.status) == (WAITING, "waiting")
    retry_at = (await talk.client.get(f"{JOBS}/{job_id}")).json()["retry_at"]
    assert step.wait_s == pytest.approx(float(retry_at[17:-1]) - talk.clock().second, abs=0.01)


async def test_a_job_that_is_gone_is_over(steps: Activities) -> None:
    assert await ActivityEnvironment().run(steps.fail, "J-404", "NOT_FOUND") == Step(OVER, "gone", code="NOT_FOUND")


async def test_a_job_that_an_agent_has_is_not_ended_by_a_start_that_failed(steps: Activities, talk: Talk) -> None:
    job_id = await stored(talk)
    await ActivityEnvironment().run(steps.dispatch, job_id)
    assert await ActivityEnvironment().run(steps.fail, job_id, "SYSTEM_ERROR") == Step(TRAINING, "starting", 1)
