"""The training API: what is accepted, what is refused and how, what agents may do."""

from typing import Any

import pytest
from httpx import AsyncClient

from app.api.deps import Platform
from app.services.tokens import AttemptTokens
from tests.conftest import SECRET, TOKEN, Clock, TrainerService, job_in_state, register_agent
from tests.waiting import eventually

BODY: dict[str, Any] = {"model": "yolo11n", "dataset_id": "test-dataset", "epochs": 3}
JOBS = "/api/v1/training-jobs"


async def submit(client: AsyncClient, **changes: Any) -> str:
    response = await client.post(JOBS, json={**BODY, **changes}, headers={"Prefer": "respond-async"})
    assert response.status_code == 202, response.text
    return str(response.json()["job_id"])


async def running(client: AsyncClient, service: TrainerService) -> tuple[str, dict[str, str]]:
    """A job whose attempt has reported itself; its id and the attempt's credentials."""
    response = await client.post(JOBS, json=BODY)
    assert response.status_code == 200
    job_id = response.json()["job_id"]
    headers = {"Authorization": f"Bearer {service.specs[-1]['token']}"}
    answer = await tell(client, job_id, headers, {"status": "running", "attempt": 1, "seq": 1, "phase": "data"})
    assert answer == {"accepted": 1, "last_seq": 1, "final": False}
    return job_id, headers


async def tell(client: AsyncClient, job_id: str, headers: dict[str, str], *updates: dict[str, Any]) -> dict[str, Any]:
    response = await client.post(f"{JOBS}/{job_id}/callback", json=list(updates), headers=headers)
    assert response.status_code == 200, response.text
    return dict(response.json())


async def test_without_a_token_nothing_is_let_in(anonymous: AsyncClient) -> None:
    response = await anonymous.get(JOBS)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert response.json()["error"]["code"] == "INVALID_TOKEN"


async def test_the_link_with_the_token_opens_a_session(anonymous: AsyncClient) -> None:
    response = await anonymous.get("/?token=user-token-for-tests")
    assert response.status_code == 303
    assert response.headers["location"] == "/"
    assert "user-token-for-tests" not in response.headers["set-cookie"]
    assert (await anonymous.get(JOBS)).status_code == 200


async def test_a_request_with_the_cookie_from_a_foreign_page_is_refused(anonymous: AsyncClient) -> None:
    await anonymous.get("/?token=user-token-for-tests")
    response = await anonymous.get(JOBS, headers={"Origin": "http://evil.test"})
    assert response.status_code == 401


async def test_all_wrong_fields_are_told_at_once(client: AsyncClient) -> None:
    response = await client.post(JOBS, json={"model": "", "dataset_id": "x", "epochs": 0, "epoch": 3})
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["code"] == "VALIDATION_FAILED"
    assert {item["pointer"] for item in error["errors"]} == {"#/model", "#/epochs", "#/epoch"}
    assert any("did you mean `epochs`" in item["message"] for item in error["errors"])


async def test_an_unknown_model_is_refused_with_the_nearest(
    client: AsyncClient, mock_trainer_service: TrainerService
) -> None:
    response = await client.post(JOBS, json={**BODY, "model": "yolo11m-clss"})
    assert response.status_code == 422
    error = response.json()["error"]
    assert error["code"] == "INVALID_MODEL"
    assert "`yolo11m-clss`" in error["message"]
    assert error["fixes"][0]["patch"] == [{"op": "add", "path": "/model", "value": "yolo11n-cls"}]
    assert mock_trainer_service.call_count == 0


async def test_wrong_settings_are_refused_by_the_frameworks_own_schema(
    client: AsyncClient, mock_trainer_service: TrainerService
) -> None:
    response = await client.post(JOBS, json={**BODY, "settings": {"fliplr": 3, "flip": 1}})
    assert response.status_code == 422
    errors = {item["pointer"]: item["message"] for item in response.json()["error"]["errors"]}
    assert set(errors) == {"#/settings/fliplr", "#/settings/flip"}
    assert "did you mean `fliplr`" in errors["#/settings/flip"]
    assert mock_trainer_service.call_count == 0


async def test_the_dry_run_tells_everything_and_stores_nothing(
    client: AsyncClient, mock_trainer_service: TrainerService
) -> None:
    body = {**BODY, "model": "yolo11n-cls", "settings": {"fliplr": 3}}
    answer = (await client.post(f"{JOBS}/validate", json=body)).json()
    assert answer["valid"] is False
    assert {error["code"] for error in answer["errors"]} == {"INVALID_CONFIG", "MODEL_DATA_MISMATCH"}
    assert (await client.get(JOBS)).json()["total"] == 0


