"""Many jobs at once over HTTP: what is counted, what is tried again, and what becomes of the rest."""

from httpx import AsyncClient

from app.api.deps import Platform
from tests.conftest import TrainerService, add_dataset, classification_zip, job_in_state

JOBS = "/api/v1/training-jobs"


async def failed(client: AsyncClient, **changes: object) -> str:
    body = {"model": "yolo11n-cls", "dataset_id": "damaged", "epochs": 3, **changes}
    response = await client.post(JOBS, json=body, headers={"Prefer": "respond-async"})
    job_id = str(response.json()["job_id"])
    await job_in_state(client, job_id, "failed")
    return job_id


async def test_a_group_of_failures_is_tried_again_each_with_its_own_fix_and_only_once(
    client: AsyncClient, platform: Platform, mock_trainer_service: TrainerService
) -> None:
    await add_dataset(platform, "damaged", classification_zip(per_class=12, damaged=2))
    first, second = await failed(client), await failed(client, epochs=4)
    other = await failed(client, dataset_id="missing")
    summary = (await client.get(f"{JOBS}/summary")).json()
    groups = {group["code"]: group for group in summary["by_code"]}
    assert groups["DATASET_BROKEN"] == {"code": "DATASET_BROKEN", "count": 2, "unresolved": 2}
    assert (summary["unresolved"], summary["total"], summary["by_status"]) == (3, 3, {"failed": 3})

    body = {"code": "DATASET_BROKEN", "apply": "safe"}
    answer = (await client.post(f"{JOBS}/retry", json=body)).json()
    assert [item["job_id"] for item in answer["retried"]] == [first, second]
    assert (answer["refused"], answer["left"]) == ([], 0)
    new = (await client.get(f"{JOBS}/{answer['retried'][1]['retried_as']}")).json()
    assert (new["config"]["exclude_invalid_files"], new["config"]["epochs"], new["retry_of"]) == (True, 4, second)
    old = (await client.get(f"{JOBS}/{second}")).json()
    assert old["retried_status"] in ("queued", "starting", "running")

    again = (await client.post(f"{JOBS}/retry", json=body)).json()
    assert again == {"retried": [], "refused": [], "left": 0}
    left = (await client.get(JOBS, params={"unresolved": True})).json()
    assert [job["job_id"] for job in left["items"]] == [other]


async def test_a_full_queue_ends_a_bulk_retry_and_the_rest_is_left(
    client: AsyncClient, platform: Platform, mock_trainer_service: TrainerService
) -> None:
    jobs = [await failed(client, dataset_id="missing") for _ in range(3)]
    platform.settings.max_open_jobs = 0
    answer = (await client.post(f"{JOBS}/retry", json={"code": "DATASET_NOT_FOUND"})).json()
    assert answer["retried"] == []
    assert [(item["job_id"], item["error"]["code"]) for item in answer["refused"]] == [(jobs[0], "QUOTA_EXCEEDED")]
    assert answer["left"] == 2


async def test_a_list_can_be_entered_at_any_place(client: AsyncClient, mock_trainer_service: TrainerService) -> None:
    jobs = [await failed(client, dataset_id="missing") for _ in range(3)]
    page = (await client.get(JOBS, params={"offset": 1, "limit": 1})).json()
    assert ([job["job_id"] for job in page["items"]], page["total"]) == ([jobs[1]], 3)
