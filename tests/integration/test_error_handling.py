"""The design document's integration scenarios, against the real application."""

from httpx import AsyncClient

from tests.conftest import TrainerService, job_in_state
from tests.waiting import eventually

BODY = {"model": "yolo11n", "dataset_id": "test-dataset", "epochs": 100}


async def test_training_job_error_propagation(client: AsyncClient) -> None:
    """A failure reaches the user with its type, its message and what to do."""
    response = await client.post("/api/v1/training-jobs", json={**BODY, "dataset_id": "invalid-dataset"})
    assert response.status_code == 200
    job_id = response.json()["job_id"]
    assert response.headers["Location"] == f"/api/v1/training-jobs/{job_id}"

    job = await job_in_state(client, job_id, "failed")

    assert job["status"] == "failed"
    assert job["error"]["type"] == "permanent"
    assert "dataset" in job["error"]["message"].lower()
    assert job["error"]["suggested_action"] is not None
    assert job["error"]["code"] == "DATASET_NOT_FOUND"


async def test_transient_error_retry(client: AsyncClient, mock_trainer_service: TrainerService) -> None:
    """Transient failures are retried by themselves."""
    mock_trainer_service.fail_count = 2

    response = await client.post("/api/v1/training-jobs", json=BODY)

    assert response.status_code == 200
    assert mock_trainer_service.call_count == 3


async def test_submitting_while_the_trainer_is_down_answers_503_and_leaves_nothing_to_start_later(
    client: AsyncClient, mock_trainer_service: TrainerService
) -> None:
    """A caller who is told no finds no training running afterwards."""
    mock_trainer_service.fail_count = 1000

    response = await client.post("/api/v1/training-jobs", json=BODY)

    assert response.status_code == 503
    assert response.json()["error"]["code"] == "TRAINER_UNREACHABLE"
    assert response.json()["error"]["message"] == "Unable to start training at this time."
    jobs = (await client.get("/api/v1/training-jobs")).json()["items"]
    assert [job["status"] for job in jobs] == ["failed"]


async def test_a_job_submitted_with_respond_async_waits_for_the_trainer(
    client: AsyncClient, trainer_service: TrainerService, platform
) -> None:
    """With 202 the job is kept until an agent can take it."""
    from tests.conftest import register_agent

    response = await client.post("/api/v1/training-jobs", json=BODY, headers={"Prefer": "respond-async"})
    assert response.status_code == 202
    job_id = response.json()["job_id"]
    assert (await job_in_state(client, job_id, "queued"))["status"] == "queued"

    await register_agent(platform, trainer_service.url)

    await eventually(lambda: trainer_service.specs)
    assert (await job_in_state(client, job_id, "starting"))["attempt"] == 1
    assert [spec["job_id"] for spec in trainer_service.specs] == [job_id]
