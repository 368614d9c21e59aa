"""Forgets what the policy no longer keeps: old occurrences, hourly figures, groups that nobody has seen for long."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.logging import get_logger
from app.db.repositories.error_regrouping import forget
from app.db.session import Database, utcnow
from app.db.tracking import ErrorCount, ErrorGroup, ErrorOccurrence
from app.services.hourly import Hourly

logger = get_logger(__name__)
AT_ONCE = 5000
"""Rows of one transaction, so that nobody waits long for its locks."""
GROUPS_AT_ONCE = 50
HOURS_KEPT = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Keep:
    """How long things are kept: occurrences and daily figures in days and number, groups in days since last seen."""

    days: int
    occurrences: int
    group_days: int


class Retention:
    """Keeps the error tracking within its policy; a backend does so at its start and every hour."""

    def __init__(self, db: Database, keep: Keep, clock: Callable[[], datetime] = utcnow) -> None:
        self.db = db
        self.keep = keep
        self.clock = clock
        self.hourly = Hourly("error retention", self.once, at_once=True)

    async def once(self) -> dict[str, int]:
        """Forgets what is too old or too much; how many rows of each.

        Raises:
            DatabaseError: the next look goes on.
        """
        now = self.clock()
        old = now - timedelta(days=self.keep.days)
        newest = await self.db.read(lambda session: session.scalar(select(func.max(ErrorOccurrence.id)))) or 0
        gone = {
            "occurrences": await self._all(_by_id(ErrorOccurrence, ErrorOccurrence.at < old, ErrorOccurrence.at))
            + await self._all(
                _by_id(ErrorOccurrence, ErrorOccurrence.id <= newest - self.keep.occurrences, ErrorOccurrence.id)
            ),
            "hours": await self._all(_counts("hour", now - HOURS_KEPT)),
            "days": await self._all(_counts("day", old)),
            "groups": await self._groups(now - timedelta(days=self.keep.group_days)),
        }
        if any(gone.values()):
            logger.info("error retention", **gone)
        return gone

    async def _all(self, statement: Any) -> int:
        """Runs a deletion of up to `AT_ONCE` rows until nothing is left of it."""
        total = 0
        while True:
            done = await self.db.write(lambda session: _count(session, statement))
            total += done
            if done < AT_ONCE:
                return total

    async def _groups(self, before: datetime) -> int:
        total = 0
        while True:
            done = await self.db.write(lambda session: _forget_groups(session, before))
            total += done
            if done < GROUPS_AT_ONCE:
                return total


async def _count(session: AsyncSession, statement: Any) -> int:
    result: Any = await session.execute(statement, execution_options={"synchronize_session": False})
    return int(result.rowcount)


def _by_id(table: type[ErrorOccurrence], condition: Any, order: Any) -> Any:
    return delete(table).where(table.id.in_(select(table.id).where(condition).order_by(order).limit(AT_ONCE)))


def _counts(span: str, before: datetime) -> Any:
    keys = (ErrorCount.group_id, ErrorCount.user_name, ErrorCount.span, ErrorCount.bucket)
    old = select(*keys).where(ErrorCount.span == span, ErrorCount.bucket < before).limit(AT_ONCE)
    return delete(ErrorCount).where(tuple_(*keys).in_(old))


async def _forget_groups(session: AsyncSession, before: datetime) -> int:
    """Deletes up to `GROUPS_AT_ONCE` groups last seen before then; occurrences of theirs are gone or too old as well."""
    query = select(ErrorGroup.id).where(ErrorGroup.last_seen < before).order_by(ErrorGroup.last_seen).limit(GROUPS_AT_ONCE)
    ids = list((await session.scalars(query)).all())
    await forget(session, ids)
    return len(ids)
