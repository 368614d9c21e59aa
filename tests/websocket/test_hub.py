"""Events from commits to watchers: in order, without gaps or doubles, whatever comes between."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from app.api.deps import Platform
from app.db.models import Job, JobEvent
from app.db.repositories import jobs
from app.websocket import hub as hub_module
from app.websocket.hub import Hub, message

AT = datetime(2026, 11, 25, 12, 0, 0, 123000, tzinfo=UTC)
SECONDS = 10.0


def event(seq: int, job_id: str = "J-1", **body: Any) -> JobEvent:
    return JobEvent(job_id=job_id, seq=seq, type="log", attempt=1, at=AT, body=body or {"text": str(seq)})


class Rows:
    """A database that holds these events and counts who asks."""

    def __init__(self, count: int = 0) -> None:
        self.events = [event(seq) for seq in range(1, count + 1)]
        self.asked: list[int] = []

    async def read(self, look: Any) -> Any:
        session = self

        async def since(_session: Any, _job_id: str, seq: int, limit: int) -> list[JobEvent]:
            session.asked.append(seq)
            return [one for one in session.events if one.seq > seq][:limit]

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(jobs, "events_since", since)
            return await look(session)

    def commit(self, hub: Hub, *seqs: int) -> None:
        """New events, told to the hub in this order."""
        told = [event(seq) for seq in seqs]
        self.events = sorted([*self.events, *told], key=lambda one: one.seq)
        hub.publish(told)


async def take(stream: AsyncIterator[tuple[int, bytes]], count: int) -> list[Any]:
    """The next messages: the number of an event, or the type of another message."""
    found: list[Any] = []
    async with asyncio.timeout(SECONDS):
        while len(found) < count:
            _, text = await anext(stream)
            body = json.loads(text)
            found.append(body["seq"] if body["type"] == "log" else body["type"])
    return found


def test_a_message_has_the_events_fields_beside_its_place() -> None:
    assert message(event(7, text="x")) == {
        "text": "x", "type": "log", "seq": 7, "at": "2026-11-25T12:00:00.123Z", "attempt": 1,
    }  # fmt: skip


async def test_what_had_been_is_replayed_then_comes_ready_then_what_is_new() -> None:
    rows, hub = Rows(3), Hub()
    stream = hub.stream(rows, "J-1", 0)  # type: ignore[arg-type]
    assert await take(stream, 4) == [1, 2, 3, "ready"]
    rows.commit(hub, 4, 5)
    assert await take(stream, 2) == [4, 5]
    await stream.aclose()  # type: ignore[attr-defined]


async def test_a_watcher_goes_on_where_it_was() -> None:
    rows, hub = Rows(5), Hub()
    stream = hub.stream(rows, "J-1", 3)  # type: ignore[arg-type]
    assert await take(stream, 3) == [4, 5, "ready"]
    await stream.aclose()  # type: ignore[attr-defined]
    ahead = hub.stream(rows, "J-1", 5)  # type: ignore[arg-type]
    assert await take(ahead, 1) == ["ready"]
    await ahead.aclose()  # type: ignore[attr-defined]


async def test_what_memory_no_longer_holds_comes_from_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "REMEMBERED", 4)
    monkeypatch.setattr(hub_module, "REPLAY_BATCH", 3)
    rows, hub = Rows(1), Hub()
    slow = hub.stream(rows, "J-1", 0)  # type: ignore[arg-type]
    assert await take(slow, 2) == [1, "ready"]
    for seq in range(2, 21):
        rows.commit(hub, seq)
    rows.asked.clear()
    assert await take(slow, 19) == list(range(2, 21))
    assert rows.asked[0] == 1
    assert max(rows.asked) < 20
    await slow.aclose()  # type: ignore[attr-defined]


@pytest.mark.parametrize("seed", range(20))
async def test_watchers_get_every_event_once_and_in_order_however_commits_are_told(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    print(f"seed {seed}")
    monkeypatch.setattr(hub_module, "REMEMBERED", 8)
    monkeypatch.setattr(hub_module, "REPLAY_BATCH", 5)
    rng = random.Random(seed)
    rows, hub, last = Rows(7), Hub(), 150

    async def watch(since: int) -> list[int]:
        seen: list[int] = []
        stream = hub.stream(rows, "J-1", since)  # type: ignore[arg-type]
        async for seq, text in stream:
            if json.loads(text)["type"] == "log":
                seen.append(seq)
            if rng.random() < 0.3:
                await asyncio.sleep(0)
            if seq == last:
                break
        await stream.aclose()  # type: ignore[attr-defined]
        return seen

    starts = [rng.randrange(0, 8) for _ in range(6)]
    watchers = [asyncio.create_task(watch(since)) for since in starts]
    following = 8
    while following <= last:
        # Several backends' commits may be told a little out of order.
        several = list(range(following, min(last + 1, following + rng.randrange(1, 6))))
        following = several[-1] + 1
        if rng.random() < 0.4:
            rng.shuffle(several)
        if rng.random() < 0.5:
            rows.commit(hub, *several)
        else:
            for seq in several:
                rows.commit(hub, seq)
        for _ in range(rng.randrange(0, 4)):
            await asyncio.sleep(0)
    async with asyncio.timeout(SECONDS):
        for since, watcher in zip(starts, watchers, strict=True):
            seen = await watcher
            assert sorted(set(seen)) == seen
            # An event told late was never a gap for good: the database has it.
            assert seen == list(range(since + 1, last + 1))


async def test_jobs_that_nobody_watches_cost_nothing_and_watchers_leave_nothing_behind() -> None:
    rows, hub = Rows(1), Hub()
    hub.publish([event(1), event(1, "J-2")])
    assert hub._channels == {}
    one, other = hub.stream(rows, "J-1", 0), hub.stream(rows, "J-1", 0)  # type: ignore[arg-type]
    await take(one, 2)
    await take(other, 2)
    hub.publish([event(1, "J-2")])
    assert set(hub._channels) == {"J-1"}
    await one.aclose()  # type: ignore[attr-defined]
    rows.commit(hub, 2)
    assert await take(other, 1) == [2]
    await other.aclose()  # type: ignore[attr-defined]
    assert hub._channels == {}


async def test_an_event_that_comes_between_the_last_look_and_the_wait_is_not_missed(platform: Platform) -> None:
    """With the real database: commits land while the watcher is about to wait."""
    now = platform.training.clock()

    async def begin(session: Any) -> None:
        values = {"framework": "f", "model": "m", "dataset_id": "d", "config": {}, "status": "queued", "number": 1}
        session.add(Job(id="J-1", attempt=0, last_seq=0, excluded_agents=[], created_at=now, updated_at=now, **values))

    async def add(session: Any) -> None:
        job = await jobs.get_job(session, "J-1", lock=True)
        jobs.append_event(session, job, "log", now, {"offset": 0, "text": "x"})

    await platform.db.write(begin)
    stream = platform.hub.stream(platform.db, "J-1", 0)

    async def commit() -> None:
        for _ in range(30):
            await platform.db.write(add)

    committing = asyncio.create_task(commit())
    found = await take(stream, 31)
    await committing
    assert [seq for seq in found if seq != "ready"] == list(range(1, 31))
    await stream.aclose()  # type: ignore[attr-defined]


async def test_watchers_that_come_together_are_answered_by_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred pages that come back after a restart must not ask the database a hundred times."""
    monkeypatch.setattr(hub_module, "REPLAY_BATCH", 10)
    rows, hub = Rows(25), Hub()
    begin = asyncio.Event()
    whole = rows.read

    async def slow(look: Any) -> Any:
        await begin.wait()
        return await whole(look)

    monkeypatch.setattr(rows, "read", slow)
    streams = [hub.stream(rows, "J-1", 0) for _ in range(100)]
    taking = [asyncio.create_task(take(stream, 27)) for stream in streams]
    await asyncio.sleep(0)
    begin.set()
    rows.commit(hub, 26)  # while all of them look
    told = await asyncio.gather(*taking)
    assert len(rows.asked) < 20
    for one in told:
        assert [seq for seq in one if seq != "ready"] == list(range(1, 27))
    for stream in streams:
        await stream.aclose()


