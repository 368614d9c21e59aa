"""Every failure as an occurrence: of the API, of the page, of jobs; in memory first, then in groups.

An error answer only lands in memory; a task writes what has come together in one transaction, so that a flood of errors
costs one write a second, and a database that is away costs no answer. Failed attempts are their own queue: rows without a
group, so that none is lost or counted twice whatever dies when. Not taken in: refusals that strangers can cause at will (no
token, too many requests).
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import DatabaseError, PlatformError
from app.core.logging import get_logger
from app.core.metrics import contained
from app.core.monitoring import BUGS, fingerprint_of
from app.core.redact import public_text
from app.core.responses import Answered
from app.db.repositories import error_reading
from app.db.repositories.errors import GroupChange, Seen, record
from app.db.session import Database, utcnow
from app.services.callers import caller_name
from app.services.failed_jobs import take_in
from app.services.storms import Pending, Storms, dropped_total

logger = get_logger(__name__)
AT_ONCE = 1000
EVERY_SECONDS = 1.0
FOLLOW_SECONDS = 2.0
"""How often failed jobs are looked for."""
NOT_KEPT = frozenset({401, 429})
Observer = Callable[[GroupChange], None]


def _kind(answered: Answered, place: str) -> tuple[str, str]:
    """The fingerprint of an answer, the same as in the log and in Sentry, and a line that tells of it."""
    raised = answered.raised
    if raised is None or raised.code not in BUGS:
        return _usual(answered.error["code"], place), public_text(f"{place}: {answered.error['title']}")
    cause = raised.original_exception or raised
    return fingerprint_of(raised, place), public_text(f"{type(cause).__name__} in {place}")


@lru_cache(maxsize=1024)
def _usual(code: str, place: str) -> str:
    return fingerprint_of(PlatformError.from_code(code), place)


class Occurrences:
    """Takes failures in. `observers` hear of groups that are new or have come back, once each, after the commit."""

    def __init__(self, db: Database, clock: Callable[[], datetime] = utcnow, storms: Storms | None = None) -> None:
        self.db = db
        self.clock = clock
        self.storms = storms or Storms()
        self.pending = Pending(self.storms)
        self.observers: list[Observer] = []
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def note(self, answered: Answered) -> None:
        """Remembers an error answer."""
        if answered.status in NOT_KEPT:
            return
        error, place = answered.error, f"{answered.method} {answered.endpoint}"
        fingerprint, title = _kind(answered, place)
        self.add(
            Seen(
                fingerprint=fingerprint,
                source="api",
                code=error["code"],
                title=title,
                at=self.clock(),
                error=error,
                trace_id=error["trace_id"][:32],
                user_name=caller_name(),
                entity=place,
                status=answered.status,
                method=answered.method[:12],
                endpoint=answered.endpoint,
            )
        )

    def add(self, seen: Seen) -> None:
        """Remembers a failure; it is written soon."""
        self.pending.add(seen, self.clock())
        self._news.set()

    def start(self) -> None:
        """Begins to write."""
        self._task = asyncio.create_task(self._run(), name="error occurrences")

    async def stop(self) -> None:
        """Writes what is left and ends."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        with contained("occurrences"):
            await self.flush()

    async def _run(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(FOLLOW_SECONDS):
                    await self._news.wait()
                    await asyncio.sleep(EVERY_SECONDS)
            self._news.clear()
            with contained("occurrences"):
                await self.flush()
            with contained("occurrences"):
                await self.follow()

    async def flush(self) -> None:
        """Writes what has come together.

        Raises:
            DatabaseError: some was not written; the next flush tries it again.
        """
        while self.pending:
            batch = self.pending.take(AT_ONCE)
            try:
                _, changes = await self.db.write(lambda session, batch=batch: record(session, batch))
            except DatabaseError as error:
                if not isinstance(error.__cause__, DataError | IntegrityError):
                    raise
                # No later try would do better, and all that came after would wait behind it.
                logger.exception("occurrences not taken in", number=len(batch))
                dropped_total.inc(len(batch))
                changes = []
            self.pending.done()
            self._tell(changes)

    async def follow(self) -> int:
        """Takes in jobs and attempts that have failed since; how many.

        Raises:
            DatabaseError: the next look finds them again.
        """
        taken = 0
        while True:
            now = self.clock()
            number, changes = await self.db.write(lambda session, now=now: take_in(session, self.storms, now))
            self._tell(changes)
            taken += number
            if not number:
                return taken

    def _tell(self, changes: list[GroupChange]) -> None:
        for change in changes:
            for observer in self.observers:
                with contained("error group observer"):
                    observer(change)

    async def find(self, trace_id: str, viewer: str | None = None) -> list[dict[str, Any]]:
        """What went wrong under a trace id, oldest first; only the viewer's where one is named.

        Raises:
            PlatformError: NOT_FOUND where nothing is kept under it.
        """

        async def look(session: AsyncSession) -> list[Any]:
            return list(await error_reading.traced(session, trace_id, viewer))

        waiting = [seen for seen in self.pending.waiting(trace_id) if viewer in (None, seen.user_name)]
        found = [*await self.db.read(look), *waiting]
        if not found:
            raise PlatformError.from_code("NOT_FOUND", {"resource_type": "error", "resource_id": trace_id})
        return [
            {"status": row.status, "method": row.method, "endpoint": row.endpoint, "error": _public(row.error)}
            for row in found
        ]


def _public(error: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in error.items() if key != "report"}
