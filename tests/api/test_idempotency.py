"""A repeated POST with the same key does no second work."""

import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.deps import Platform
from app.db.repositories.jobs import get_job
from app.services.idempotency import plain_key
from tests.conftest import Clock, TrainerService
from tests.contract.shape import assert_canonical_error

JOBS = "/api/v1/training-jobs"
BODY: dict[str, Any] = {"model": "yolo11n", "dataset_id": "test-dataset", "epochs": 3}


async def count(client: httpx.AsyncClient) -> int:
    return int((await client.get(JOBS)).json()["total"])


async def test_a_repeat_gets_the_first_answer_again(client: httpx.AsyncClient, mock_trainer_service: TrainerService) -> None:
    headers = {"Idempotency-Key": '"k-1"'}
    first = await client.post(JOBS, json=BODY, headers=headers)
    again = await client.post(JOBS, json=BODY, headers=headers)
    assert (again.status_code, again.json(), again.headers["location"]) == (
        first.status_code,
        first.json(),
        first.headers["location"],
    )
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert mock_trainer_service.call_count == 1
    assert await count(client) == 1


async def test_a_key_is_the_same_with_and_without_the_quotes_of_the_standard(client: httpx.AsyncClient) -> None:
    later = {"Prefer": "respond-async"}
    first = await client.post(JOBS, json=BODY, headers={**later, "Idempotency-Key": '"k"'})
    again = await client.post(JOBS, json=BODY, headers={**later, "Idempotency-Key": "k"})
    assert (first.status_code, again.status_code, first.json()) == (202, 202, again.json())
    assert [plain_key(given) for given in ('"a"', "a", '""', ' "a" ', '"')] == ["a", "a", '""', "a", '"']


async def test_a_key_with_another_body_is_refused(client: httpx.AsyncClient) -> None:
    headers = {"Prefer": "respond-async", "Idempotency-Key": "k"}
    await client.post(JOBS, json=BODY, headers=headers)
    other = await client.post(JOBS, json={**BODY, "epochs": 4}, headers=headers)
    error = assert_canonical_error(other, 422, "INVALID_CONFIG")
    assert [item["pointer"] for item in error["errors"]] == ["#/Idempotency-Key"]
    # The refusal has not freed the key.
    assert (await client.post(JOBS, json=BODY, headers=headers)).headers["idempotency-replayed"] == "true"
    assert await count(client) == 1


