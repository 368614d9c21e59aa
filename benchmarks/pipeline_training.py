"""A training through the platform beside the same one run with Ultralytics directly."""

import asyncio
import json
import os
import statistics
import subprocess
import time
import zipfile
from pathlib import Path

from pipeline_common import DIGITS, ROOT, seconds, show, watcher

from tests.running import EVERY, FINAL, RunningPlatform, running
from tests.waiting import eventually

ULTRALYTICS = ROOT / "trainers" / "ultralytics"
SETTINGS = {"fliplr": 0, "erasing": 0, "auto_augment": None, "scale": 0.2}


def direct(data: Path, epochs: int, folder: Path) -> tuple[float, float]:
    """Ultralytics by itself with the same settings: seconds in all, and until its first step was done."""
    arguments = {
        "data": str(data), "task": "classify", "epochs": epochs, "batch": 32, "imgsz": 64, "seed": 0, "deterministic": True,
        "device": "cpu", "workers": 0, "amp": False, "project": str(folder), "name": "run", "plots": True, "verbose": True,
        **SETTINGS,
    }  # fmt: skip
    script = (
        "import json, sys, time\n"
        "from ultralytics import YOLO\n"
        "model = YOLO('yolo11n-cls.yaml', task='classify')\n"
        "first = []\n"
        "model.add_callback('on_train_batch_end', lambda trainer: first or first.append(time.time()))\n"
        "model.train(**json.loads(sys.argv[1]))\n"
        "print('first step', first[0])\n"
    )
    environment = {**os.environ, "YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false", "YOLO_CONFIG_DIR": str(folder)}
    began = time.time()
    done = subprocess.run(
        [str(ULTRALYTICS / ".venv/bin/python"), "-c", script, json.dumps(arguments)],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    first = float(done.stdout.rsplit("first step", 1)[1])
    return time.time() - began, first - began


async def through(platform: RunningPlatform, epochs: int) -> tuple[float, float, float]:
    """The same training as a job: seconds in all, until its first step was done, and what of that is not the trainer's own
    start (from POST until its process was started, and from the first step until a watcher knew of it)."""
    began = time.time()
    job_id = await platform.submit(
        framework="ultralytics", model="yolo11n-cls", dataset_id="digits", epochs=epochs, batch_size=32, image_size=64,
        workers=0, device="cpu", settings=SETTINGS,
    )  # fmt: skip
    known: dict[str, float] = {}
    at: dict[str, float] = {}
    async with watcher(platform, job_id) as socket:
        async for text in socket:
            event = json.loads(text)
            name = "first step" if event.get("step") else event.get("phase") or event.get("status")
            known.setdefault(str(name), time.time())
            at.setdefault(str(name), seconds(event["at"]) if "at" in event else 0.0)
            if event["type"] == "state" and event.get("status") in FINAL:
                break
    if "succeeded" not in known:
        raise SystemExit(f"{job_id} did not succeed: {await platform.attempts(job_id)}")
    beyond = at["starting"] - began + known["first step"] - at["first step"]
    return known["succeeded"] - began, at["first step"] - began, beyond


async def bench_training(folder: Path, *, tiny: bool) -> None:
    """Training time and time to the first step, direct and through the platform in turns."""
    if not (ULTRALYTICS / ".venv/bin/python").exists():
        show("training", "not run", "the Ultralytics environment is not installed")
        return
    rounds, epochs = (1, 1) if tiny else (2, 5)
    data = folder / "digits"
    with zipfile.ZipFile(DIGITS) as archive:
        archive.extractall(data)
    inner = data if (data / "train").is_dir() else next(path.parent for path in data.rglob("train") if path.is_dir())
    ours, theirs = [], []
    async with running(folder / "home", slots=1) as platform:
        await platform.add_dataset("digits", DIGITS.read_bytes())
        await eventually(lambda: offers(platform, "ultralytics"), 60, "an agent with Ultralytics", EVERY)
        for number in range(rounds):
            theirs.append(await asyncio.to_thread(direct, inner, epochs, folder / f"direct-{number}"))
            ours.append(await through(platform, epochs))
    ratios = [mine[0] / other[0] for mine, other in zip(ours, theirs, strict=True)]
    later = [mine[1] - other[1] for mine, other in zip(ours, theirs, strict=True)]
    show(f"training directly, {epochs} epochs, in all", f"{min(row[0] for row in theirs):.2f} s")
    show("the same as a job, from POST to its last word", f"{min(row[0] for row in ours):.2f} s")
    best = min(row[0] for row in ours) / min(row[0] for row in theirs)
    show("  ratio of the best runs", f"×{best:.3f}", "goal ≤ ×1.03")
    show("  ratio of each round, median", f"×{statistics.median(ratios):.3f}", " ".join(f"{ratio:.3f}" for ratio in ratios))
    after = [(mine[0] - mine[1]) / (other[0] - other[1]) for mine, other in zip(ours, theirs, strict=True)]
    show("  from the first step on, median", f"×{statistics.median(after):.3f}", " ".join(f"{ratio:.3f}" for ratio in after))
    beyond = statistics.median(row[2] for row in ours)
    show("POST to the first step, beyond the trainer's own start", f"{beyond:.2f} s", "goal ≤ 0.5 s")
    show("  later than directly, the trainer's checks included", f"{statistics.median(later):.2f} s")


async def offers(platform: RunningPlatform, framework: str) -> bool:
    """Whether a living agent trains with a framework."""
    answer = await platform.ask("GET", "/api/v1/frameworks")
    return any(item["framework"] == framework and item["agents"] for item in answer.json()["items"])
