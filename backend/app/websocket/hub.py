"""Live events of jobs, from the database's commits to any number of watchers.

A watcher pulls: it is told that something new exists and takes what it has not had. A slow watcher therefore costs
no memory of its own, and what the short memory of a job no longer holds is read from the database.
"""

import asyncio
import sys
from collections import deque
from collections.abc import AsyncIterator, Sequence
from itertools import islice
from typing import Any

import orjson

from app.db.models import JobEvent
from app.db.repositories import jobs
from app.db.session import Database

REMEMBERED = 2048
REPLAY_BATCH = 1000


def message(event: JobEvent) -> dict[str, Any]:
    """The form in which an event goes to a watcher; `seq`, `type`, `at` and `attempt` beside the event's own fields."""
    at = event.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {**event.body, "type": event.type, "seq": event.seq, "at": at, "attempt": event.attempt}


class _Channel:
    """What the watchers of one job share: the newest events, serialised once, and the signal that there are more."""

    def __init__(self) -> None:
        self.recent: deque[tuple[int, bytes]] = deque(maxlen=REMEMBERED)
        self.newest = 0
        self.unseen = 0
        """Up to here the database may have more than this memory."""
        self.news = asyncio.Event()
        self.watchers = 0
        self.looks: dict[int, asyncio.Task[list[tuple[int, bytes]]]] = {}

    def add(self, event: JobEvent) -> None:
        """Takes an event in. `recent` has no gap: where commits are told out of order, it starts anew."""
        if self.recent and event.seq != self.recent[-1][0] + 1:
            self.recent.clear()
        if event.seq > self.newest:
            self.newest = event.seq
            self.recent.append((event.seq, orjson.dumps(message(event))))

    def after(self, seq: int) -> list[tuple[int, bytes]] | None:
        """Events after `seq`, or None where some of them are not remembered."""
        if max(self.newest, self.unseen) <= seq:
            return []
        if not self.recent or self.recent[0][0] > seq + 1:
            return None
        return list(islice(self.recent, seq + 1 - self.recent[0][0], None))

    def outdated(self, seq: int) -> bool:
        """Notes that there is, or may be, an event `seq` that is not in this memory; False where it is known already."""
        if seq <= self.newest:
            return False
        self.recent.clear()
        self.unseen = max(self.unseen, seq)
        return True

    def wake(self) -> None:
        """Lets all watchers look for more."""
        self.news.set()
        self.news = asyncio.Event()

    async def replay(self, db: Database, job_id: str, seq: int) -> list[tuple[int, bytes]]:
        """Events after `seq` from the database; watchers that come together are answered by one look.

        A look that began before a watcher came may lack what was committed since, but that is in this channel's memory.
        """
        look = self.looks.get(seq)
        if look is None:
            look = self.looks[seq] = asyncio.create_task(_stored(db, job_id, seq))
            look.add_done_callback(lambda _: self.looks.pop(seq, None))
        return await asyncio.shield(look)


class Hub:
    """Connects commits with watchers; `publish` is given to the database as its `on_commit`."""

    def __init__(self) -> None:
        self._channels: dict[str, _Channel] = {}

    def watching(self) -> int:
        """Number of watchers."""
        return sum(channel.watchers for channel in self._channels.values())

    def publish(self, events: Sequence[JobEvent]) -> None:
        """Passes committed events on; jobs that nobody watches cost nothing."""
        told: set[str] = set()
        for event in events:
            channel = self._channels.get(event.job_id)
            if channel is not None:
                channel.add(event)
                told.add(event.job_id)
        for job_id in told:
            self._channels[job_id].wake()

    def look_again(self, events: Sequence[JobEvent]) -> None:
        """Events that may have been committed or not: the watchers of their jobs look into the database."""
        for event in events:
            self.hear(event.job_id, event.seq)

    def hear(self, job_id: str, seq: int) -> None:
        """Another backend has committed events of a job up to `seq`: they are in the database, not in memory here."""
        channel = self._channels.get(job_id)
        if channel is not None and channel.outdated(seq):
            channel.wake()

    def hear_all(self) -> None:
        """Something may have been missed: every watcher looks into the database."""
        for channel in self._channels.values():
            channel.outdated(sys.maxsize)
            channel.wake()

    async def stream(self, db: Database, job_id: str, since: int) -> AsyncIterator[tuple[int, bytes]]:
        """Events of a job after `since`, numbered and serialised, for ever; ``ready`` marks the end of what had been."""
        channel = self._channels.setdefault(job_id, _Channel())
        channel.watchers += 1
        try:
            seq, ready = since, False
            while True:
                # Taken before the look: what arrives between look and wait sets this very event.
                news = channel.news
                batch = channel.after(seq) if ready else None
                if batch is None:
                    look = _stored if ready else channel.replay
                    batch = await look(db, job_id, seq)
                for seq, body in batch:
                    yield seq, body
                if batch:
                    continue
                if not ready:
                    ready = True
                    yield seq, orjson.dumps({"type": "ready", "seq": seq})
                    continue
                await news.wait()
        finally:
            channel.watchers -= 1
            if not channel.watchers:
                self._channels.pop(job_id, None)


async def _stored(db: Database, job_id: str, seq: int) -> list[tuple[int, bytes]]:
    events = await db.read(lambda session: jobs.events_since(session, job_id, seq, REPLAY_BATCH))
    return [(event.seq, orjson.dumps(message(event))) for event in events]
