"""Seconds from a death to its verdict."""

import json
import os
import signal
import statistics
import time
from pathlib import Path
from typing import Any

from pipeline_common import DIGITS, show, watcher

from tests.running import EVERY, JOBS, RunningPlatform, running
from tests.waiting import eventually


async def bench_death(folder: Path, *, tiny: bool) -> None:
    """Seconds from a death to its verdict on a watcher's screen."""
    async with running(folder / "death-home", slots=1) as platform:
        await platform.add_dataset("digits", DIGITS.read_bytes())
        died = [await _verdict(platform, _kill_training) for _ in range(1 if tiny else 5)]
        show("training killed: verdict after, median", f"{statistics.median(died):.3f} s", "goal ≤ 1 s")
        show("  the longest", f"{max(died):.3f} s")
        if not tiny:
            gone = await _verdict(platform, _take_machine_away)
            show("machine gone: verdict after", f"{gone:.1f} s", "goal ≤ 35 s")


async def _verdict(platform: RunningPlatform, kill: Any) -> float:
    job_id = await platform.submit(
        framework="sklearn", model="mlp-small", dataset_id="digits", epochs=500, batch_size=32,
        settings={"images_per_s_limit": 500},
    )  # fmt: skip
    async with watcher(platform, job_id) as socket:
        began = 0.0
        async for text in socket:
            event = json.loads(text)
            if event["type"] == "progress" and event.get("step") and not began:
                began = time.perf_counter()
                kill(platform, job_id)
            if event["type"] == "error":
                taken = time.perf_counter() - began
                break
    await platform.ask("POST", f"{JOBS}/{job_id}/stop-retrying")
    await eventually(lambda: _free(platform), 30, "a free slot", EVERY)
    return taken


async def _free(platform: RunningPlatform) -> bool:
    return not any(agent["busy"] for agent in (await platform.ask("GET", "/api/v1/agents")).json()["items"])


def _kill_training(platform: RunningPlatform, job_id: str) -> None:
    os.kill(platform.pid(job_id, 1) or 0, signal.SIGKILL)


def _take_machine_away(platform: RunningPlatform, _job_id: str) -> None:
    """Everything on the training machine is gone at once."""
    platform.kill("agent")
    for pid in platform.trainings():
        os.kill(pid, signal.SIGKILL)
