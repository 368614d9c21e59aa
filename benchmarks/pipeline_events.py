"""Events a second: accepted through the callback, delivered to watchers."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import httpx
from pipeline_common import DIGITS, show, watcher

from tests.running import RunningPlatform
from tests.waiting import free_port


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
