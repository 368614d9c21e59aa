"""What the platform costs from end to end: beside Ultralytics run directly, in events a second, in seconds to a verdict.

    python benchmarks/bench_pipeline.py                 everything, in less than four minutes
    python benchmarks/bench_pipeline.py events death    only these parts (training, events, death)
    python benchmarks/bench_pipeline.py --tiny          the least of everything, to see that it runs

Goals: a training takes at most ×1.03 of the same one run directly; its first step comes at most 0.5 s later than the
trainer's own start allows; a death is a verdict on the page within 1 s, a lost machine within 35 s. Backend, agent and
trainings are real processes; direct runs and runs through the platform take turns on the same machine.
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

from pipeline_common import show
from pipeline_death import bench_death
from pipeline_events import bench_events
from pipeline_training import bench_training

PARTS = {"training": bench_training, "events": bench_events, "death": bench_death}


async def main() -> None:
    """Runs the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="default: all")
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="vtp-bench-") as folder:
        for name in options.parts or PARTS:
            await PARTS[name](Path(folder), tiny=options.tiny)
    show("in all", f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    asyncio.run(main())
