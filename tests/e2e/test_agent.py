"""What goes wrong around a training, end to end with real processes: it hangs, its disk is full, its agent is gone."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import classification_zip
from tests.disks import small_file_system
from tests.running import EVERY, JOBS, SKLEARN, RunningPlatform, running
from tests.waiting import eventually

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.skipif(not SKLEARN.exists(), reason="the scikit-learn trainer's environment is not installed"),
]
CONFIG: dict[str, Any] = {
    "framework": "sklearn", "model": "sgd-linear", "dataset_id": "tiny", "epochs": 12, "batch_size": 2, "image_size": 16,
    "settings": {"images_per_s_limit": 20},
}  # fmt: skip


async def epoch_reached(platform: RunningPlatform, job_id: str, epoch: int) -> None:
    """Waits until an epoch is done and its checkpoint is stored."""

    async def stored() -> bool:
        job = await platform.job(job_id)
        assert job["status"] in ("queued", "starting", "running"), job
        query = "select max(epoch) from artifacts where job_id=? and role='checkpoint'"
        return (platform.rows(query, job_id)[0][0] or 0) >= epoch

    await eventually(stored, 60, f"epoch {epoch} of {job_id}", EVERY)


async def first_failure(platform: RunningPlatform, job_id: str) -> dict[str, Any]:
    """A job's first attempt as soon as it has failed."""

    async def failed() -> dict[str, Any] | None:
        attempts = await platform.attempts(job_id)
        return attempts[0] if attempts and attempts[0]["status"] == "failed" else None

    found: dict[str, Any] = await eventually(failed, 60, f"the failure of {job_id}", EVERY)
    return found


def said(attempt: dict[str, Any]) -> tuple[str, str]:
    """Code and message, as the user reads them."""
    return attempt["error"]["code"], attempt["error"]["message"]


async def finish(platform: RunningPlatform, job_id: str) -> dict[str, Any]:
    """Does not wait for the back-off; the job at its end."""

    async def ended() -> bool:
        job = await platform.job(job_id)
        if job["status"] == "waiting":
            await platform.ask("POST", f"{JOBS}/{job_id}/run-now")
        return job["status"] in ("succeeded", "failed")

    await eventually(ended, 90, f"the end of {job_id}", EVERY)
    return await platform.job(job_id)


async def test_a_training_that_hangs_is_noticed_and_goes_on_from_its_last_checkpoint(tmp_path: Path) -> None:
    limits = {"VTP_HANG_LEAST_SECONDS": "2", "VTP_HEARTBEAT_SECONDS": "2"}
    async with running(tmp_path / "home", **limits) as platform:
        await platform.add_dataset("tiny", classification_zip())
        job_id = await platform.submit(**CONFIG)
        await epoch_reached(platform, job_id, 2)
        os.kill(platform.pid(job_id, 1) or 0, signal.SIGSTOP)
        attempt = await first_failure(platform, job_id)
        assert said(attempt) == ("TRAINING_HUNG", "The training stopped making progress.")
        assert "from the last checkpoint" in attempt["error"]["suggested_action"]
        assert attempt["decision"]["action"] == "retry"
        assert (await finish(platform, job_id))["status"] == "succeeded"
        items = (await platform.ask("GET", f"{JOBS}/{job_id}/metrics")).json()["items"]
        assert [item["epoch"] for item in items] == list(range(1, 13))
        assert items[0]["attempt"] == 1
        assert items[-1]["attempt"] == 2


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with small_file_system(tmp_path / "disk", 16) as disk:
        yield disk


async def test_a_full_disk_is_called_by_its_name_although_nothing_more_can_be_written(
    tmp_path: Path, small_disk: Path
) -> None:
    """The agent's folder is on the full disk too: its journal takes the last word into what it held back."""
    async with running(tmp_path / "home", agent_options=("--home", str(small_disk / "agent"))) as platform:
        await platform.add_dataset("tiny", classification_zip())
        wide = {"model": "mlp-small", "settings": {"hidden": 4096}, "image_size": 32}
        job_id = await platform.submit(**{**CONFIG, **wide})
        attempt = await first_failure(platform, job_id)
        assert said(attempt) == ("DISK_FULL", "The disk was full.")
        assert attempt["error"]["suggested_action"].startswith("Free space on this machine")
        await platform.ask("POST", f"{JOBS}/{job_id}/cancel")


async def test_an_agent_that_is_gone_for_long_finds_its_training_given_to_another_attempt(tmp_path: Path) -> None:
    async with running(tmp_path / "home", VTP_HEARTBEAT_SECONDS="1") as platform:
        await platform.add_dataset("tiny", classification_zip())
        job_id = await platform.submit(**{**CONFIG, "epochs": 30})
        await epoch_reached(platform, job_id, 1)
        old = platform.pid(job_id, 1)
        assert old is not None
        platform.kill("agent")
        attempt = await first_failure(platform, job_id)
        assert said(attempt) == ("TRAINER_LOST", "The training machine stopped answering.")
        assert attempt["decision"]["reason"] == "Training machine lost: trying again on another machine (1 of 3)"
        assert Path(f"/proc/{old}").exists()
        platform.start("agent")
        await eventually(lambda: old not in platform.trainings(), 30, "the end of the old training", EVERY)
        assert (await finish(platform, job_id))["status"] == "succeeded"
        assert [one["status"] for one in await platform.attempts(job_id)] == ["failed", "succeeded"]
