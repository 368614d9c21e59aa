"""Two hundred small trainings on three agents and two backends (PostgreSQL, S3, Temporal) while something is killed every
few seconds: does each job end once and right? ``--jobs``, ``--seed`` (printed), ``--orchestrator local`` change the run."""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.chaos_farm import Farm
from benchmarks.chaos_verdict import Verdict, verdict

TARGETS = ("training", "training", "training", "agent", "agent", "backend", "backend", "PostgreSQL", "Temporal", "S3")
EVERY = (2.0, 5.0)
"""Seconds between two kills."""
CONFIG = {
    "framework": "sklearn",
    "model": "sgd-linear",
    "dataset_id": "tiny",
    "epochs": 2,
    "batch_size": 2,
    "image_size": 16,
}
PATIENCE = 1800.0


async def killing(farm: Farm, rng: random.Random, done: Counter[str]) -> None:
    """Kills one thing after the other, until cancelled."""
    while True:
        await asyncio.sleep(rng.uniform(*EVERY))
        target = rng.choice(TARGETS)
        if target == "Temporal" and farm.temporal is None:
            continue
        if await farm.kill(target, rng):
            done[target] += 1


async def carry_out(farm: Farm, jobs: int, rng: random.Random) -> tuple[list[str], Counter[str], float]:
    """Submits all jobs and kills until they have ended: their ids, what was killed, and the seconds."""
    began, kills = time.monotonic(), Counter[str]()
    killer = asyncio.create_task(killing(farm, rng, kills))
    try:
        ids = [await farm.submit({**CONFIG, "name": f"chaos {number}", "seed": number}) for number in range(jobs)]
        told = 0
        while (open_jobs := await farm.open_jobs()) and time.monotonic() - began < PATIENCE:
            if time.monotonic() - began > told + 15:
                told = int(time.monotonic() - began)
                print(f"  {told} s: {open_jobs} of {jobs} jobs open, {sum(kills.values())} kills", flush=True)
            await asyncio.sleep(1)
    finally:
        killer.cancel()
        await asyncio.gather(killer, return_exceptions=True)
    return ids, kills, time.monotonic() - began


def show(found: Verdict, kills: Counter[str], seconds: float) -> None:
    """The table."""
    print(f"\n{'jobs':<34}{found.jobs:>8}")
    print(f"{'kills':<34}{sum(kills.values()):>8}  " + ", ".join(f"{name} {count}" for name, count in sorted(kills.items())))
    print(f"{'attempts':<34}{found.attempts:>8}")
    for name in ("duplicates", "lost", "wrong"):
        print(f"{name:<34}{len(getattr(found, name)):>8}")
    print(f"{'time':<34}{seconds:>6.0f} s")
    for name in ("duplicates", "lost", "wrong"):
        for line in getattr(found, name)[:10]:
            print(f"  {name}: {line}")


async def run(options: argparse.Namespace) -> int:
    """The whole run; 1 where a job was lost, doubled or went wrong."""
    rng = random.Random(options.seed)
    print(f"seed {options.seed}, {options.jobs} jobs, 3 agents, 2 backends, orchestrator {options.orchestrator}", flush=True)
    with tempfile.TemporaryDirectory(prefix="vtp-chaos-") as folder:
        farm = Farm(Path(folder), temporal=options.orchestrator == "temporal")
        try:
            await farm.up()
            ids, kills, seconds = await carry_out(farm, options.jobs, rng)
            found = await verdict(farm.database_url, ids)
        finally:
            await farm.down()
    show(found, kills, seconds)
    return 1 if found.duplicates or found.lost or found.wrong else 0


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 2**31)
    parser.add_argument("--orchestrator", choices=("temporal", "local"), default="temporal")
    return asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