async def test_the_same_idempotency_key_gives_the_same_job(client: AsyncClient) -> None:
    headers = {"Prefer": "respond-async", "Idempotency-Key": "k1"}
    first = await client.post(JOBS, json=BODY, headers=headers)
    second = await client.post(JOBS, json=BODY, headers=headers)
    other = await client.post(JOBS, json={**BODY, "epochs": 4}, headers=headers)
    assert first.json() == second.json()
    assert other.status_code == 422
    assert (await client.get(JOBS)).json()["total"] == 1


async def test_jobs_are_listed_newest_first_in_pages(client: AsyncClient) -> None:
    ids = [await submit(client, name=f"job {number}") for number in range(5)]
    first = (await client.get(JOBS, params={"limit": 3})).json()
    rest = (await client.get(JOBS, params={"limit": 3, "cursor": first["next_cursor"]})).json()
    assert [job["job_id"] for job in first["items"] + rest["items"]] == ids[::-1]
    assert rest["next_cursor"] is None
    assert first["total"] == 5


@pytest.mark.parametrize(("params", "count"), [({"q": "job 1"}, 1), ({"q": "100%"}, 0), ({"status": "queued"}, 2)])
async def test_jobs_can_be_searched_and_filtered(client: AsyncClient, params: dict[str, str], count: int) -> None:
    for number in range(2):
        await submit(client, name=f"job {number}")
    assert (await client.get(JOBS, params=params)).json()["total"] == count


async def test_a_wrong_cursor_is_a_field_error(client: AsyncClient) -> None:
    response = await client.get(JOBS, params={"cursor": "???"})
    assert response.status_code == 400
    assert response.json()["error"]["errors"][0]["pointer"] == "#/cursor"


async def test_progress_and_result_arrive(client: AsyncClient, mock_trainer_service: TrainerService) -> None:
    job_id, headers = await running(client, mock_trainer_service)
    epoch = {"epoch": 1, "epochs": 3, "step": 4, "steps": 4, "losses": {"train/loss": "nan"}, "metrics": {"m": 0.5}}
    await tell(
        client, job_id, headers,
        {"status": "running", "attempt": 1, "seq": 2, "progress": {**epoch, "epoch_end": True}},
        {"status": "running", "attempt": 1, "seq": 3, "log": {"offset": 0, "text": "hello\n"}},
        {"status": "succeeded", "attempt": 1, "seq": 4, "result": {"metrics": {"m": 0.5}, "epochs": 1}},
    )  # fmt: skip
    job = (await client.get(f"{JOBS}/{job_id}")).json()
    assert job["status"] == "succeeded"
    assert job["result"]["primary"] == {"name": "m", "value": 0.5}
    metrics = (await client.get(f"{JOBS}/{job_id}/metrics")).json()["items"]
    assert [(item["epoch"], item["losses"]) for item in metrics] == [(1, {"train/loss": "nan"})]
    assert (await client.get(f"{JOBS}/{job_id}/logs", headers={"Accept": "text/plain"})).text == "hello\n"


async def test_updates_count_once_and_a_gap_is_told(client: AsyncClient, mock_trainer_service: TrainerService) -> None:
    job_id, headers = await running(client, mock_trainer_service)
    update = {"status": "running", "attempt": 1, "seq": 2, "log": {"offset": 0, "text": "once\n"}}
    for _ in range(3):
        assert (await tell(client, job_id, headers, update))["last_seq"] == 2
    gap = await client.post(f"{JOBS}/{job_id}/callback", json={**update, "seq": 9}, headers=headers)
    assert gap.status_code == 409
    assert gap.json()["error"]["params"]["expected_seq"] == 3
    assert len((await client.get(f"{JOBS}/{job_id}/logs")).json()["items"]) == 1


async def test_a_final_state_stays(client: AsyncClient, mock_trainer_service: TrainerService) -> None:
    job_id, headers = await running(client, mock_trainer_service)
    await tell(client, job_id, headers, {"status": "succeeded", "attempt": 1, "seq": 2, "result": {"metrics": {}}})
    late = await tell(client, job_id, headers, {"status": "failed", "attempt": 1, "seq": 3, "error": {"code": "CUDA_OOM"}})
    assert late == {"accepted": 0, "last_seq": 3, "final": True}
    assert (await client.get(f"{JOBS}/{job_id}")).json()["status"] == "succeeded"


