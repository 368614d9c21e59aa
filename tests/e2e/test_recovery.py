"""Failed trainings that recover by themselves, end to end: real backend, real agent, real Ultralytics trainings of digits.

Memory runs out for real on the CPU (a limit on the process); for CUDA the real exception class is raised inside the real
trainer. Kills are real signals. Every test says what the user reads.
"""

import io
import os
import random
import signal
import time
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.e2e.faults import install
from tests.running import EVERY, JOBS, SKLEARN, RunningPlatform, running
from tests.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
ULTRALYTICS = ROOT / "trainers" / "ultralytics" / ".venv" / "bin" / "python"
SEED = int(os.environ.get("VTP_RECOVERY_SEED", time.time_ns() % 2**31))
PER_CLASS = {"train": 19, "val": 5}
STEPS = 6
SECONDS = 120.0
OPTIONS = {"fliplr": 0, "erasing": 0, "auto_augment": None, "scale": 0.2}
CONFIG = {
    "model": "yolo11n-cls",
    "dataset_id": "digits",
    "epochs": 3,
    "batch_size": 32,
    "image_size": 32,
    "settings": OPTIONS,
}

TIMES = {"VTP_HEARTBEAT_SECONDS": "5", "OMP_NUM_THREADS": "1"}
"""Trainings this small gain nothing by threads."""

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not ULTRALYTICS.exists(), reason="the Ultralytics trainer's environment is not installed"),
    pytest.mark.skipif(not SKLEARN.exists(), reason="the scikit-learn trainer's environment is not installed"),
]


def some_digits() -> bytes:
    """The first images of each class of the digits sample."""
    buffer = io.BytesIO()
    taken: dict[tuple[str, str], int] = {}
    with zipfile.ZipFile(ROOT / "samples" / "digits-classify.zip") as whole, zipfile.ZipFile(buffer, "w") as part:
        for name in sorted(whole.namelist()):
            pieces = name.split("/")
            if not name.endswith(".png"):
                continue
            split, label = pieces[-3], pieces[-2]
            taken[split, label] = taken.get((split, label), 0) + 1
            if taken[split, label] <= PER_CLASS[split]:
                part.writestr(f"{split}/{label}/{pieces[-1]}", whole.read(name))
    return buffer.getvalue()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def platform(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningPlatform]:
    folder = tmp_path_factory.mktemp("recovery")
    trainers = install(folder / "machine")
    options = ("--trainers-dir", str(trainers), "--stop-trainings")
    async with running(folder / "home", slots=1, agent_options=options, **TIMES) as found:
        await found.add_dataset("digits", some_digits())

        async def offered() -> bool:
            items = (await found.ask("GET", "/api/v1/frameworks")).json()["items"]
            return any(item["framework"] == "ultralytics" and item["agents"] for item in items)

        await eventually(offered, SECONDS, "an agent with ultralytics", EVERY)
        yield found


async def ended(platform: RunningPlatform, job_id: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The job at its end, and its attempts; waits between attempts are cut short."""

    async def there() -> dict[str, Any] | None:
        job = await platform.job(job_id)
        if job["status"] == "waiting":
            await platform.ask("POST", f"{JOBS}/{job_id}/run-now")
        return job if job["status"] in ("succeeded", "failed", "cancelled") else None

    job = await eventually(there, SECONDS, f"the end of {job_id}", every=0.1)
    return job, await platform.attempts(job_id)


async def trained(platform: RunningPlatform, job_id: str) -> list[tuple[int, int]]:
    """Attempt and number of every epoch that was finished."""
    items = (await platform.ask("GET", f"{JOBS}/{job_id}/metrics")).json()["items"]
    return [(item["attempt"], item["epoch"]) for item in items]


async def epoch_done(platform: RunningPlatform, job_id: str, epoch: int) -> None:
    """Waits until an epoch is finished and its checkpoint stored."""

    async def stored() -> bool:
        rows = platform.rows("select max(epoch) from artifacts where job_id = ? and role = 'checkpoint'", job_id)
        return (rows[0][0] or 0) >= epoch

    await eventually(stored, SECONDS, f"the checkpoint of epoch {epoch} of {job_id}", every=0.02)


async def kill_training(platform: RunningPlatform, job_id: str, attempt: int) -> None:
    """Kills an attempt's training process as the kernel would, and waits until that is known."""
    pid = platform.pid(job_id, attempt)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)

    async def known() -> bool:
        return (await platform.attempts(job_id))[attempt - 1]["status"] == "failed"

    await eventually(known, SECONDS, f"the end of attempt {attempt}", EVERY)


