"""How much a day may cost that language models are asked on: so many requests, of all backends together."""

from collections.abc import Callable
from datetime import UTC, datetime

from app.db.repositories import counters
from app.db.session import Database, utcnow


class LlmBudget:
    """`daily` requests a day, by UTC. What is taken stays taken, also over a restart."""

    def __init__(self, db: Database, daily: int, clock: Callable[[], datetime] = utcnow) -> None:
        self.db, self.daily, self.clock = db, daily, clock

    async def take(self) -> bool:
        """One request, counted before it is made; False where the day has none left."""
        day = self.clock().astimezone(UTC).date().isoformat()
        return await self.db.write(lambda session: counters.take(session, "llm", day, self.daily))
