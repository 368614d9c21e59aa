"""Kills backend, agent, shim and training process at random moments: every job ends in one right state, nothing is lost or
doubled. Fifty schedules, drawn from a seed that is printed; ``VTP_CHAOS_SEED`` repeats a run."""

import asyncio
import json
import os
import random
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.conftest import classification_zip
from tests.running import EVERY, FINAL, JOBS, SKLEARN, RunningPlatform, running
from tests.waiting import eventually

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not SKLEARN.exists(), reason="the scikit-learn trainer's environment is not installed"),
]

SEED = int(os.environ.get("VTP_CHAOS_SEED", time.time_ns() % 2**31))
SCHEDULES = int(os.environ.get("VTP_CHAOS_SCHEDULES", "50"))
EPOCHS, STEPS = 4, 3
SLOTS = 5
TOLD_BY_TRAININGS = ("progress", "log", "artifact")
TARGETS = ("training", "training", "agent", "backend", "shim", "shim and training")
CONFIG = {
    "framework": "sklearn", "model": "mlp-small", "dataset_id": "tiny", "epochs": EPOCHS, "batch_size": 2,
    "image_size": 16, "settings": {"hidden": 4, "images_per_s_limit": 12},
}  # fmt: skip


@dataclass
class Schedule:
    """One job and when something is done to it: seconds after its attempt was seen to start, and what is killed.

    `wanted`: how it has to end. A job that is cancelled too late may have succeeded.
    """

    number: int
    kills: list[tuple[float, str]]
    cancel_after: float | None = None
    limit_s: int | None = None
    wanted: tuple[str, ...] = ("succeeded",)
    done: list[str] = field(default_factory=list)


def draw(number: int) -> Schedule:
    """Schedule `number` of this seed."""
    rng = random.Random(f"{SEED}/{number}")
    kills = [(rng.uniform(0.0, 2.5), rng.choice(TARGETS)) for _ in range(rng.choice((1, 1, 2)))]
    kind = rng.random()
    if kind < 0.15:
        return Schedule(number, kills, cancel_after=rng.uniform(0.2, 3.0), wanted=("cancelled", "succeeded"))
    if kind < 0.27:
        return Schedule(number, kills, limit_s=1, wanted=("failed",))
    return Schedule(number, kills)


@pytest.fixture
async def platform(tmp_path: Path) -> AsyncIterator[RunningPlatform]:
    times = {"VTP_HEARTBEAT_SECONDS": "5", "VTP_GRACE_SECONDS": "3"}
    async with running(tmp_path / "home", slots=SLOTS, **times) as found:
        await found.add_dataset("tiny", classification_zip())
        yield found


class Killer:
    """Carries out the kills; backend and agent are killed by one schedule at a time."""

    def __init__(self, platform: RunningPlatform) -> None:
        self.platform = platform
        self.locks = {"backend": asyncio.Lock(), "agent": asyncio.Lock()}

    async def kill(self, target: str, job_id: str, attempt: int) -> bool:
        """Kills `target`; False where it was gone already."""
        if target in self.locks:
            async with self.locks[target]:
                await asyncio.to_thread(self.platform.restart, target)
            return True
        names = {"training": ("pid",), "shim": ("shim_pid",), "shim and training": ("shim_pid", "pid")}[target]
        pids = [self.platform.pid(job_id, attempt, name) for name in names]
        killed = [_killed(pid) for pid in pids]
        return all(killed)


def _killed(pid: int | None) -> bool:
    try:
        os.kill(pid or 0, signal.SIGKILL) if pid else None
    except ProcessLookupError:
        return False
    return pid is not None


