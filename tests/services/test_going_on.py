"""With which checkpoint an attempt begins, and a job that tries another one again."""

import hashlib
from datetime import UTC, datetime

import pytest
from httpx import AsyncClient

from app.db.models import Artifact, Attempt, Job
from app.services.going_on import beginning, fits, resume_from
from tests.api.test_training import JOBS, running, tell
from tests.conftest import TrainerService, job_in_state

CONTENT = b"weights"
SHA = hashlib.sha256(CONTENT).hexdigest()
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
THEIRS = {"job_id": "J-1", "attempt": 2, "name": "checkpoints/last-0.pt", "epoch": 6, "sha256": "2/6"}


def checkpoint(epoch: int | None, attempt: int = 1, sha256: str = "") -> Artifact:
    name = f"checkpoints/last-{(epoch or 0) % 3}.pt"
    return Artifact(attempt=attempt, name=name, epoch=epoch, sha256=sha256 or f"{attempt}/{epoch}", created_at=NOW)


def attempt(number: int, code: str | None = None, resumed: str | None = None) -> Attempt:
    began = {"attempt": 1, "name": "n", "epoch": 1, "sha256": resumed} if resumed else None
    return Attempt(number=number, diagnosis={"code": code} if code else None, resumed_from=began)


def test_the_checkpoint_of_the_most_epochs_is_gone_on_from() -> None:
    found = resume_from([attempt(1)], [checkpoint(4), checkpoint(6), checkpoint(5)])
    assert found == {"attempt": 1, "name": "checkpoints/last-0.pt", "epoch": 6, "sha256": "1/6"}


def test_of_as_many_epochs_the_newest_attempts_checkpoint_is_gone_on_from() -> None:
    found = resume_from([attempt(1), attempt(2)], [checkpoint(3, 1), checkpoint(3, 2)])
    assert found is not None
    assert found["attempt"] == 2


def test_a_checkpoint_that_could_not_be_loaded_is_never_tried_again() -> None:
    tried = [attempt(1), attempt(2, "CHECKPOINT_INVALID", "1/6"), attempt(3, "TRAINER_CRASHED", "1/5")]
    found = resume_from(tried, [checkpoint(4), checkpoint(5), checkpoint(6)])
    assert found is not None
    assert found["epoch"] == 5, "a crash after loading says nothing about the checkpoint"


@pytest.mark.parametrize("kept", [[], [checkpoint(6)]])
def test_without_a_good_checkpoint_the_training_begins_anew(kept: list[Artifact]) -> None:
    assert resume_from([attempt(1), attempt(2, "CHECKPOINT_INVALID", "1/6")], kept) is None


def test_a_checkpoint_from_within_the_first_epoch_counts() -> None:
    found = resume_from([attempt(1)], [checkpoint(0)])
    assert found is not None
    assert found["epoch"] == 0


def test_a_job_that_tries_another_one_again_begins_with_the_checkpoint_of_that_one_until_it_has_one_itself() -> None:
    job = Job(begins_with=THEIRS)
    assert beginning(job, [], []) == THEIRS
    assert beginning(job, [attempt(1)], [checkpoint(7)]) == {
        "attempt": 1, "name": "checkpoints/last-1.pt", "epoch": 7, "sha256": "1/7",
    }  # fmt: skip
    assert beginning(job, [attempt(1, "CHECKPOINT_INVALID", "2/6")], []) is None


def test_a_repair_may_go_on_and_another_training_may_not() -> None:
    before = {"model": "m", "batch_size": 32, "epochs": 10, "lr0": 0.1}
    assert fits(before, {**before, "batch_size": 16, "accumulate": 2, "lr0": 0.01, "name": "again"})
    assert not fits(before, {**before, "model": "n"})
    assert not fits(before, {**before, "epochs": 20})


async def _failed_with_checkpoint(client: AsyncClient, service: TrainerService) -> str:
    job_id, headers = await running(client, service)
    note = {**headers, "X-Content-SHA256": SHA, "X-Artifact-Role": "checkpoint", "X-Artifact-Epoch": "3"}
    await client.put(f"{JOBS}/{job_id}/attempts/1/artifacts/checkpoints/last-0.pt", content=CONTENT, headers=note)
    error = {"code": "DATASET_BROKEN", "message": "cannot read an image"}
    await tell(client, job_id, headers, {"status": "failed", "attempt": 1, "seq": 2, "error": error})
    await job_in_state(client, job_id, "failed")
    return job_id


async def test_a_retry_goes_on_where_the_failed_job_ended_and_says_so(
    client: AsyncClient, mock_trainer_service: TrainerService
) -> None:
    job_id = await _failed_with_checkpoint(client, mock_trainer_service)
    told = (await client.get(f"{JOBS}/{job_id}")).json()["goes_on"]
    assert told["epoch"] == 3
    assert "batch_size" in told["may_change"]
    retried = (await client.post(f"{JOBS}/{job_id}/retry")).json()["job_id"]
    await job_in_state(client, retried, "starting")
    assert (await client.get(f"{JOBS}/{retried}")).json()["begins_at"] == 3
    (first,) = (await client.get(f"{JOBS}/{retried}/attempts")).json()["items"]
    assert first["resumed_from"] == {"job_id": job_id, "attempt": 1, "epoch": 3}
    resume, token = mock_trainer_service.specs[-1]["resume"], mock_trainer_service.specs[-1]["token"]
    path = "/api/v1/" + resume["url"].split("/api/v1/")[1]
    fetched = await client.get(path, headers={"Authorization": f"Bearer {token}"})
    assert fetched.content == CONTENT


@pytest.mark.parametrize("body", [{"from_scratch": True}, {"patch": [{"op": "replace", "path": "/epochs", "value": 7}]}])
async def test_a_retry_begins_anew_where_that_is_asked_for_or_the_checkpoint_would_not_fit(
    client: AsyncClient, mock_trainer_service: TrainerService, body: dict
) -> None:
    job_id = await _failed_with_checkpoint(client, mock_trainer_service)
    retried = (await client.post(f"{JOBS}/{job_id}/retry", json=body)).json()["job_id"]
    await job_in_state(client, retried, "starting")
    assert mock_trainer_service.specs[-1]["resume"] is None
    assert (await client.get(f"{JOBS}/{retried}")).json()["begins_at"] is None