async def test_only_the_attempts_own_token_may_report(client: AsyncClient, mock_trainer_service: TrainerService) -> None:
    job_id, _ = await running(client, mock_trainer_service)
    tokens = {AttemptTokens(SECRET).token("J-99", 1): 403, SECRET: 403, TOKEN: 403, "vtpa_x": 401, "": 401}
    for token, status in tokens.items():
        response = await client.post(
            f"{JOBS}/{job_id}/callback",
            json={"status": "succeeded", "attempt": 1, "seq": 2},
            headers={"Authorization": f"Bearer {token}"},
        )
        assert response.status_code == status


async def test_the_documents_callback_is_taken_as_it_is(client: AsyncClient, mock_trainer_service: TrainerService) -> None:
    job_id, headers = await running(client, mock_trainer_service)
    error = {"type": "system_error", "code": "CUDA_OOM", "message": "GPU out of memory", "details": {"batch_size": 16}}
    response = await client.post(f"{JOBS}/{job_id}/callback", json={"status": "failed", "error": error}, headers=headers)
    assert response.status_code == 200
    job = await job_in_state(client, job_id, "waiting")
    attempt = (await client.get(f"{JOBS}/{job_id}/attempts")).json()["items"][0]
    assert attempt["error"]["message"] == "Training failed due to insufficient GPU memory."
    assert "(currently 16)" in attempt["error"]["suggested_action"]
    assert attempt["decision"]["action"] == "repair"
    assert job["retry_at"] is not None


async def test_an_unknown_code_is_kept_and_shown_as_unknown(
    client: AsyncClient, mock_trainer_service: TrainerService
) -> None:
    job_id, headers = await running(client, mock_trainer_service)
    await tell(client, job_id, headers, {"status": "failed", "attempt": 1, "seq": 2, "error": {"code": "GREMLINS"}})
    job = await job_in_state(client, job_id, "failed")
    assert job["error"]["code"] == "UNKNOWN_FAILURE"
    assert job["error"]["params"]["claimed_code"] == "GREMLINS"


async def test_a_waiting_job_is_tried_again_when_its_time_has_come(
    client: AsyncClient, mock_trainer_service: TrainerService, clock: Clock, platform: Platform
) -> None:
    job_id, headers = await running(client, mock_trainer_service)
    evidence = {"signal": 9, "oom_kill_delta": 0}
    await tell(client, job_id, headers, {"status": "failed", "attempt": 1, "seq": 2, "evidence": evidence})
    await job_in_state(client, job_id, "waiting")
    clock.move(3600)
    await register_agent(platform, mock_trainer_service.url)
    job = await job_in_state(client, job_id, "starting")
    assert job["attempt"] == 2
    attempts = (await client.get(f"{JOBS}/{job_id}/attempts")).json()["items"]
    assert attempts[0]["diagnosis"]["code"] == "TRAINER_KILLED"
    assert attempts[1]["wait_s"] == 3600


async def test_an_attempt_nobody_heard_of_is_lost(
    client: AsyncClient, mock_trainer_service: TrainerService, clock: Clock, platform: Platform
) -> None:
    job_id, _ = await running(client, mock_trainer_service)
    clock.move(29)
    await platform.driver.round()
    assert (await client.get(f"{JOBS}/{job_id}")).json()["status"] == "running"
    clock.move(2)
    await platform.driver.round()
    attempt = (await client.get(f"{JOBS}/{job_id}/attempts")).json()["items"][0]
    assert attempt["diagnosis"]["code"] == "TRAINER_LOST"
    assert (await client.get(f"{JOBS}/{job_id}")).json()["status"] == "waiting"


async def test_an_agents_report_keeps_its_attempts_alive_and_names_those_to_let_go(
    client: AsyncClient, mock_trainer_service: TrainerService, clock: Clock, platform: Platform
) -> None:
    job_id, _ = await running(client, mock_trainer_service)
    report = {
        "name": "a", "url": mock_trainer_service.url, "slots": 1, "version": "1",
        "attempts": [{"job_id": job_id, "attempt": 1}, {"job_id": "J-77", "attempt": 1}],
    }  # fmt: skip
    for _ in range(4):
        clock.move(20)
        headers = {"Authorization": f"Bearer {SECRET}"}
        answer = await client.put("/api/v1/agents/agent-1", json=report, headers=headers)
        assert answer.json() == {"release": [{"job_id": "J-77", "attempt": 1}]}
        await platform.driver.round()
    assert (await client.get(f"{JOBS}/{job_id}")).json()["status"] == "running"


