"""Repeats of a POST that do no second work: the same key gives the first answer again.

The key is stored with the job, in one transaction (`TrainingService.create`). Here is what is about more than that
transaction: a repeat while the first request is still under way, and a first request that came to nothing.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import PlatformError
from app.db.models import Idempotency
from app.db.repositories import jobs
from app.db.session import Database, utcnow
from app.services.training import IDEMPOTENCY_HOURS


def plain_key(header: str) -> str:
    """The key that an Idempotency-Key header holds: the quotes of a structured field are not part of it."""
    key = header.strip()
    return key[1:-1] if len(key) > 2 and key[0] == key[-1] == '"' else key


class IdempotencyService:
    """Keeps requests with the same key apart."""

    def __init__(self, db: Database, clock: Callable[[], datetime] = utcnow) -> None:
        self.db = db
        self.clock = clock
        self._under_way: set[str] = set()

    @asynccontextmanager
    async def once(self, key: str | None) -> AsyncIterator[str | None]:
        """Holds the key while its request is served; gives the job of an earlier request with it, None where there is none.

        A request that ends with an error frees its key: nothing was made that a repeat could be given.

        Raises:
            PlatformError: CONFLICT while another request with the key is under way.
        """
        if key is None:
            yield None
            return
        if key in self._under_way:
            raise PlatformError.from_code(
                "CONFLICT", {"state": "a request with this Idempotency-Key is under way", "wanted": "repeat"}
            )
        self._under_way.add(key)
        try:
            earlier = await self._earlier(key)
            try:
                yield earlier
            except PlatformError:
                if earlier is None:
                    await self._forget(key)
                raise
        finally:
            self._under_way.discard(key)

    async def _earlier(self, key: str) -> str | None:
        keep = self.clock() - timedelta(hours=IDEMPOTENCY_HOURS)

        async def tx(session: AsyncSession) -> str | None:
            found = await jobs.remembered(session, key, keep)
            return found.job_id if found else None

        return await self.db.write(tx)

    async def _forget(self, key: str) -> None:
        async def tx(session: AsyncSession) -> None:
            await session.execute(delete(Idempotency).where(Idempotency.key == key))

        await self.db.write(tx)
