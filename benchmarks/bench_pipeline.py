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
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import connect

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.running import FINAL, JOBS, RunningPlatform, free_port, running, until  # noqa: E402

ULTRALYTICS = ROOT / "trainers" / "ultralytics"
DIGITS = ROOT / "samples" / "digits-classify.zip"
SETTINGS = {"fliplr": 0, "erasing": 0, "auto_augment": None, "scale": 0.2}
LOST_AFTER_S = 30.0


def show(what: str, value: str, goal: str = "") -> None:
    """One line of the result."""
    print(f"{what:<58} {value:>14}  {goal}", flush=True)


def seconds(at: str) -> float:
    """An RFC 3339 time as seconds since the epoch."""
    return datetime.fromisoformat(at).timestamp()


# --- a training, beside Ultralytics run directly -------------------------------------------------------------------------


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


def watcher(platform: RunningPlatform, job_id: str, since: int = 0) -> connect:
    """A connection that watches a job after event `since`."""
    url = f"ws://127.0.0.1:{platform.port}/ws/training-jobs/{job_id}?since={since}"
    return connect(url, additional_headers={"Authorization": "Bearer token"}, proxy=None, max_queue=None, compression=None)


async def bench_training(folder: Path, *, tiny: bool) -> None:
    """Training time and time to the first step, direct and through the platform in turns."""
    if not (ULTRALYTICS / ".venv/bin/python").exists():
        show("training", "not run", "the Ultralytics environment is not installed")
        return
    rounds, epochs = (1, 1) if tiny else (3, 2)
    data = folder / "digits"
    with zipfile.ZipFile(DIGITS) as archive:
        archive.extractall(data)
    inner = data if (data / "train").is_dir() else next(path.parent for path in data.rglob("train") if path.is_dir())
    ours, theirs = [], []
    async with running(folder / "home", slots=1) as platform:
        await platform.add_dataset("digits", DIGITS.read_bytes())
        await until(lambda: offers(platform, "ultralytics"), 60, "an agent with Ultralytics")
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


# --- events --------------------------------------------------------------------------------------------------------------


class Intake:
    """Stands for an agent that takes every attempt and keeps its assignment."""

    def __init__(self) -> None:
        self.spec: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers one request."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(next(line for line in head.splitlines() if line.startswith("content-length")).split(":")[1])
        body = json.loads(await reader.readexactly(length))
        if not self.spec.done():
            self.spec.set_result(body)
        content = b'{"accepted":true}'
        answer = f"HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n"
        writer.write(answer.encode() + b"connection: close\r\n\r\n" + content)
        await writer.drain()
        writer.close()


async def count(platform: RunningPlatform, job_id: str, since: int, last: int, ready: asyncio.Event) -> int:
    """Watches a job after event `since` until event `last`; how many events came."""
    found = 0
    async with watcher(platform, job_id, since) as socket:
        async for text in socket:
            if '"ready"' in text:
                ready.set()
                continue
            found += 1
            # The number stands in every message; parsing each would measure the watcher.
            if f'"seq":{last},' in text or text.endswith(f'"seq":{last}}}'):
                break
    return found


async def bench_events(folder: Path, *, tiny: bool) -> None:
    """Events a second that the callback accepts, alone and while 100 watchers are told of each."""
    watchers, batches, size = (5, 2, 50) if tiny else (100, 10, 200)
    platform = RunningPlatform(folder / "events-home", slots=1)
    try:
        platform.start("backend")
        intake = Intake()
        port = free_port()
        async with await asyncio.start_server(intake.serve, "127.0.0.1", port):
            await _register(platform, f"http://127.0.0.1:{port}")
            await platform.add_dataset("digits", DIGITS.read_bytes())
            job_id = await platform.submit(model="toy", framework="toy", dataset_id="digits")
            spec = await asyncio.wait_for(intake.spec, 30)
            alone = await _post(spec, 0, batches, size)
            show("events/s accepted through the callback, nobody watching", f"{batches * size / alone:,.0f}")
            (last,) = platform.rows("select last_seq from jobs where id=?", job_id)[0]
            ready = [asyncio.Event() for _ in range(watchers)]
            expected = last + batches * size
            watching = [asyncio.create_task(count(platform, job_id, last, expected, event)) for event in ready]
            await asyncio.gather(*(event.wait() for event in ready))
            began = time.perf_counter()
            accepted = await _post(spec, batches * size, batches, size)
            counts = await asyncio.gather(*watching)
            taken = time.perf_counter() - began
            if set(counts) != {batches * size}:
                raise SystemExit(f"a watcher missed something: {sorted(set(counts))} of {batches * size}")
            show(f"events/s accepted while {watchers} watch", f"{batches * size / accepted:,.0f}")
            show(f"events/s delivered to each of {watchers} watchers", f"{batches * size / taken:,.0f}")
            show("  messages/s in all", f"{watchers * batches * size / taken:,.0f}")
    finally:
        await platform.down()


async def _register(platform: RunningPlatform, url: str) -> None:
    models = [{"name": "toy", "task": "classify", "family": "toy", "params": None}]
    offer = {
        "framework": "toy", "version": "1", "available": True, "tasks": ["classify"], "models": models,
        "defaults": {"classify": {"epochs": 9, "batch_size": 8, "image_size": 8}}, "settings_schema": {"type": "object"},
    }  # fmt: skip
    report = {"name": "bench", "url": url, "slots": 1, "frameworks": [offer], "version": "1"}
    headers = {"Authorization": "Bearer secret"}
    answer = await platform.ask("PUT", "/api/v1/agents/bench", json=report, headers=headers)
    answer.raise_for_status()


async def _post(spec: dict[str, Any], done: int, batches: int, size: int) -> float:
    """Posts updates after the first `done`; the seconds that took."""
    progress = {"epoch": 1, "epochs": 9, "step": 3, "steps": 99, "losses": {"train/loss": 0.5}, "images_per_s": 100.0}
    headers = {"Authorization": f"Bearer {spec['token']}"}
    async with httpx.AsyncClient(headers=headers, timeout=60) as client:
        began = time.perf_counter()
        for batch in range(batches):
            first = done + batch * size + 1
            updates = [
                {"status": "running", "attempt": 1, "seq": seq, "at": "2026-11-25T00:00:00.000Z", "progress": progress}
                for seq in range(first, first + size)
            ]
            (await client.post(spec["callback_url"], json=updates)).raise_for_status()
        return time.perf_counter() - began


# --- death ---------------------------------------------------------------------------------------------------------------


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
    await until(lambda: _free(platform), 30, "a free slot")
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
