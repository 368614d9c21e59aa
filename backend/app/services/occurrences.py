"""Error answers that can be looked up by their trace id.

An answer only lands in memory; a task writes what has come together in one transaction, so that a flood of errors costs
one write a second, and a database that is away costs no answer. Kept: the public form, status, method and route of the
newest answers. Not kept: refusals that strangers can cause at will (no token, too many requests), and nothing internal.
"""

import asyncio
from collections import deque
from typing import Any

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import PlatformError
from app.core.metrics import contained
from app.core.responses import Answered
from app.db.models import ErrorOccurrence
from app.db.session import Database

KEPT = 10_000
PENDING = 1_000
EVERY_SECONDS = 1.0
NOT_KEPT = frozenset({401, 429})


class Occurrences:
    """The newest error answers; `kept` is how many the database holds at least."""

    def __init__(self, db: Database, kept: int = KEPT) -> None:
        self.db = db
        self.kept = kept
        self._pending: deque[dict[str, Any]] = deque(maxlen=PENDING)
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def note(self, answered: Answered) -> None:
        """Remembers an error answer."""
        if answered.status in NOT_KEPT:
            return
        self._pending.append(
            {
                "trace_id": answered.error["trace_id"][:32],
                "status": answered.status,
                "method": answered.method[:12],
                "endpoint": answered.endpoint,
                "error": answered.error,
            }
        )
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
            await self._news.wait()
            await asyncio.sleep(EVERY_SECONDS)
            self._news.clear()
            with contained("occurrences"):
                await self.flush()

    async def flush(self) -> None:
        """Writes what has come together, and drops the oldest rows beyond `kept`.

        Raises:
            DatabaseError: nothing was written; the next flush tries again.
        """
        rows = list(self._pending)
        if not rows:
            return

        async def tx(session: AsyncSession) -> None:
            await session.execute(insert(ErrorOccurrence), rows)
            newest = await session.scalar(select(func.max(ErrorOccurrence.id))) or 0
            await session.execute(delete(ErrorOccurrence).where(ErrorOccurrence.id <= newest - self.kept))

        await self.db.write(tx)
        # Answers that came in while this wrote are behind those that were written.
        for row in rows:
            if self._pending and self._pending[0] is row:
                self._pending.popleft()

    async def find(self, trace_id: str) -> list[dict[str, Any]]:
        """What went wrong under a trace id, oldest first.

        Raises:
            PlatformError: NOT_FOUND where nothing is kept under it.
        """

        async def look(session: AsyncSession) -> list[dict[str, Any]]:
            query = select(ErrorOccurrence).where(ErrorOccurrence.trace_id == trace_id).order_by(ErrorOccurrence.id)
            return [
                {"status": row.status, "method": row.method, "endpoint": row.endpoint, "error": row.error}
                for row in await session.scalars(query)
            ]

        waiting = [
            {key: row[key] for key in ("status", "method", "endpoint", "error")}
            for row in list(self._pending)
            if row["trace_id"] == trace_id
        ]
        found = await self.db.read(look) + waiting
        if not found:
            raise PlatformError.from_code("NOT_FOUND", {"resource_type": "error", "resource_id": trace_id})
        return found
