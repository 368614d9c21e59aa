"""Steering jobs: what ends the wait before another attempt."""

import pytest
from httpx import AsyncClient

from app.api.deps import Platform
from tests.api.test_training import JOBS, running, submit, tell
from tests.conftest import TrainerService, job_in_state

KILLED = {"status": "failed", "attempt": 1, "seq": 2, "evidence": {"signal": 9, "oom_kill_delta": 0}}


async def waiting(client: AsyncClient, service: TrainerService) -> str:
    job_id, headers = await running(client, service)
    await tell(client, job_id, headers, KILLED)
    await job_in_state(client, job_id, "waiting")
    return job_id


async def test_stop_retrying_ends_a_waiting_job_with_its_last_error(
    client: AsyncClient, mock_trainer_service: TrainerService
) -> None:
    job_id = await waiting(client, mock_trainer_service)
    response = await client.post(f"{JOBS}/{job_id}/stop-retrying")
    assert response.status_code == 202
    job = response.json()
    assert job["status"] == "failed"
    assert job["error"]["code"] == "TRAINER_KILLED"
    assert job["retry_at"] is None
    retried = await client.post(f"{JOBS}/{job_id}/retry")
    assert retried.status_code == 200


async def test_run_now_ends_the_wait(client: AsyncClient, mock_trainer_service: TrainerService) -> None:
    job_id = await waiting(client, mock_trainer_service)
    assert (await client.post(f"{JOBS}/{job_id}/run-now")).status_code == 202
    assert (await job_in_state(client, job_id, "starting"))["attempt"] == 2


@pytest.mark.parametrize("action", ["stop-retrying", "run-now"])
async def test_a_job_that_does_not_wait_is_left_alone(client: AsyncClient, action: str) -> None:
    job_id = await submit(client)
    response = await client.post(f"{JOBS}/{job_id}/{action}")
    assert (response.status_code, response.json()["error"]["code"]) == (409, "CONFLICT")
    assert (await client.post(f"{JOBS}/J-99/{action}")).status_code == 404


async def test_a_cancelled_job_leaves_no_attempt_that_holds_a_slot(
    client: AsyncClient, mock_trainer_service: TrainerService, platform: Platform
) -> None:
    """The agent was full: the job went back to the queue, its attempt waiting to be handed over."""
    mock_trainer_service.answer = 409
    job_id = (await client.post(JOBS, json={"model": "yolo11n", "dataset_id": "test-dataset"})).json()["job_id"]
    await job_in_state(client, job_id, "queued")
    await client.post(f"{JOBS}/{job_id}/cancel")
    (attempt,) = (await client.get(f"{JOBS}/{job_id}/attempts")).json()["items"]
    assert attempt["status"] == "cancelled"
    assert [agent["busy"] for agent in await platform.agents.list_all()] == [0]