def said(attempt: dict[str, Any]) -> tuple[str, str, str]:
    """Code, message and what was decided, as the user reads them."""
    return attempt["error"]["code"], attempt["error"]["message"], attempt["decision"]["reason"]


def batches(attempts: list[dict[str, Any]]) -> list[tuple[int, int]]:
    return [(attempt["config"]["batch_size"], attempt["config"]["accumulate"]) for attempt in attempts]


async def test_gpu_memory_is_repaired_from_the_first_step_on_and_the_batch_that_fits_is_offered(
    platform: RunningPlatform,
) -> None:
    job_id = await platform.submit(**CONFIG, name="small gpu")
    job, attempts = await ended(platform, job_id)
    assert job["status"] == "succeeded", job["error"]
    assert batches(attempts) == [(32, 1), (16, 2), (8, 4)]
    text = "Training failed due to insufficient GPU memory."
    assert said(attempts[0]) == ("CUDA_OOM", text, "Batch size 32 → 16")
    assert said(attempts[1]) == ("CUDA_OOM", text, "Batch size 16 → 8")
    assert "currently 32" in attempts[0]["error"]["suggested_action"]
    assert [step["path"] for step in attempts[0]["decision"]["patch"]] == ["/batch_size", "/accumulate"]
    assert await trained(platform, job_id) == [(3, 1), (3, 2), (3, 3)]
    events = platform.rows("select body from job_events where job_id = ? and attempt = 3 and type = 'progress'", job_id)
    assert any(f'"steps": {STEPS}' in body for (body,) in events), "the steps of an epoch are those of the whole batch"
    answer = (await platform.ask("POST", f"{JOBS}/validate", json=CONFIG)).json()
    assert (answer["valid"], answer["safe_batch"]["batch_size"], answer["safe_batch"]["accumulate"]) == (True, 8, 4)
    assert "Batch size 32 was too large" in answer["warnings"][0]["message"]
    assert answer["warnings"][0]["fixes"][0]["label"] == "Batch size 32 → 8"


async def test_validation_memory_shrinks_the_validation_batch_alone(platform: RunningPlatform) -> None:
    job_id = await platform.submit(**{**CONFIG, "epochs": 2, "batch_size": 16}, name="small validation")
    job, attempts = await ended(platform, job_id)
    assert job["status"] == "succeeded", job["error"]
    assert batches(attempts) == [(16, 1), (16, 1)]
    assert [attempt["config"]["val_batch_size"] for attempt in attempts] == [None, 16]
    assert said(attempts[0]) == (
        "CUDA_OOM", "Training failed due to insufficient GPU memory.", "Validation batch 32 → 16",
    )  # fmt: skip


async def test_real_memory_pressure_is_repaired_without_changing_the_effective_batch(platform: RunningPlatform) -> None:
    config = {**CONFIG, "epochs": 1, "batch_size": 64, "image_size": 160}
    job_id = await platform.submit(**config, name="little memory")
    job, attempts = await ended(platform, job_id)
    assert job["status"] == "succeeded", job["error"]
    assert len(attempts) >= 2
    assert {batch * pieces for batch, pieces in batches(attempts)} == {64}
    assert said(attempts[0]) == ("HOST_OOM", "Training ran out of the machine's memory.", "Batch size 64 → 32")


async def test_a_loss_that_is_no_number_goes_back_to_the_last_checkpoint_with_a_lower_rate(
    platform: RunningPlatform,
) -> None:
    job_id = await platform.submit(**CONFIG, name="too fast", lr0=0.05)
    job, attempts = await ended(platform, job_id)
    assert job["status"] == "succeeded", job["error"]
    assert said(attempts[0]) == (
        "TRAINING_DIVERGED", "The loss became infinite or not a number at epoch 2.", "Learning rate 0.05 → 0.005",
    )  # fmt: skip
    assert attempts[1]["resumed_from"] == {"attempt": 1, "epoch": 1}
    assert await trained(platform, job_id) == [(1, 1), (2, 2), (2, 3)]
    items = (await platform.ask("GET", f"{JOBS}/{job_id}/metrics")).json()["items"]
    assert all(0 < item["lr"] < 0.01 for item in items[1:])
    files = (await platform.ask("GET", f"{JOBS}/{job_id}/artifacts")).json()["items"]
    assert {"failed_batch.jpg", "train_batch0.jpg"} <= {item["name"] for item in files}