async def test_events_of_another_backend_are_read_once_it_tells_of_them() -> None:
    rows, hub = Rows(2), Hub()
    stream = hub.stream(rows, "J-1", 0)  # type: ignore[arg-type]
    assert await take(stream, 3) == [1, 2, "ready"]
    rows.commit(Hub(), 3, 4)
    hub.hear("J-1", 4)
    hub.hear("J-2", 9)
    assert await take(stream, 2) == [3, 4]
    rows.commit(hub, 5)
    rows.commit(Hub(), 6)
    hub.hear("J-1", 6)
    rows.commit(hub, 7)
    assert await take(stream, 3) == [5, 6, 7]
    await stream.aclose()  # type: ignore[attr-defined]


async def test_what_was_missed_while_nobody_told_is_found_when_all_look_again() -> None:
    rows, hub = Rows(2), Hub()
    stream = hub.stream(rows, "J-1", 0)  # type: ignore[arg-type]
    assert await take(stream, 3) == [1, 2, "ready"]
    for seq in (3, 4):
        waiting = asyncio.create_task(take(stream, 1))
        await asyncio.sleep(0)
        rows.commit(Hub(), seq)
        hub.hear_all()
        assert await waiting == [seq]
    waiting = asyncio.create_task(take(stream, 1))
    await asyncio.sleep(0)
    hub.hear_all()
    rows.commit(hub, 5)
    assert await waiting == [5]
    await stream.aclose()  # type: ignore[attr-defined]
