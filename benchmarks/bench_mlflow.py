"""What MLflow costs a training: the time of a training step with MLflow healthy, hung and absent, beside one without MLflow.

    python benchmarks/bench_mlflow.py            in a minute or two
    python benchmarks/bench_mlflow.py --tiny     the least of it, to see that it runs

Goal: a step takes as long as without MLflow (×1.00 but for the noise, which the first line tells), whatever MLflow does.
Backend, agent, trainings and MLflow are real processes; trainings with and without MLflow take turns. The kernel says of the
training's thread how long it was on a CPU and how long it waited for one; the rest of the time it was blocked, as by a
client that waits for its server. The wait for a CPU is what other programs cost; a step's time here is without it. All that
the thread does is in it: validation, checkpoint, the journal.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline_common import DIGITS, show

from tests.integration.mlflow_server import LOGIN, PYTHON, Mlflow
from tests.running import FINAL, RunningPlatform, running

CONFIG = {"framework": "sklearn", "model": "mlp-small", "dataset_id": "digits", "batch_size": 32, "seed": 0}
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Threads of a library that wait for each other on a busy machine would be measured instead."""
EVERY = 0.02
"""Seconds between two looks at a training."""


@dataclass(frozen=True, slots=True)
class Sample:
    """How far a training is, and where its thread's time went until then, in seconds."""

    epochs: int
    at: float
    on_cpu: float
    for_cpu: float


@dataclass(frozen=True, slots=True)
class Trained:
    """A training: milliseconds of a step that its thread was on a CPU, blocked, and waited for a CPU; and how it ended."""

    on_cpu: float
    blocked: float
    for_cpu: float
    told: dict[str, Any] | None
    outcome: str

    @property
    def step(self) -> float:
        """Milliseconds of a step, without the wait for a CPU."""
        return self.on_cpu + self.blocked


def sample(platform: RunningPlatform, job_id: str) -> Sample | None:
    """Looks at a training's thread; None where it is not there yet, or no longer."""
    pid, folder = platform.pid(job_id, 1), platform.home / "agent" / "attempts" / job_id / "1"
    try:
        run, queued, _ = Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()
        epochs = (folder / "events.jsonl").read_text().count('"kind":"epoch"')
    except (OSError, ValueError):
        return None
    return Sample(epochs, time.monotonic(), int(run) / 1e9, int(queued) / 1e9)


async def train(platform: RunningPlatform, epochs: int) -> Trained:
    """Runs the same training once more; measured from the end of its first epoch, which warms it up, to the last seen."""
    job_id = await platform.submit(**CONFIG, epochs=epochs)
    seen: list[Sample] = []
    while (job := await platform.job(job_id))["status"] not in FINAL:
        found = sample(platform, job_id)
        if found is not None and found.epochs > (seen[-1].epochs if seen else 0):
            seen.append(found)
        await asyncio.sleep(EVERY)
    if job["status"] != "succeeded" or len(seen) < 2:
        raise SystemExit(f"{job_id} did not succeed, or was over too soon to be measured: {job['status']} {job['error']}")
    items = (await platform.ask("GET", f"/api/v1/training-jobs/{job_id}/metrics")).json()["items"]
    first, last = seen[0], seen[-1]
    steps = (last.epochs - first.epochs) * job["progress"]["steps"] / 1000
    on_cpu, for_cpu = last.on_cpu - first.on_cpu, last.for_cpu - first.for_cpu
    outcome = repr((len(items), items[-1]["metrics"], items[-1]["losses"]))
    blocked = last.at - first.at - on_cpu - for_cpu
    return Trained(on_cpu / steps, blocked / steps, for_cpu / steps, job.get("mlflow"), outcome)


async def compare(name: str, bare: RunningPlatform, other: RunningPlatform, rounds: int, epochs: int) -> list[Trained]:
    """Trainings on both platforms in turns, and what came of it; the other's trainings."""
    without, found = [], []
    for number in range(rounds):
        for kept, platform in ((without, bare), (found, other))[:: -1 if number % 2 else 1]:
            kept.append(await train(platform, epochs))
    ratios = [one.step / two.step for one, two in zip(found, without, strict=True)]
    told = " ".join(f"{ratio:.3f}" for ratio in ratios)
    show(f"{name}: a step", f"{statistics.median(one.step for one in found):.3f} ms")
    for mine, of in (("  blocked", found), ("  blocked without MLflow", without)):
        queued = statistics.median(one.for_cpu for one in of)
        show(mine, f"{statistics.median(one.blocked for one in of):.3f} ms", f"waited {queued:.3f} ms for a CPU besides")
    show("  beside the same without MLflow", f"×{statistics.median(ratios):.3f}", f"each round {told}")
    same = {one.outcome for one in [*without, *found]}
    show("  epochs, metrics and losses", "the same" if len(same) == 1 else "DIFFERENT")
    return found


async def main() -> None:
    """Starts what is needed and runs the parts one after another."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    if not PYTHON.exists():
        raise SystemExit("MLflow's server is not installed (tools/setup.py test puts it into .servers/mlflow)")
    rounds, epochs = (1, 8) if options.tiny else (3, 15)
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
    """Healthy, hung, absent."""
    for platform in (bare, other):
        await platform.add_dataset("digits", DIGITS.read_bytes())
        await platform.wait_for(await platform.submit(**CONFIG, epochs=2), "succeeded")  # warms up, is not measured
    await compare("noise: without MLflow", bare, bare, 1, epochs)
    await compare("healthy", bare, other, rounds, epochs)
    server.freeze()
    waiting = await compare("hung (SIGSTOP)", bare, other, rounds, epochs)
    server.kill()
    waiting += await compare("absent (killed)", bare, other, rounds, epochs)
    behind = sum(1 for one in waiting if one.told and one.told["state"] in ("behind", "following"))
    show("trainings that MLflow had not been told of when they ended", f"{behind} of {len(waiting)}")


if __name__ == "__main__":
    asyncio.run(main())
