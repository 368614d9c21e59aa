"""Submitting and steering jobs: what is accepted, tried again, stopped, and what ends the wait before another attempt."""

import asyncio
from typing import Any

import pytest
from httpx import AsyncClient
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.deps import Platform
from app.core.errors import PlatformError
from app.db.repositories import jobs
from app.db.states import JOB_STATES
from app.schemas.training import TrainingConfig
from tests.api.test_training import JOBS, running, submit, tell
from tests.conftest import Clock, TrainerService, job_in_state

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


async def test_the_same_key_and_body_give_the_same_job_and_another_body_is_refused(
    client: AsyncClient, platform: Platform, clock: Clock
) -> None:
    config = TrainingConfig(model="yolo11n", dataset_id="test-dataset")
    first = await platform.training.create(config, "k")
    assert await platform.training.create(config, "k") == first
    assert await platform.training.create(config, "other") != first
    with pytest.raises(PlatformError) as caught:
        await platform.training.create(config.model_copy(update={"epochs": 3}), "k")
    assert caught.value.errors[0].code == "idempotency_key_reused"
    clock.move(25 * 3600)
    assert await platform.training.create(config, "k") != first


async def test_many_at_once_with_one_key_make_one_job(client: AsyncClient, platform: Platform) -> None:
    config = TrainingConfig(model="yolo11n", dataset_id="test-dataset")
    made = await asyncio.gather(*(platform.training.create(config, "k") for _ in range(10)))
    assert len(set(made)) == 1
    assert await platform.training.open_count() == 1


async def test_more_open_jobs_than_allowed_are_refused(client: AsyncClient, platform: Platform) -> None:
    platform.settings.max_open_jobs = 2
    config = TrainingConfig(model="yolo11n", dataset_id="test-dataset")
    for _ in range(2):
        await platform.training.create(config)
    with pytest.raises(PlatformError) as caught:
        await platform.training.create(config)
    assert caught.value.code == "QUOTA_EXCEEDED"


async def test_a_refused_configuration_takes_no_number(
    client: AsyncClient, mock_trainer_service: TrainerService, platform: Platform
) -> None:
    wrong = TrainingConfig(model="yolo99", dataset_id="d", settings={"flipr": 1}, weights_id="none")
    with pytest.raises(PlatformError) as caught:
        await platform.training.create(wrong)
    assert {field.pointer for field in caught.value.errors} == {"#/settings/flipr", "#/weights_id"}
    assert await platform.training.create(TrainingConfig(model="yolo11n", dataset_id="d")) == "J-1"


async def test_a_dry_run_tells_everything_wrong_and_stores_nothing(
    client: AsyncClient, mock_trainer_service: TrainerService, platform: Platform
) -> None:
    body = {"model": "yolo11n-clz", "dataset_id": "nowhere", "settings": {"x": 1}}
    found = (await client.post(f"{JOBS}/validate", json=body)).json()
    assert not found["valid"]
    assert [error["code"] for error in found["errors"]] == ["INVALID_MODEL", "INVALID_CONFIG", "DATASET_NOT_FOUND"]
    right = (await client.post(f"{JOBS}/validate", json={"model": "yolo11n", "dataset_id": "test-dataset"})).json()
    assert (right["valid"], right["config"]["image_size"], right["config"]["task"]) == (True, 640, "detect")
    other = (await client.post(f"{JOBS}/validate", json={"model": "yolo11n-cls", "dataset_id": "test-dataset"})).json()
    assert [error["code"] for error in other["errors"]] == ["MODEL_DATA_MISMATCH"]
    assert await platform.training.open_count() == 0


async def test_without_an_agent_a_dry_run_warns(client: AsyncClient) -> None:
    found = (await client.post(f"{JOBS}/validate", json={"model": "any", "dataset_id": "test-dataset"})).json()
    assert found["valid"]
    assert [warning["code"] for warning in found["warnings"]] == ["TRAINER_UNREACHABLE"]


async def failed(client: AsyncClient, service: TrainerService) -> str:
    job_id, headers = await running(client, service)
    error = {"type": "system_error", "code": "TRAINING_CODE_ERROR", "message": "boom", "details": {}}
    await tell(client, job_id, headers, {"status": "failed", "attempt": 1, "seq": 2, "error": error})
    await job_in_state(client, job_id, "failed")
    return job_id


async def test_a_retry_names_its_parent_and_applies_a_patch(
    client: AsyncClient, mock_trainer_service: TrainerService
) -> None:
    job_id = await failed(client, mock_trainer_service)
    patch = [{"op": "replace", "path": "/epochs", "value": 7}, {"op": "add", "path": "/settings/fliplr", "value": 0.1}]
    new_id = (await client.post(f"{JOBS}/{job_id}/retry", json={"patch": patch})).json()["job_id"]
    old, new = [(await client.get(f"{JOBS}/{one}")).json() for one in (job_id, new_id)]
    assert (old["retried_as"], new["retry_of"]) == (new_id, job_id)
    assert (old["config"]["epochs"], new["config"]["epochs"]) == (3, 7)
    assert new["config"]["settings"] == {"fliplr": 0.1}


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({"fix_id": "unknown"}, 400, "#/fix_id"),
        ({"patch": [{"op": "remove", "path": "/nothing"}]}, 400, "#/patch"),
        ({"patch": [{"op": "replace", "path": "/epochs", "value": 0}]}, 422, "#/epochs"),
        ({"patch": [{"op": "add", "path": "/unknown", "value": 1}]}, 422, "#/unknown"),
        ({"patch": [{"op": "replace", "path": "/model", "value": "yolo99"}]}, 422, "#/model"),
    ],
)
async def test_a_retry_that_does_not_fit_is_refused_and_leaves_no_job(
    client: AsyncClient, mock_trainer_service: TrainerService, body: dict[str, Any], status: int, pointer: str
) -> None:
    job_id = await failed(client, mock_trainer_service)
    response = await client.post(f"{JOBS}/{job_id}/retry", json=body)
    assert response.status_code == status
    assert [error["pointer"] for error in response.json()["error"]["errors"]] == [pointer]
    assert (await client.get(f"{JOBS}/{job_id}")).json()["retried_as"] is None
    assert (await client.get(JOBS)).json()["total"] == 1


@pytest.mark.parametrize("state", sorted(JOB_STATES))
async def test_cancelling_ends_every_open_state_and_no_final_one(
    client: AsyncClient, platform: Platform, state: str
) -> None:
    job_id = await platform.training.create(TrainingConfig(model="yolo11n", dataset_id="test-dataset"))

    async def put(session: AsyncSession) -> None:
        (await jobs.get_job(session, job_id, lock=True)).status = state

    await platform.db.write(put)
    if state in ("succeeded", "failed"):
        with pytest.raises(PlatformError) as caught:
            await platform.training.cancel(job_id)
        assert caught.value.code == "CONFLICT"
        return
    for _ in range(2):  # once more is fine
        await platform.training.cancel(job_id)
    wanted = "cancelled" if state in ("queued", "waiting", "cancelled") else "cancelling"
    events = await platform.db.read(lambda session: jobs.events_since(session, job_id, 1))
    assert (await platform.reader.job(job_id))["status"] == wanted
    assert [event.body["status"] for event in events] == ([] if state == wanted else [wanted])
