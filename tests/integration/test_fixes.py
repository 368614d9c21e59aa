"""Offered fixes do what they say, from the failure to the repaired job."""

from typing import Any

from httpx import AsyncClient

from app.api.deps import Platform
from tests.conftest import TrainerService, add_dataset, classification_zip, job_in_state

JOBS = "/api/v1/training-jobs"
BODY: dict[str, Any] = {"model": "yolo11n", "dataset_id": "test-dataset", "epochs": 3}


async def failed(client: AsyncClient, service: TrainerService, *updates: dict[str, Any]) -> dict[str, Any]:
    """A job that ends with these updates of its first attempt."""
    job_id = (await client.post(JOBS, json=BODY)).json()["job_id"]
    headers = {"Authorization": f"Bearer {service.specs[-1]['token']}"}
    numbered = [{"attempt": 1, "seq": number, **update} for number, update in enumerate(updates, 1)]
    response = await client.post(f"{JOBS}/{job_id}/callback", json=numbered, headers=headers)
    assert response.status_code == 200, response.text
    return dict((await client.get(f"{JOBS}/{job_id}")).json())


async def apply(client: AsyncClient, job_id: str, fix_id: str) -> dict[str, Any]:
    """The new job that applying a fix makes."""
    response = await client.post(f"{JOBS}/{job_id}/retry", json={"fix_id": fix_id})
    assert response.status_code == 200, response.text
    return dict((await client.get(f"{JOBS}/{response.json()['job_id']}")).json())


async def test_a_misspelt_data_set_is_offered_the_nearest_and_trains_with_it(
    client: AsyncClient, mock_trainer_service: TrainerService
) -> None:
    job_id = (await client.post(JOBS, json={**BODY, "dataset_id": "test-dateset"})).json()["job_id"]
    job = await job_in_state(client, job_id, "failed")
    assert job["error"]["code"] == "DATASET_NOT_FOUND"
    new = await apply(client, job_id, "use-test-dataset")
    assert new["config"]["dataset_id"] == "test-dataset"
    await job_in_state(client, new["job_id"], "starting")


async def test_the_dry_run_names_the_nearest_data_set(client: AsyncClient, mock_trainer_service: TrainerService) -> None:
    answer = (await client.post(f"{JOBS}/validate", json={**BODY, "dataset_id": "test-dateset"})).json()
    error = answer["errors"][0]
    assert error["errors"][0]["message"] == "no data set `test-dateset`; did you mean `test-dataset`?"
    assert [fix["id"] for fix in error["fixes"]] == ["use-test-dataset"]


async def test_a_data_set_like_no_other_is_offered_none(client: AsyncClient, mock_trainer_service: TrainerService) -> None:
    answer = (await client.post(f"{JOBS}/validate", json={**BODY, "dataset_id": "zebras"})).json()
    assert answer["errors"][0]["errors"][0]["message"] == "no data set `zebras`"
    assert answer["errors"][0]["fixes"] == []


async def test_broken_files_are_left_out_by_the_offered_fix(
    client: AsyncClient, platform: Platform, mock_trainer_service: TrainerService
) -> None:
    await add_dataset(platform, "broken", classification_zip(per_class=8, damaged=1))
    body = {**BODY, "model": "yolo11n-cls", "dataset_id": "broken"}
    job_id = (await client.post(JOBS, json=body)).json()["job_id"]
    job = await job_in_state(client, job_id, "failed")
    fix = job["error"]["fixes"][0]
    assert (fix["id"], fix["label"], fix["applicability"]) == ("exclude-invalid-files", "Train without this file", "safe")
    new = await apply(client, job_id, fix["id"])
    assert new["config"]["exclude_invalid_files"] is True
    assert new["retry_of"] == job_id
    await job_in_state(client, new["job_id"], "starting")


async def test_advice_cannot_be_applied(client: AsyncClient, mock_trainer_service: TrainerService) -> None:
    error = {"code": "SHM_EXHAUSTED", "message": "/dev/shm is full", "details": {"workers": 0}}
    job = await failed(client, mock_trainer_service, {"status": "failed", "error": error, "evidence": {"exit_code": 1}})
    assert job["status"] == "failed"
    assert [(fix["id"], fix["patch"]) for fix in job["error"]["fixes"]] == [("larger-shm", [])]
    response = await client.post(f"{JOBS}/{job['job_id']}/retry", json={"fix_id": "larger-shm"})
    assert response.status_code == 400
    assert "offers no fix `larger-shm`" in response.json()["error"]["errors"][0]["message"]