async def test_a_repeat_while_the_first_is_under_way_is_a_conflict(
    client: httpx.AsyncClient, platform: Platform, mock_trainer_service: TrainerService, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, let_go = asyncio.Event(), asyncio.Event()
    start_now = platform.driver.start_now

    async def slow(job_id: str, seconds: float) -> None:
        reached.set()
        await let_go.wait()
        await start_now(job_id, seconds)

    monkeypatch.setattr(platform.driver, "start_now", slow)
    headers = {"Idempotency-Key": "k"}
    first = asyncio.create_task(client.post(JOBS, json=BODY, headers=headers))
    async with asyncio.timeout(10):
        await reached.wait()
    assert_canonical_error(await client.post(JOBS, json=BODY, headers=headers), 409, "CONFLICT")
    other = await client.post(JOBS, json=BODY, headers={"Prefer": "respond-async", "Idempotency-Key": "other"})
    assert other.status_code == 202
    let_go.set()
    answer = await first
    assert answer.status_code == 200
    assert (await client.post(JOBS, json=BODY, headers=headers)).json() == answer.json()


async def test_a_request_that_came_to_nothing_frees_its_key(
    client: httpx.AsyncClient, mock_trainer_service: TrainerService
) -> None:
    headers = {"Idempotency-Key": "k"}
    mock_trainer_service.fail_count = 1000
    assert_canonical_error(await client.post(JOBS, json=BODY, headers=headers), 503, "TRAINER_UNREACHABLE")
    again = await client.post(JOBS, json=BODY, headers={**headers, "Prefer": "respond-async"})
    assert (again.status_code, again.json()["job_id"]) == (202, "J-2")
    assert "idempotency-replayed" not in again.headers


async def test_a_key_is_forgotten_after_a_day(client: httpx.AsyncClient, clock: Clock) -> None:
    headers = {"Prefer": "respond-async", "Idempotency-Key": "k"}
    first = (await client.post(JOBS, json=BODY, headers=headers)).json()
    clock.move(24 * 3600 - 1)
    assert (await client.post(JOBS, json=BODY, headers=headers)).json() == first
    clock.move(2)
    assert (await client.post(JOBS, json=BODY, headers=headers)).json() != first


async def cancelled(client: httpx.AsyncClient) -> str:
    """A job that may be tried again."""
    job_id = (await client.post(JOBS, json=BODY, headers={"Prefer": "respond-async"})).json()["job_id"]
    await client.post(f"{JOBS}/{job_id}/cancel")
    return str(job_id)


async def test_a_repeated_retry_gets_the_first_answer_again(client: httpx.AsyncClient) -> None:
    job_id = await cancelled(client)
    patch = {"patch": [{"op": "replace", "path": "/epochs", "value": 4}]}
    headers = {"Idempotency-Key": '"k-1"'}
    first = await client.post(f"{JOBS}/{job_id}/retry", json=patch, headers=headers)
    again = await client.post(f"{JOBS}/{job_id}/retry", json=patch, headers=headers)
    assert (again.status_code, again.json(), again.headers["location"]) == (200, first.json(), first.headers["location"])
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert await count(client) == 2
    other_key = await client.post(f"{JOBS}/{job_id}/retry", json=patch, headers={"Idempotency-Key": "k-2"})
    assert other_key.json() != first.json()


async def test_a_retry_is_bound_to_its_body_and_its_job(client: httpx.AsyncClient) -> None:
    """The same fix of another job is another request; so is a submission of the very configuration."""
    job_id, other_id = await cancelled(client), await cancelled(client)
    headers = {"Idempotency-Key": "k"}
    first = await client.post(f"{JOBS}/{job_id}/retry", headers=headers)
    assert first.status_code == 200
    patch = {"patch": [{"op": "replace", "path": "/epochs", "value": 4}]}
    refused = [
        await client.post(f"{JOBS}/{other_id}/retry", headers=headers),
        await client.post(f"{JOBS}/{job_id}/retry", json=patch, headers=headers),
        await client.post(JOBS, json=BODY, headers=headers),
    ]
    for answer in refused:
        error = assert_canonical_error(answer, 422, "INVALID_CONFIG")
        assert [item["pointer"] for item in error["errors"]] == ["#/Idempotency-Key"]
    # Without a body and with an empty one are the same, and the refusals have not freed the key.
    assert (await client.post(f"{JOBS}/{job_id}/retry", json={}, headers=headers)).json() == first.json()
    assert await count(client) == 3


async def test_a_retry_that_was_refused_frees_its_key(client: httpx.AsyncClient) -> None:
    job_id = await cancelled(client)
    headers = {"Idempotency-Key": "k"}
    wrong = await client.post(f"{JOBS}/{job_id}/retry", json={"fix_id": "magic"}, headers=headers)
    assert_canonical_error(wrong, 400, "VALIDATION_FAILED")
    good = await client.post(f"{JOBS}/{job_id}/retry", headers=headers)
    assert (good.status_code, "idempotency-replayed" in good.headers) == (200, False)


async def test_a_repeat_of_a_retry_is_answered_also_when_the_fix_is_offered_no_more(
    client: httpx.AsyncClient, platform: Platform
) -> None:
    """A new diagnosis may have replaced it between request and repeat."""
    fix = {"id": "fewer", "label": "Fewer epochs", "applicability": "safe"}
    offered = {**fix, "patch": [{"op": "replace", "path": "/epochs", "value": 1}]}
    job_id = await cancelled(client)

    async def offer(*fixes: dict[str, Any]) -> None:
        async def tx(session: AsyncSession) -> None:
            (await get_job(session, job_id)).error = {"code": "CUDA_OOM", "fixes": list(fixes)}

        await platform.db.write(tx)

    await offer(offered)
    send = {"json": {"fix_id": "fewer"}, "headers": {"Idempotency-Key": "k"}}
    first = await client.post(f"{JOBS}/{job_id}/retry", **send)
    assert first.status_code == 200
    await offer()
    assert (await client.post(f"{JOBS}/{job_id}/retry", **send)).json() == first.json()
