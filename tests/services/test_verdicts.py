"""What a failed attempt leaves in its row, and what the next one begins with."""

import hashlib
from datetime import timedelta
from typing import Any

from httpx import AsyncClient

from app.api.deps import Platform
from tests.conftest import Clock, TrainerService, register_agent
from tests.waiting import eventually

JOBS = "/api/v1/training-jobs"
CONFIG = {"model": "yolo11n", "dataset_id": "test-dataset", "epochs": 9, "batch_size": 16, "image_size": 64}


class Talk:
    """An agent's side of one job: it takes attempts and tells how they go."""

    def __init__(self, client: AsyncClient, service: TrainerService, platform: Platform, clock: Clock) -> None:
        self.client, self.service, self.platform, self.clock = client, service, platform, clock
        self.job_id, self.seq = "", 0

    @property
    def spec(self) -> dict[str, Any]:
        """The assignment of the newest attempt."""
        return self.service.specs[-1]

    async def begin(self, **changes: Any) -> None:
        """Submits the job and takes its first attempt."""
        answer = await self.client.post(JOBS, json={**CONFIG, **changes})
        self.job_id = answer.json()["job_id"]
        await self.tell(status="running", phase="training")

    async def tell(self, **update: Any) -> None:
        """Sends one update of the newest attempt."""
        self.seq += 1
        headers = {"Authorization": f"Bearer {self.spec['token']}"}
        at = self.clock().isoformat()
        body = {"attempt": self.spec["attempt"], "seq": self.seq, "at": at, **update}
        answer = await self.client.post(f"{JOBS}/{self.job_id}/callback", json=body, headers=headers)
        assert answer.status_code == 200, answer.text

    async def epoch(self, number: int) -> None:
        """Finishes an epoch."""
        await self.tell(status="running", progress={"epoch": number, "epochs": 9, "epoch_end": True})

    async def checkpoint(self, epoch: int, content: bytes) -> None:
        """Leaves a checkpoint."""
        url = f"{JOBS}/{self.job_id}/attempts/{self.spec['attempt']}/artifacts/checkpoints/last-{epoch % 3}.pt"
        headers = {
            "Authorization": f"Bearer {self.spec['token']}", "X-Artifact-Role": "checkpoint", "X-Artifact-Epoch": str(epoch),
            "X-Content-SHA256": hashlib.sha256(content).hexdigest(),
        }  # fmt: skip
        assert (await self.client.put(url, content=content, headers=headers)).status_code == 201

    async def fails(self, code: str, again: bool = True, **details: Any) -> None:
        """The attempt fails; the next one is taken, where there is one."""
        attempt = self.spec["attempt"]
        await self.tell(status="failed", error={"code": code, "message": "m", "details": details})
        self.seq = 0
        if again:
            # However much time has passed, the agent is alive.
            await register_agent(self.platform, self.service.url)
            await self.client.post(f"{JOBS}/{self.job_id}/run-now")
            await eventually(lambda: self.spec["attempt"] == attempt + 1)
            await self.tell(status="running", phase="training")

    async def attempts(self) -> list[dict[str, Any]]:
        return list((await self.client.get(f"{JOBS}/{self.job_id}/attempts")).json()["items"])


async def test_an_attempt_keeps_history_decision_change_and_wait(
    client: AsyncClient, mock_trainer_service: TrainerService, platform: Platform, clock: Clock
) -> None:
    talk = Talk(client, mock_trainer_service, platform, clock)
    await talk.begin()
    await talk.epoch(2)
    clock.move(90)
    await talk.fails("CUDA_OOM", batch_size=16)
    first, second = await talk.attempts()
    assert (first["seconds"], first["decision"]["budget"], first["decision"]["action"]) == (90.0, "user", "repair")
    assert [(step["path"], step["value"]) for step in first["decision"]["patch"]] == [("/batch_size", 8), ("/accumulate", 2)]
    assert first["history"] == {"same_failure": False, "same_entity": False, "progress": None, "best_epoch": None}
    assert (second["config"]["batch_size"], second["config"]["accumulate"], second["wait_s"]) == (8, 2, 0.0)
    await talk.epoch(2)
    await talk.fails("CUDA_OOM", batch_size=8)
    second = (await talk.attempts())[1]
    assert second["history"] == {"same_failure": True, "same_entity": False, "progress": False, "best_epoch": 2}


async def test_an_agent_whose_clock_is_ahead_makes_nobody_wait(
    client: AsyncClient, mock_trainer_service: TrainerService, platform: Platform, clock: Clock
) -> None:
    talk = Talk(client, mock_trainer_service, platform, clock)
    await talk.begin()
    ahead = (clock() + timedelta(hours=1)).isoformat()
    await talk.tell(status="failed", at=ahead, error={"code": "CUDA_OOM", "details": {"batch_size": 16}})
    await eventually(lambda: talk.spec["attempt"] == 2)
    assert (await talk.attempts())[0]["seconds"] == 0.0


async def test_memory_that_ran_out_while_validating_is_known_also_where_the_process_was_killed(
    client: AsyncClient, mock_trainer_service: TrainerService, platform: Platform, clock: Clock
) -> None:
    talk = Talk(client, mock_trainer_service, platform, clock)
    await talk.begin()
    await talk.tell(status="running", phase="validating")
    await talk.tell(status="failed", evidence={"signal": 9, "oom_kill_delta": 1})
    (attempt,) = await talk.attempts()
    assert attempt["error"]["code"] == "HOST_OOM"
    assert [step["path"] for step in attempt["decision"]["patch"]] == ["/val_batch_size"]