async def carry_out(platform: RunningPlatform, killer: Killer, schedule: Schedule, slots: asyncio.Semaphore) -> str:
    """Submits a schedule's job, does to it what is planned, and waits for its end; the job's id."""
    limit = {"max_duration_s": schedule.limit_s} if schedule.limit_s else {}
    # A training that is to run into its limit must not be over before.
    slow = {"epochs": 40} if schedule.limit_s else {}
    async with slots:
        job_id = await platform.submit(**{**CONFIG, **slow, **limit, "name": f"schedule {schedule.number}"})
        doing = asyncio.create_task(_do(platform, killer, schedule, job_id))
        try:
            await eventually(lambda: _ended(platform, job_id), 150, f"the end of {job_id}, {schedule}", every=0.2)
        finally:
            doing.cancel()
            await asyncio.gather(doing, return_exceptions=True)
    return job_id


async def _ended(platform: RunningPlatform, job_id: str) -> bool:
    job = await platform.job(job_id)
    if job["status"] == "waiting":
        # Nobody wants to wait for the back-off here; a person can end it too.
        await platform.ask("POST", f"{JOBS}/{job_id}/run-now")
    return job["status"] in FINAL


async def _do(platform: RunningPlatform, killer: Killer, schedule: Schedule, job_id: str) -> None:
    acts: list[tuple[float, str]] = sorted(schedule.kills)
    if schedule.cancel_after is not None:
        acts = sorted([*acts, (schedule.cancel_after, "cancel")])
    job = await platform.wait_for(job_id, "starting", "running", *FINAL, seconds=120)
    began = time.monotonic()
    for after, act in acts:
        await asyncio.sleep(max(0.0, began + after - time.monotonic()))
        if act == "cancel":
            await platform.ask("POST", f"{JOBS}/{job_id}/cancel")
        elif not await killer.kill(act, job_id, job["attempt"]):
            continue
        schedule.done.append(act)
        job = await platform.job(job_id)


def check_events(platform: RunningPlatform, job_id: str, wanted: tuple[str, ...]) -> list[dict[str, Any]]:
    """The stored events of a job, after all that must hold of them was checked."""
    ((status, last_seq, number),) = platform.rows("select status, last_seq, attempt from jobs where id=?", job_id)
    query = "select seq, type, attempt, at, body from job_events where job_id=? order by seq"
    stored = platform.rows(query, job_id)
    events = [{**json.loads(body), "seq": seq, "type": kind, "attempt": attempt} for seq, kind, attempt, _, body in stored]
    assert status in wanted
    assert [event["seq"] for event in events] == list(range(1, last_seq + 1))
    ends = [event["status"] for event in events if event["type"] == "state" and event["status"] in FINAL]
    assert ends == [status]
    assert events[-1]["type"] == "state"
    rows = platform.rows("select number, status, last_agent_seq from job_attempts where job_id=? order by number", job_id)
    assert [row[0] for row in rows] == list(range(1, number + 1))
    assert all(row[1] in FINAL for row in rows)
    for attempt, _, last_agent_seq in rows:
        # Each update of an agent made one event, except those that only kept their place and the last word.
        told = [event["type"] for event in events if event["attempt"] == attempt]
        assert sum(kind in TOLD_BY_TRAININGS for kind in told) <= last_agent_seq
    # A training says nothing twice in the same millisecond: what stands twice was doubled on its way.
    said = [row[1:] for row in stored if row[1] in TOLD_BY_TRAININGS]
    assert len(set(said)) == len(said)
    check_epochs(events, number, status)
    return events


def check_epochs(events: list[dict[str, Any]], attempts: int, status: str) -> None:
    """Epochs run up by one in each attempt; the next attempt goes on where a checkpoint was, at most one epoch back."""
    done = 0
    for attempt in range(1, attempts + 1):
        epochs = [event["epoch"] for event in events if event["attempt"] == attempt and event.get("epoch_end")]
        assert all(later == earlier + 1 for earlier, later in pairwise(epochs)), epochs
        if epochs:
            assert done <= epochs[0] <= done + 1, (done, epochs)
            done = epochs[-1]
    if status == "succeeded":
        assert done == EPOCHS