async def test_a_queued_job_is_cancelled_at_once(client: AsyncClient) -> None:
    job_id = await submit(client)
    response = await client.post(f"{JOBS}/{job_id}/cancel")
    assert response.status_code == 202
    assert response.json()["status"] == "cancelled"


async def test_cancelling_a_running_job_asks_the_agent_and_ends_with_its_word(
    client: AsyncClient, mock_trainer_service: TrainerService, platform: Platform
) -> None:
    job_id, headers = await running(client, mock_trainer_service)
    response = await client.post(f"{JOBS}/{job_id}/cancel")
    assert response.json()["status"] == "cancelling"
    await platform.driver.round()
    assert mock_trainer_service.cancelled[0] == (f"/attempts/{job_id}/1/cancel", "cancel")
    await tell(client, job_id, headers, {"status": "cancelled", "attempt": 1, "seq": 2})
    assert (await client.get(f"{JOBS}/{job_id}")).json()["status"] == "cancelled"
    assert (await client.post(f"{JOBS}/{job_id}/cancel")).status_code == 202


async def test_an_ended_job_cannot_be_cancelled(client: AsyncClient, mock_trainer_service: TrainerService) -> None:
    job_id, headers = await running(client, mock_trainer_service)
    await tell(client, job_id, headers, {"status": "succeeded", "attempt": 1, "seq": 2})
    response = await client.post(f"{JOBS}/{job_id}/cancel")
    assert response.status_code == 409
    assert response.json()["error"]["code"] == "CONFLICT"


async def test_a_full_agent_leaves_the_job_in_the_queue(client: AsyncClient, mock_trainer_service: TrainerService) -> None:
    mock_trainer_service.answer = 409
    response = await client.post(JOBS, json=BODY)
    assert response.status_code == 200
    job = await job_in_state(client, response.json()["job_id"], "queued")
    assert job["error"] is None


async def test_files_are_stored_only_whole(client: AsyncClient, mock_trainer_service: TrainerService) -> None:
    import hashlib

    job_id, headers = await running(client, mock_trainer_service)
    content = b"weights"
    address = f"{JOBS}/{job_id}/attempts/1/artifacts/best.pt"
    right = {**headers, "X-Content-SHA256": hashlib.sha256(content).hexdigest(), "X-Artifact-Role": "weights"}
    damaged = await client.put(address, content=b"weight", headers=right)
    assert damaged.status_code == 400
    assert (await client.get(f"{JOBS}/{job_id}/artifacts")).json()["items"] == []
    assert (await client.put(address, content=content, headers=right)).status_code == 201
    found = await client.get(f"{JOBS}/{job_id}/artifacts/best.pt")
    assert found.content == content


async def test_a_failed_job_is_tried_again_with_its_fix(
    client: AsyncClient, platform: Platform, mock_trainer_service: TrainerService
) -> None:
    from tests.conftest import add_dataset, classification_zip

    await add_dataset(platform, "damaged", classification_zip(per_class=12, damaged=2))
    job_id = await submit(client, model="yolo11n-cls", dataset_id="damaged")
    job = await job_in_state(client, job_id, "failed")
    assert job["error"]["code"] == "DATASET_BROKEN"
    assert job["error"]["fixes"][0]["label"] == "Train without these 2 files"
    unknown = await client.post(f"{JOBS}/{job_id}/retry", json={"fix_id": "magic"})
    assert unknown.status_code == 400
    response = await client.post(f"{JOBS}/{job_id}/retry", json={"fix_id": job["error"]["fixes"][0]["id"]})
    new_id = response.json()["job_id"]
    new = await job_in_state(client, new_id, "starting")
    assert new["retry_of"] == job_id
    assert new["config"]["exclude_invalid_files"] is True
    await eventually(lambda: mock_trainer_service.specs)
    assert mock_trainer_service.specs[-1]["dataset"]["counts"] == {"train": 20, "val": 2, "test": 0}


async def test_no_attempt_is_made_before_the_data_are_good(
    client: AsyncClient, mock_trainer_service: TrainerService
) -> None:
    job_id = await submit(client, dataset_id="nothing-of-the-kind")
    await job_in_state(client, job_id, "failed")
    assert mock_trainer_service.call_count == 0
    assert (await client.get(f"{JOBS}/{job_id}/attempts")).json()["items"] == []
