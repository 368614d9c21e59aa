"""Evidence of attempts: the log's tail lies in the store, the row keeps the rest."""

from typing import Any

import pytest
from httpx import AsyncClient

from app.api.deps import Platform
from app.core.errors import PlatformError, StorageError
from app.db.models import Attempt
from app.db.repositories import jobs
from app.services.evidence import KEPT_CHARACTERS, keep_log, log_key, row_form, whole_evidence
from tests.api.test_training import JOBS, running, tell
from tests.conftest import TrainerService

LOG = "epoch 1\nTraceback\nValueError: odd\n" * 10


async def attempt_of(platform: Platform, job_id: str) -> Attempt:
    return await platform.db.read(lambda session: jobs.get_attempt(session, job_id, 1))


async def test_the_log_goes_to_the_store_and_comes_back_whole_for_another_diagnosis(
    client: AsyncClient, mock_trainer_service: TrainerService, platform: Platform
) -> None:
    job_id, headers = await running(client, mock_trainer_service)
    evidence = {"signal": 9, "log": LOG, "cgroup": "v1: x"}
    await tell(client, job_id, headers, {"status": "failed", "attempt": 1, "seq": 2, "evidence": evidence})
    row = await attempt_of(platform, job_id)
    assert row.evidence == {"signal": 9, "cgroup": "v1: x", "log_stored": True, "log_characters": len(LOG)}
    assert await platform.storage.read_bytes(log_key(job_id, 1)) == LOG.encode()
    assert (await whole_evidence(platform.storage, row))["log"] == LOG


async def test_the_verdict_is_made_from_the_log_although_the_row_does_not_keep_it(
    client: AsyncClient, mock_trainer_service: TrainerService
) -> None:
    job_id, headers = await running(client, mock_trainer_service)
    log = "RuntimeError: CUDA error: device-side assert triggered\n"
    await tell(
        client, job_id, headers, {"status": "failed", "attempt": 1, "seq": 2, "evidence": {"exit_code": 1, "log": log}}
    )
    assert (await client.get(f"{JOBS}/{job_id}")).json()["error"]["code"] == "CUDA_DEVICE_ASSERT"


async def test_a_store_that_fails_takes_nothing_from_the_verdict(
    client: AsyncClient, mock_trainer_service: TrainerService, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> None:
        raise StorageError("put", "storage", "k", OSError("down"))

    monkeypatch.setattr(platform.storage, "put_bytes", broken)
    job_id, headers = await running(client, mock_trainer_service)
    evidence = {"exit_code": 1, "log": "x" * 50_000 + "\nRuntimeError: CUDA error: device-side assert triggered\n"}
    await tell(client, job_id, headers, {"status": "failed", "attempt": 1, "seq": 2, "evidence": evidence})
    assert (await client.get(f"{JOBS}/{job_id}")).json()["error"]["code"] == "CUDA_DEVICE_ASSERT"
    row = await attempt_of(platform, job_id)
    assert len(row.evidence["log"]) == KEPT_CHARACTERS
    assert row.evidence["log"].endswith("assert triggered\n")


async def test_a_late_update_does_not_replace_the_log_of_the_verdict(
    client: AsyncClient, mock_trainer_service: TrainerService, platform: Platform
) -> None:
    job_id, headers = await running(client, mock_trainer_service)
    first = {"status": "failed", "attempt": 1, "seq": 2, "evidence": {"signal": 9, "log": "true\n"}}
    await tell(client, job_id, headers, first)
    await tell(client, job_id, headers, {**first, "seq": 3, "evidence": {"signal": 9, "log": "false\n"}})
    assert await platform.storage.read_bytes(log_key(job_id, 1)) == b"true\n"


async def test_an_agent_cannot_claim_that_a_log_is_stored(platform: Platform) -> None:
    marked = await keep_log(platform.storage, "J-1", 1, {"log_stored": True, "signal": 9})
    assert marked == {"signal": 9}


async def test_a_stored_log_that_is_gone_is_told(platform: Platform) -> None:
    row = Attempt(job_id="J-1", number=1, evidence={"log_stored": True})
    with pytest.raises(PlatformError) as caught:
        await whole_evidence(platform.storage, row)
    assert caught.value.code == "NOT_FOUND"


def test_evidence_without_a_log_is_kept_as_it_is() -> None:
    assert row_form(None) is None
    assert row_form({"signal": 9}) == {"signal": 9}


async def test_a_cancelled_attempt_keeps_its_evidence_and_what_it_means(
    client: AsyncClient, mock_trainer_service: TrainerService, platform: Platform
) -> None:
    job_id, headers = await running(client, mock_trainer_service)
    await client.post(f"{JOBS}/{job_id}/cancel")
    evidence = {"exit_code": 20, "killed_by": "cancel", "log": LOG}
    await tell(client, job_id, headers, {"status": "cancelled", "attempt": 1, "seq": 2, "evidence": evidence})
    (attempt,) = (await client.get(f"{JOBS}/{job_id}/attempts")).json()["items"]
    assert attempt["status"] == "cancelled"
    assert attempt["diagnosis"]["code"] == "TRAINING_CANCELLED"
    assert (await attempt_of(platform, job_id)).evidence["log_stored"] is True
