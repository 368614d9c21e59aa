"""What MLflow costs a training: the time of a training step with MLflow healthy, hung and absent, beside one without MLflow.

    python benchmarks/bench_mlflow.py            in less than two minutes
    python benchmarks/bench_mlflow.py --tiny     the least of it, to see that it runs

Goal: a step takes as long as without MLflow (×1.00 but for the noise, which the first line tells), whatever MLflow does.
Backend, agent, trainings and MLflow are real processes; trainings with and without MLflow take turns. A step's time is that
of its epoch in the training process, divided by its steps: validation, checkpoint and the journal are in it.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from contextlib import AsyncExitStack
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from pipeline_common import DIGITS, show

from tests.integration.mlflow_server import LOGIN, PYTHON, Mlflow
from tests.running import EVERY, RunningPlatform, running
from tests.waiting import eventually

CONFIG = {"framework": "sklearn", "model": "mlp-small", "dataset_id": "digits", "batch_size": 32, "seed": 0}
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Threads of a library that wait for each other on a busy machine would be measured instead."""
PATIENCE = 180.0


class Trained:
    """A training: the milliseconds of a step in each epoch, and what MLflow was told when it ended."""

    def __init__(self, epochs: list[dict[str, Any]], job: dict[str, Any]) -> None:
        at = [datetime.fromisoformat(epoch["at"]).timestamp() for epoch in epochs]
        # The first epoch of a process warms it up.
        steps = job["progress"]["steps"]
        self.steps = [1000 * (later - sooner) / steps for sooner, later in pairwise(at[1:])]
        self.told: dict[str, Any] | None = job.get("mlflow")
        self.outcome = (len(epochs), epochs[-1]["metrics"], epochs[-1]["losses"])

    @property
    def median(self) -> float:
        """Of the epochs' milliseconds a step."""
        return statistics.median(self.steps)


async def train(platform: RunningPlatform, epochs: int) -> Trained:
    """Runs the same training once more."""
    job_id = await platform.submit(**CONFIG, epochs=epochs)
    job = await platform.wait_for(job_id, "succeeded", "failed", seconds=PATIENCE)
    if job["status"] != "succeeded":
        raise SystemExit(f"{job_id} did not succeed: {job['error']}")
    answer = await platform.ask("GET", f"/api/v1/training-jobs/{job_id}/metrics")
    return Trained(answer.json()["items"], await platform.job(job_id))


async def compare(name: str, bare: RunningPlatform, other: RunningPlatform, rounds: int, epochs: int) -> list[Trained]:
    """Trainings on both platforms in turns, and what came of it; the other's trainings."""
    without, found = [], []
    for number in range(rounds):
        for kept, platform in ((without, bare), (found, other))[:: -1 if number % 2 else 1]:
            kept.append(await train(platform, epochs))
    ratios = [one.median / two.median for one, two in zip(found, without, strict=True)]
    step, longest = statistics.median(one.median for one in found), max(max(one.steps) for one in found)
    told = " ".join(f"{ratio:.3f}" for ratio in ratios)
    show(f"{name}: a step, median", f"{step:.2f} ms", f"longest of an epoch {longest:.2f} ms")
    show("  beside the same without MLflow", f"×{statistics.median(ratios):.3f}", f"each round {told}")
    same = {repr(one.outcome) for one in [*without, *found]}
    show("  epochs, metrics and losses", "the same" if len(same) == 1 else "DIFFERENT")
    return found


async def main() -> None:
    """Runs the parts one after another: what is hung is let go, and must then be told all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    if not PYTHON.exists():
        raise SystemExit("MLflow's server is not installed (tools/setup.py test puts it into .servers/mlflow)")
    rounds, epochs = (1, 8) if options.tiny else (3, 20)
    began = time.monotonic()
    server = Mlflow()
    try:
        async with AsyncExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vtp-bench-")))
            bare = await stack.enter_async_context(running(folder / "bare", slots=1, **ONE_THREAD))
            other = await stack.enter_async_context(
                running(folder / "told", slots=1, MLFLOW_TRACKING_URI=server.url, **LOGIN, **ONE_THREAD)
            )
            await run(server, bare, other, rounds, epochs)
    finally:
        server.close()
    show("in all", f"{time.monotonic() - began:.0f} s")


async def run(server: Mlflow, bare: RunningPlatform, other: RunningPlatform, rounds: int, epochs: int) -> None:
    """Healthy, hung, absent, and back."""
    for platform in (bare, other):
        await platform.add_dataset("digits", DIGITS.read_bytes())
        await train(platform, 2)
    await compare("noise: without MLflow", bare, bare, 1, epochs)
    await compare("healthy", bare, other, rounds, epochs)
    server.freeze()
    waiting = await compare("hung (SIGSTOP)", bare, other, rounds, epochs)
    server.kill()
    waiting += await compare("absent (killed)", bare, other, rounds, epochs)
    behind = sum(1 for one in waiting if one.told and one.told["state"] in ("behind", "following"))
    show("trainings that MLflow had not been told of when they ended", f"{behind} of {len(waiting)}")
    back = time.monotonic()
    await asyncio.to_thread(server.start)

    async def all_told() -> bool:
        jobs = (await other.ask("GET", "/api/v1/training-jobs?limit=100")).json()["items"]
        states = [(await other.job(job["job_id"]))["mlflow"]["state"] for job in jobs]
        return set(states) == {"complete"}

    await eventually(all_told, 120, "MLflow to be told of everything", EVERY)
    show("from MLflow's start until it had been told of all", f"{time.monotonic() - back:.0f} s", "its own start included")


if __name__ == "__main__":
    asyncio.run(main())