async def test_a_training_that_is_killed_at_a_random_epoch_loses_at_most_that_epoch(platform: RunningPlatform) -> None:
    print(f"seed {SEED}")
    epoch = random.Random(SEED).randint(1, 4)
    job_id = await platform.submit(**{**CONFIG, "epochs": 6})
    await epoch_done(platform, job_id, epoch)
    await kill_training(platform, job_id, 1)
    job, attempts = await ended(platform, job_id)
    assert (job["status"], job["result"]["epochs"]) == ("succeeded", 6), job["error"]
    assert attempts[0]["error"]["code"] == "TRAINER_KILLED"
    assert attempts[0]["error"]["message"].startswith("The training process was killed")
    assert "trying again (1 of 3)" in attempts[0]["decision"]["reason"]
    reached, resumed = attempts[0]["epoch"] or 0, attempts[1]["resumed_from"]["epoch"]
    assert resumed >= max(reached, epoch)
    done = await trained(platform, job_id)
    assert {number for _, number in done} == set(range(1, 7)) | {number for _, number in done}
    assert len(done) <= 7, "no epoch but the one that was under way is trained twice"


async def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(platform: RunningPlatform) -> None:
    job_id = await platform.submit(**{**CONFIG, "epochs": 5})
    await epoch_done(platform, job_id, 3)
    await kill_training(platform, job_id, 1)
    query = "select epoch, sha256 from artifacts where job_id = ? and role = 'checkpoint' order by epoch desc limit 1"
    ((newest, sha256),) = platform.rows(query, job_id)
    (stored,) = (platform.home / "storage" / "jobs" / job_id).rglob(sha256)
    os.truncate(stored, stored.stat().st_size // 2)
    job, attempts = await ended(platform, job_id)
    assert (job["status"], job["result"]["epochs"]) == ("succeeded", 5), job["error"]
    assert attempts[1]["resumed_from"]["epoch"] == newest
    assert said(attempts[1]) == (
        "CHECKPOINT_INVALID", "The weights or checkpoint cannot be loaded.", "going on from the checkpoint before",
    )  # fmt: skip
    assert attempts[2]["resumed_from"] == {"attempt": 1, "epoch": newest - 1}


async def test_a_machine_that_is_taken_away_leaves_a_checkpoint_of_the_very_step(platform: RunningPlatform) -> None:
    job_id = await platform.submit(**{**CONFIG, "epochs": 4, "batch_size": 8})
    await epoch_done(platform, job_id, 1)
    platform.kill("agent", signal.SIGTERM)
    platform.start("agent")
    job, attempts = await ended(platform, job_id)
    assert (job["status"], job["result"]["epochs"]) == ("succeeded", 4), job["error"]
    assert said(attempts[0])[:2] == ("JOB_PREEMPTED", "The training machine was shut down or taken away.")
    assert "trying again (1 of 10)" in attempts[0]["decision"]["reason"]
    assert attempts[1]["resumed_from"]["epoch"] >= 1
    done = [number for _, number in await trained(platform, job_id)]
    assert sorted(set(done)) == done, "no epoch is trained twice"


async def test_loader_workers_are_made_fewer_then_share_files_and_are_left_out_where_they_cannot_start(
    platform: RunningPlatform,
) -> None:
    job_id = await platform.submit(**{**CONFIG, "epochs": 1, "workers": 2}, name="bad workers")
    job, attempts = await ended(platform, job_id)
    assert job["status"] == "succeeded", [said(attempt) for attempt in attempts if attempt["error"]]
    full = "The machine's shared memory (/dev/shm) was full while images were loaded."
    assert [said(attempt) for attempt in attempts[:-1]] == [
        ("SHM_EXHAUSTED", full, "Loader workers 2 → 1"),
        ("SHM_EXHAUSTED", full, "Hand images over in files"),
        (
            "WORKER_STARTUP_ERROR", "The processes that load images could not start.",
            "Load images in the training process",
        ),
    ]  # fmt: skip
    kept = [(attempt["config"]["workers"], attempt["config"]["sharing"]) for attempt in attempts]
    assert kept == [(2, "file_descriptor"), (1, "file_descriptor"), (1, "file_system"), (0, "file_system")]
