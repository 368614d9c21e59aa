"""Holds occurrences until they are written: bounded, and of a storm only the first are held whole, the rest is a number."""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from prometheus_client import Counter

from app.db.repositories.errors import Seen, hour_of

KEPT_AN_HOUR = 100
"""Occurrences of one fingerprint that a backend keeps whole in an hour."""
QUEUED = 20_000
COUNTED = 5_000
"""Kinds of occurrences that are only counted, at once."""
dropped_total = Counter("platform_occurrences_dropped_total", "Occurrences of failures that were neither kept nor counted")
counted_total = Counter("platform_occurrences_counted_total", "Occurrences of failures that were counted, not kept")
_Key = tuple[str, str | None, datetime]


class Storms:
    """Tells by fingerprint and hour whether one more occurrence is worth a row."""

    def __init__(self, an_hour: int = KEPT_AN_HOUR) -> None:
        self.an_hour = an_hour
        self._hour: datetime | None = None
        self._kept: dict[str, int] = {}

    def keep(self, seen: Seen, now: datetime) -> bool:
        """Whether `seen` is one of the first of its kind in the present hour."""
        hour = hour_of(now)
        if hour != self._hour:
            self._hour, self._kept = hour, {}
        kept = self._kept.get(seen.fingerprint, 0)
        if kept >= self.an_hour or len(self._kept) >= QUEUED:
            return False
        self._kept[seen.fingerprint] = kept + 1
        return True


class Pending:
    """What waits to be written, in order; adding never blocks and never fails."""

    def __init__(self, storms: Storms, queued: int = QUEUED, counted: int = COUNTED) -> None:
        self.storms = storms
        self._most, self._most_counted = queued, counted
        self._queue: deque[Seen] = deque()
        self._counted: dict[_Key, Seen] = {}
        self._taken: Sequence[Seen] = ()

    def __len__(self) -> int:
        return len(self._queue) + len(self._counted) + len(self._taken)

    def add(self, seen: Seen, now: datetime) -> None:
        """Takes one more."""
        if len(self._queue) < self._most and self.storms.keep(seen, now):
            self._queue.append(seen)
            return
        key = (seen.fingerprint, seen.user_name, hour_of(seen.at))
        earlier = self._counted.get(key)
        if earlier is None and len(self._counted) >= self._most_counted:
            dropped_total.inc()
            return
        counted_total.inc()
        count = 1 if earlier is None else earlier.count + 1
        self._counted[key] = replace(seen, count=count, kept=False)

    def take(self, most: int) -> Sequence[Seen]:
        """The next ones to write; they wait on until `done`."""
        if not self._taken:
            batch = [self._queue.popleft() for _ in range(min(most, len(self._queue)))]
            if not self._queue:
                batch += self._counted.values()
                self._counted = {}
            self._taken = batch
        return self._taken

    def done(self) -> None:
        """Those that were taken are written."""
        self._taken = ()

    def waiting(self, trace_id: str) -> list[Seen]:
        """Those with a trace id, in order."""
        return [seen for seen in (*self._taken, *self._queue) if seen.trace_id == trace_id]
