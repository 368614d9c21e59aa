"""One suite for both orchestrators: whatever drives it, a job goes the same way, and its rows tell the same.

With Temporal the real development server runs the workflows. With ``VTP_HISTORIES=write`` in the environment the tests also
write the histories that `test_temporal_replay.py` replays.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from httpx import AsyncClient

from app.api.deps import Platform
from app.config import Settings
from app.main import create_app
from tests.conftest import Clock, TrainerService, register_agent
from tests.integration.servers import new_queue
from tests.services.test_verdicts import CONFIG, JOBS, Talk
from tests.waiting import eventually
from tests.workflows.histories import record

Move = Callable[[float], None]


@pytest.fixture(params=["local", "temporal"])
def orchestrator(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def settings(settings: Settings, orchestrator: str, request: pytest.FixtureRequest) -> Settings:
    """The same application, driven by one or the other."""
    if orchestrator == "local":
        return settings
    server = request.getfixturevalue("temporal")
    changes = {"orchestrator": orchestrator, "temporal_address": server.address, "temporal_task_queue": new_queue()}
    return settings.model_copy(update=changes)


@pytest.fixture
async def talk(
    client: AsyncClient,
    mock_trainer_service: TrainerService,
    platform: Platform,
    clock: Clock,
    request: pytest.FixtureRequest,
) -> AsyncIterator[Talk]:
    """An agent that can be told what to tell; what Temporal kept of its job is written down where that is asked for."""
    talk = Talk(client, mock_trainer_service, platform, clock)
    yield talk
    if os.environ.get("VTP_HISTORIES") == "write" and platform.settings.orchestrator == "temporal":
        await record(platform, talk.job_id, request.node.originalname)


async def job(talk: Talk) -> dict[str, Any]:
    return dict((await talk.client.get(f"{JOBS}/{talk.job_id}")).json())


async def in_state(talk: Talk, *wanted: str) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        found = await job(talk)
        return found if found["status"] in wanted else None

    return dict(await eventually(look, what=f"{talk.job_id} in {wanted}"))


async def later(talk: Talk, seconds: float) -> None:
    """Time passes, in which the agent lives."""
    talk.clock.move(seconds)
    await register_agent(talk.platform, talk.service.url)
    talk.platform.driver.kick()


async def test_a_training_goes_through(talk: Talk) -> None:
    await talk.begin()
    await talk.epoch(1)
    await talk.tell(status="succeeded", result={"metrics": {"top1": 0.9}})
    found = await in_state(talk, "succeeded")
    assert found["result"]["primary"] == {"name": "top1", "value": 0.9}
    assert len(await talk.attempts()) == 1


async def test_what_the_preflight_refuses_never_reaches_an_agent(talk: Talk) -> None:
    answer = await talk.client.post(JOBS, json={**CONFIG, "dataset_id": "no-such-data"})
    assert answer.status_code == 200
    talk.job_id = answer.json()["job_id"]
    found = await in_state(talk, "failed")
    assert (found["error"]["code"], found["attempt"]) == ("DATASET_NOT_FOUND", 0)
    assert talk.service.call_count == 0


async def test_a_users_error_ends_the_job_after_one_attempt(talk: Talk) -> None:
    await talk.begin()
    await talk.fails("CUDA_DEVICE_ASSERT", again=False)
    found = await in_state(talk, "failed")
    assert found["error"]["code"] == "CUDA_DEVICE_ASSERT"
    assert [attempt["status"] for attempt in await talk.attempts()] == ["failed"]


async def test_a_passing_failure_is_tried_again_after_its_wait_and_not_before(talk: Talk) -> None:
    await talk.begin()
    await talk.fails("TRAINER_CRASHED", again=False)
    found = await in_state(talk, "waiting")
    assert found["retry_at"] > talk.clock().isoformat()
    await later(talk, 1)
    assert (await in_state(talk, "waiting"))["attempt"] == 1
    await later(talk, 60)
    await eventually(lambda: talk.spec["attempt"] == 2)
    await talk.tell(status="running", phase="training")
    await talk.tell(status="succeeded", result={"metrics": {}})
    assert (await in_state(talk, "succeeded"))["attempt"] == 2


async def test_memory_that_ran_out_is_repaired_and_goes_on_from_the_checkpoint(talk: Talk) -> None:
    await talk.begin()
    await talk.epoch(1)
    await talk.checkpoint(1, b"weights")
    await talk.fails("CUDA_OOM", batch_size=16)
    assert (talk.spec["config"]["batch_size"], talk.spec["config"]["accumulate"]) == (8, 2)
    assert talk.spec["resume"]["epoch"] == 1
    await talk.tell(status="succeeded", result={"metrics": {}})
    await in_state(talk, "succeeded")


async def test_a_running_training_is_cancelled_by_its_agent(talk: Talk) -> None:
    await talk.begin()
    assert (await talk.client.post(f"{JOBS}/{talk.job_id}/cancel")).json()["status"] == "cancelling"
    await eventually(lambda: talk.service.cancelled)
    assert talk.service.cancelled[0] == (f"/attempts/{talk.job_id}/1/cancel", "cancel")
    await talk.tell(status="cancelled")
    assert (await in_state(talk, "cancelled"))["error"] is None


async def test_a_waiting_job_is_cancelled_at_once_and_never_starts_again(talk: Talk) -> None:
    await talk.begin()
    await talk.fails("TRAINER_CRASHED", again=False)
    await in_state(talk, "waiting")
    assert (await talk.client.post(f"{JOBS}/{talk.job_id}/cancel")).json()["status"] == "cancelled"
    await later(talk, 600)
    await the_next_job_starts(talk)
    assert [spec["job_id"] for spec in talk.service.specs].count(talk.job_id) == 1


async def the_next_job_starts(talk: Talk) -> str:
    """Whatever there was to do before, the orchestrator has done by then."""
    next_id = str((await talk.client.post(JOBS, json=CONFIG)).json()["job_id"])
    await eventually(lambda: talk.spec["job_id"] == next_id)
    return next_id


async def test_a_training_past_its_time_limit_fails_and_is_not_tried_again(talk: Talk) -> None:
    await talk.begin(max_duration_s=60)
    assert talk.spec["limits"]["max_duration_s"] == 60
    await talk.tell(status="failed", evidence={"killed_by": "timeout"})
    assert (await in_state(talk, "failed"))["error"]["code"] == "TRAINING_TIMEOUT"


async def test_a_preempted_training_goes_on_from_its_checkpoint_without_the_users_budget(talk: Talk) -> None:
    await talk.begin()
    await talk.epoch(2)
    await talk.checkpoint(2, b"weights")
    await talk.tell(status="failed", evidence={"killed_by": "shutdown", "preemption_notice": True})
    await in_state(talk, "waiting")
    (first,) = await talk.attempts()
    assert (first["diagnosis"]["code"], first["decision"]["budget"]) == ("JOB_PREEMPTED", "preemption")
    await later(talk, 60)
    await eventually(lambda: talk.spec["attempt"] == 2)
    assert talk.spec["resume"]["epoch"] == 2


async def test_a_wait_is_ended_by_retry_now(talk: Talk) -> None:
    await talk.begin()
    await talk.fails("TRAINER_CRASHED", again=False)
    await in_state(talk, "waiting")
    assert (await talk.client.post(f"{JOBS}/{talk.job_id}/run-now")).status_code == 202
    await eventually(lambda: talk.spec["attempt"] == 2)


async def test_a_wait_is_ended_by_stop_retrying(talk: Talk) -> None:
    await talk.begin()
    await talk.fails("TRAINER_CRASHED", again=False)
    await in_state(talk, "waiting")
    assert (await talk.client.post(f"{JOBS}/{talk.job_id}/stop-retrying")).status_code == 202
    assert (await in_state(talk, "failed"))["error"]["code"] == "TRAINER_CRASHED"
    await later(talk, 600)
    await the_next_job_starts(talk)
    assert [spec["job_id"] for spec in talk.service.specs].count(talk.job_id) == 1


async def test_an_attempt_whose_agent_is_silent_is_lost_and_goes_on_elsewhere(talk: Talk) -> None:
    await talk.begin()
    other = TrainerService()
    try:
        talk.clock.move(31)
        await register_agent(talk.platform, other.url, agent_id="agent-2")
        talk.platform.driver.kick(talk.job_id)
        await in_state(talk, "waiting")
        (first,) = await talk.attempts()
        assert (first["diagnosis"]["code"], first["decision"]["action"]) == ("TRAINER_LOST", "elsewhere")
        talk.clock.move(60)
        await register_agent(talk.platform, other.url, agent_id="agent-2")
        talk.platform.driver.kick()
        await eventually(lambda: other.specs)
        assert other.specs[0]["attempt"] == 2
    finally:
        other.close()


async def test_a_job_waits_for_a_free_agent_and_starts_when_there_is_one(talk: Talk) -> None:
    await talk.begin()
    first = talk.job_id
    second = str((await talk.client.post(JOBS, json=CONFIG)).json()["job_id"])

    async def waits() -> bool:
        found = (await talk.client.get(f"{JOBS}/{second}")).json()
        return (found["progress"] or {}).get("waiting_for") == "all agents are busy"

    await eventually(waits)
    await talk.tell(status="succeeded", result={"metrics": {}})
    await eventually(lambda: talk.spec["job_id"] == second)
    assert [spec["job_id"] for spec in talk.service.specs] == [first, second]


async def test_an_agent_that_cannot_be_reached_is_told_to_who_submits_and_nothing_starts_later(talk: Talk) -> None:
    talk.service.fail_count = 1000
    answer = await talk.client.post(JOBS, json=CONFIG)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "TRAINER_UNREACHABLE")
    items = (await talk.client.get(JOBS)).json()["items"]
    assert [item["status"] for item in items] == ["failed"]
    talk.job_id = items[0]["job_id"]
    talk.service.fail_count = 0
    await later(talk, 600)
    next_id = await the_next_job_starts(talk)
    assert {spec["job_id"] for spec in talk.service.specs} == {next_id}


async def test_a_job_goes_on_when_its_backend_is_restarted(
    talk: Talk, settings: Settings, clock: Clock, stop_app: Callable[[], Awaitable[None]]
) -> None:
    """The second backend is told of the failure that the first did not live to see."""
    await talk.begin()
    await talk.epoch(1)
    await stop_app()
    app = create_app(settings, clock)
    platform = app.state.platform
    platform.base_url = "http://backend.test"
    async with app.router.lifespan_context(app):
        import httpx

        transport = httpx.ASGITransport(app=app)
        headers = {"Authorization": talk.client.headers["Authorization"]}
        async with httpx.AsyncClient(transport=transport, base_url="http://backend.test", headers=headers) as client:
            talk.client, talk.platform = client, platform
            await talk.fails("TRAINER_CRASHED")
            await talk.tell(status="succeeded", result={"metrics": {}})
            assert (await in_state(talk, "succeeded"))["attempt"] == 2
            assert [spec["attempt"] for spec in talk.service.specs] == [1, 2]
