"""Two real backend processes on one PostgreSQL: they share jobs, live events and what they know of a failing machine."""

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import websockets

from app.schemas.wire import AgentReport
from tests.conftest import DESCRIPTOR, TrainerService, detection_zip
from tests.integration.faults_table import Record
from tests.running import JOBS, RunningPlatform

SOON = 30.0


async def until(look: Callable[[], Any], seconds: float = SOON) -> Any:
    """The first true result of `look`, awaited where it is async."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        found = await found if asyncio.iscoroutine(found) else found
        if found:
            return found
        await asyncio.sleep(0.05)
    message = f"nothing came of {look} in {seconds} s"
    raise AssertionError(message)


@pytest.fixture
async def pair(tmp_path: Path, postgres_url: str) -> AsyncIterator[tuple[RunningPlatform, RunningPlatform]]:
    """Two backends with homes of their own, one database, and one folder of objects."""
    shared = {"DATABASE_URL": postgres_url, "STORAGE_URL": f"file://{tmp_path / 'objects'}"}
    both = tuple(RunningPlatform(tmp_path / name, **shared) for name in "ab")
    for one in both:
        one.start("backend")
    for one in both:
        await until(lambda one=one: _ready(one), 60)
    yield both  # type: ignore[misc]
    for one in both:
        await one.client.aclose()
        one.kill("backend")


async def _ready(one: RunningPlatform) -> bool:
    try:
        return (await one.client.get("/api/v1/system/health/ready")).status_code == 200
    except httpx.HTTPError:
        return False


async def report(backend: RunningPlatform, name: str, url: str, slots: int) -> None:
    """An agent's sign of life."""
    body = AgentReport(name=name, url=url, slots=slots, frameworks=[DESCRIPTOR], version="test")
    answer = await backend.client.put(
        f"/api/v1/agents/{name}", json=body.model_dump(mode="json"), headers={"Authorization": "Bearer secret"}
    )
    assert answer.is_success, answer.text


async def add_dataset(backend: RunningPlatform) -> str:
    """A small data set, checked."""
    answer = await backend.client.post("/api/v1/datasets", params={"name": "small"}, content=detection_zip())
    assert answer.is_success, answer.text
    dataset_id = str(answer.json()["dataset_id"])

    async def checked() -> bool:
        return bool((await backend.client.get(f"/api/v1/datasets/{dataset_id}")).json()["status"] == "ready")

    await until(checked)
    return dataset_id


async def watch(backend: RunningPlatform, job_id: str, seen: list[dict[str, Any]]) -> None:
    """Collects a job's live events."""
    url = backend.url.replace("http", "ws") + f"/ws/training-jobs/{job_id}"
    async with websockets.connect(url, additional_headers={"Authorization": "Bearer token"}) as socket:
        while True:
            seen.append(json.loads(await socket.recv()))


async def share_switches_and_limits(a: RunningPlatform, b: RunningPlatform) -> None:
    """What a person switches off at one is off at the other, and the same back; each gives out half of a limit."""
    path = "/api/v1/system/dependencies"

    async def off(one: RunningPlatform) -> bool:
        items = (await one.client.get(path)).json()["items"]
        return next(bool(item["switched_off"]) for item in items if item["name"] == "trainer")

    assert (await a.client.post(f"{path}/trainer/isolate")).is_success
    await until(lambda: off(b), 5)
    assert (await b.client.post(f"{path}/trainer/reset")).is_success

    async def on() -> bool:
        return not await off(a)

    await until(on, 5)
    answer = await b.client.get("/api/v1/system/health/live")
    assert answer.headers["ratelimit-policy"] == '"default";q=500000;w=60'


async def test_two_backends_share_jobs_and_live_events_and_one_takes_over_from_the_other(
    pair: tuple[RunningPlatform, RunningPlatform], trainer_service: TrainerService, postgres_url: str, record_fault: Record
) -> None:
    a, b = pair
    dataset_id = await add_dataset(a)
    await share_switches_and_limits(a, b)
    await report(a, "m1", trainer_service.url, slots=100)
    body = {"model": "yolo11n", "dataset_id": dataset_id, "epochs": 1}
    answers = await asyncio.gather(
        *(one.client.post(JOBS, json=body, headers={"Prefer": "respond-async"}) for _ in range(10) for one in pair)
    )
    ids = sorted(answer.json()["job_id"] for answer in answers)
    assert len(set(ids)) == 20

    await until(lambda: len({spec["job_id"] for spec in trainer_service.specs}) == 20)
    # Each was handed over by one backend, once.
    assert sorted(spec["job_id"] for spec in trainer_service.specs) == ids

    # What the agent tells one backend, the watchers of the other see.
    spec = trainer_service.specs[0]
    seen: list[dict[str, Any]] = []
    watching = asyncio.create_task(watch(b, spec["job_id"], seen))
    await until(lambda: any(event["type"] == "ready" for event in seen))
    headers = {"Authorization": f"Bearer {spec['token']}"}
    told = time.monotonic()
    progress = {"epoch": 1, "epochs": 1, "step": 1, "steps": 1, "epoch_end": True, "metrics": {"map": 0.5}}
    answer = await a.client.post(
        f"{JOBS}/{spec['job_id']}/callback",
        json={"status": "running", "attempt": 1, "seq": 1, "progress": progress},
        headers=headers,
    )
    assert answer.is_success, answer.text
    await until(lambda: any(event["type"] == "progress" for event in seen))
    assert time.monotonic() - told < 2

    # Killed, it is missed: the other goes on, and its watchers lose nothing.
    a.kill("backend", signal.SIGKILL)
    began = time.monotonic()
    done = {"status": "succeeded", "attempt": 1, "seq": 2, "result": {"metrics": {"map": 0.5}}}
    assert (await b.client.post(f"{JOBS}/{spec['job_id']}/callback", json=done, headers=headers)).is_success
    await until(lambda: any(event.get("status") == "succeeded" for event in seen))
    numbers = [event["seq"] for event in seen if event["type"] != "ready"]
    assert numbers == list(range(1, len(numbers) + 1))
    later = await b.client.post(JOBS, json=body, headers={"Prefer": "respond-async"})
    await until(lambda: trainer_service.specs[-1]["job_id"] == later.json()["job_id"])
    await until(lambda: _alone(postgres_url))
    watching.cancel()
    record_fault(
        "Several backends", "one of two killed", None, "nothing: pages and agents that know both addresses went on",
        "the other gave out jobs and events alone; claims of the dead one were free after 5 s", time.monotonic() - began,
    )  # fmt: skip


async def _alone(url: str) -> bool:
    """Whether one backend lives, and nobody who lives has a claim."""
    living = "b.seen_at > now() - interval '5 seconds'"
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        backends = await connection.fetchval(f"select count(*) from backends b where {living}")
        claims = await connection.fetchval(
            f"select count(*) from claims c join backends b on b.id = c.backend_id where {living}"
        )
    finally:
        await connection.close()
    return bool(backends == 1 and claims == 0)