async def replay(platform: RunningPlatform, job_id: str, since: int = 0) -> list[dict[str, Any]]:
    """What a watcher is told that comes late: everything up to the present."""
    found = []
    url = f"ws://127.0.0.1:{platform.port}/ws/training-jobs/{job_id}?since={since}"
    async with connect(url, additional_headers={"Authorization": "Bearer token"}, proxy=None) as socket:
        async for text in socket:
            event = json.loads(text)
            if event["type"] == "ready":
                return found
            found.append(event)
    return found


async def watch(platform: RunningPlatform, job_id: str, told: list[dict[str, Any]]) -> None:
    """Watches a job to its end through every break of the connection, each time from the last number on."""
    url = f"ws://127.0.0.1:{platform.port}/ws/training-jobs/{job_id}?since="
    while not (told and told[-1].get("status") in FINAL):
        since = told[-1]["seq"] if told else 0
        try:
            async with connect(f"{url}{since}", additional_headers={"Authorization": "Bearer token"}, proxy=None) as socket:
                async for text in socket:
                    event = json.loads(text)
                    if event["type"] == "ready":
                        continue
                    told.append(event)
                    if event.get("status") in FINAL and event["type"] == "state":
                        break
        except (OSError, ConnectionClosed, InvalidHandshake):
            await asyncio.sleep(0.05)


async def test_every_job_ends_once_and_right_whatever_is_killed_when(platform: RunningPlatform) -> None:
    print(f"\nVTP_CHAOS_SEED={SEED}")
    began = time.monotonic()
    schedules = [draw(number) for number in range(SCHEDULES)]
    killer, slots = Killer(platform), asyncio.Semaphore(SLOTS + 1)
    watched: list[dict[str, Any]] = []
    first = await platform.submit(**CONFIG, name="watched")
    watching = asyncio.create_task(watch(platform, first, watched))
    ids = await asyncio.gather(*(carry_out(platform, killer, schedule, slots) for schedule in schedules))
    await platform.wait_for(first, *FINAL)
    await asyncio.wait_for(watching, 30)
    kills = [act for schedule in schedules for act in schedule.done]
    print(f"{len(ids)} jobs, {len(kills)} acts in {time.monotonic() - began:.0f} s:",
          {act: kills.count(act) for act in sorted(set(kills))})  # fmt: skip

    for job_id, schedule in zip(ids, schedules, strict=True):
        try:
            events = check_events(platform, job_id, schedule.wanted)
            assert _without_time(await replay(platform, job_id)) == _without_time(events)
        except AssertionError as error:
            error.add_note(f"VTP_CHAOS_SEED={SEED} {job_id} {schedule}\n{await platform.attempts(job_id)}")
            raise
        if schedule.limit_s:
            assert (await platform.job(job_id))["error"]["code"] == "TRAINING_TIMEOUT"
    assert _without_time(watched) == _without_time(check_events(platform, first, ("succeeded",)))
    await nothing_is_left(platform)


def _without_time(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Events as both sides tell them; the rows keep the time in a column of its own."""
    return [{name: value for name, value in event.items() if name != "at"} for event in events]


async def nothing_is_left(platform: RunningPlatform) -> None:
    """No training runs, no attempt holds a slot, the agent's journal and folders are empty."""
    await eventually(lambda: not platform.trainings(), 20, "the end of all trainings", EVERY)
    await eventually(lambda: not platform.journal("select * from attempts"), 20, "an empty journal", EVERY)
    assert platform.journal("select count(*) from updates") == [(0,)]
    # An agent that was killed between folder and journal leaves a folder, which its next start sweeps away.
    platform.restart("agent")
    await eventually(lambda: not list((platform.home / "agent" / "attempts").glob("*/*")), 20, "empty folders", EVERY)
    (agent,) = (await platform.ask("GET", "/api/v1/agents")).json()["items"]
    assert agent["busy"] == 0
