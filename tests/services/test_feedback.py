"""Did this help? One word a person and job, counted by code."""

from httpx import AsyncClient

from tests.api.test_training import JOBS, running, submit, tell
from tests.conftest import TrainerService, job_in_state


async def _failed(client: AsyncClient, service: TrainerService) -> str:
    job_id, headers = await running(client, service)
    error = {"code": "DATASET_BROKEN", "message": "cannot read an image"}
    await tell(client, job_id, headers, {"status": "failed", "attempt": 1, "seq": 2, "error": error})
    await job_in_state(client, job_id, "failed")
    return job_id


async def test_a_later_word_replaces_an_earlier_one_and_is_counted_once(
    client: AsyncClient, mock_trainer_service: TrainerService
) -> None:
    job_id = await _failed(client, mock_trainer_service)
    assert (await client.get(f"{JOBS}/{job_id}/feedback")).json()["helped"] is None
    for helped in (True, False):
        said = await client.put(f"{JOBS}/{job_id}/feedback", json={"helped": helped})
        assert said.json() == {"job_id": job_id, "code": "DATASET_BROKEN", "helped": helped}
    assert (await client.get(f"{JOBS}/{job_id}/feedback")).json()["helped"] is False
    counted = (await client.get("/api/v1/errors/feedback")).json()["items"]
    assert counted == [{"code": "DATASET_BROKEN", "helped": 0, "did_not": 1}]


async def test_of_a_job_that_has_not_failed_nothing_can_be_said(client: AsyncClient) -> None:
    job_id = await submit(client)
    response = await client.put(f"{JOBS}/{job_id}/feedback", json={"helped": True})
    assert (response.status_code, response.json()["error"]["code"]) == (409, "CONFLICT")