async def test_the_next_attempt_begins_with_the_newest_checkpoint_and_passes_over_a_bad_one(
    client: AsyncClient, mock_trainer_service: TrainerService, platform: Platform, clock: Clock
) -> None:
    talk = Talk(client, mock_trainer_service, platform, clock)
    await talk.begin()
    for epoch in (1, 2, 3, 4):
        await talk.checkpoint(epoch, b"weights %d" % epoch)
        await talk.epoch(epoch)
    await talk.fails("TRAINER_CRASHED")
    assert talk.spec["resume"]["epoch"] == 4
    assert talk.spec["resume"]["url"].endswith("/attempts/1/artifacts/checkpoints/last-1.pt")
    await talk.fails("CHECKPOINT_INVALID")
    assert talk.spec["resume"]["epoch"] == 3
    await talk.fails("CHECKPOINT_INVALID")
    assert talk.spec["resume"]["epoch"] == 2
    await talk.fails("CHECKPOINT_INVALID")
    assert talk.spec["resume"] is None, "the fourth was replaced; what is left is the beginning"
    attempts = await talk.attempts()
    assert [attempt["resumed_from"] for attempt in attempts[1:]] == [
        {"attempt": 1, "epoch": 4}, {"attempt": 1, "epoch": 3}, {"attempt": 1, "epoch": 2}, None,
    ]  # fmt: skip


async def test_an_attempt_that_fails_in_the_epoch_it_was_resumed_in_has_made_no_progress(
    client: AsyncClient, mock_trainer_service: TrainerService, platform: Platform, clock: Clock
) -> None:
    talk = Talk(client, mock_trainer_service, platform, clock)
    await talk.begin()
    await talk.checkpoint(3, b"weights")
    await talk.epoch(3)
    await talk.fails("TRAINER_CRASHED")
    await talk.fails("TRAINER_CRASHED", again=False)
    second = (await talk.attempts())[1]
    assert (second["history"]["progress"], second["history"]["best_epoch"]) == (False, 3)


async def test_a_batch_that_fitted_is_remembered_and_offered_to_the_next_training(
    client: AsyncClient, mock_trainer_service: TrainerService, platform: Platform, clock: Clock
) -> None:
    talk = Talk(client, mock_trainer_service, platform, clock)
    await talk.begin()
    await talk.fails("CUDA_OOM", batch_size=16)
    await talk.tell(status="succeeded", result={"metrics": {"m": 1.0}})
    answer = (await client.post(f"{JOBS}/validate", json=CONFIG)).json()
    assert answer["safe_batch"] == {
        "device": "CPU", "batch_size": 8, "val_batch_size": None, "accumulate": 2, "job_id": talk.job_id,
    }  # fmt: skip
    (warning,) = answer["warnings"]
    assert warning["message"] == "Batch size 16 was too large on CPU before; 8 fitted."
    assert [(step["path"], step["value"]) for step in warning["fixes"][0]["patch"]] == [
        ("/batch_size", 8),
        ("/accumulate", 2),
    ]
    for other in ({"image_size": 128}, {"batch_size": 8}, {"model": "yolo11n-cls"}):
        answer = (await client.post(f"{JOBS}/validate", json={**CONFIG, **other})).json()
        assert (answer["safe_batch"], answer["warnings"]) == (None, [])


async def test_a_training_that_succeeds_with_a_larger_batch_disproves_what_was_remembered(
    client: AsyncClient, mock_trainer_service: TrainerService, platform: Platform, clock: Clock
) -> None:
    for fails in (True, False):
        talk = Talk(client, mock_trainer_service, platform, clock)
        await talk.begin()
        if fails:
            await talk.fails("CUDA_OOM", batch_size=16)
        await talk.tell(status="succeeded", result={"metrics": {"m": 1.0}})
    answer = (await client.post(f"{JOBS}/validate", json=CONFIG)).json()
    assert answer["safe_batch"] is None


async def test_a_training_that_never_ran_out_of_memory_is_not_remembered(
    client: AsyncClient, mock_trainer_service: TrainerService, platform: Platform, clock: Clock
) -> None:
    talk = Talk(client, mock_trainer_service, platform, clock)
    await talk.begin()
    await talk.fails("TRAINER_CRASHED")
    await talk.tell(status="succeeded", result={"metrics": {"m": 1.0}})
    answer = (await client.post(f"{JOBS}/validate", json={**CONFIG, "batch_size": 64})).json()
    assert answer["safe_batch"] is None


async def test_compute_time_is_accounted_by_whose_fault_it_was(
    client: AsyncClient, mock_trainer_service: TrainerService, platform: Platform, clock: Clock
) -> None:
    talk = Talk(client, mock_trainer_service, platform, clock)
    await talk.begin()
    clock.move(60)
    await talk.fails("CUDA_OOM", batch_size=16)
    clock.move(10)
    await talk.fails("TRAINER_CRASHED")
    clock.move(200)
    await talk.tell(status="succeeded", result={"metrics": {"m": 1.0}})
    answer = (await client.get("/api/v1/system/usage")).json()
    assert answer["by_status"] == [
        {"status": "succeeded", "attempts": 1, "seconds": 200.0}, {"status": "failed", "attempts": 2, "seconds": 70.0},
    ]  # fmt: skip
    assert answer["by_causer"] == [
        {"causer": "user", "attempts": 1, "seconds": 60.0}, {"causer": "platform", "attempts": 1, "seconds": 10.0},
    ]  # fmt: skip
    assert [row["code"] for row in answer["by_code"]] == ["CUDA_OOM", "TRAINER_CRASHED"]
    assert answer["open_jobs"] == {"current": 0, "limit": platform.settings.max_open_jobs}
    assert answer["stored"]["datasets_bytes"] == (await client.get("/api/v1/datasets/test-dataset")).json()["bytes"] > 0
    clock.move(3 * 24 * 3600)
    assert (await client.get("/api/v1/system/usage", params={"days": 2})).json()["by_status"] == []
