"""Takes an occurrence out of its group again: a failure that is judged anew belongs to another."""

from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.repositories.errors import Seen, day_of, hour_of
from app.db.tracking import (
    EVERYONE,
    ErrorAffected,
    ErrorCount,
    ErrorFingerprint,
    ErrorGroup,
    ErrorOccurrence,
    ErrorState,
    ErrorWord,
)


async def take_back(session: AsyncSession, group_id: int, seen: Seen) -> None:
    """Undoes what `record` did with `seen`, in the caller's transaction. A group of which nothing is left is gone."""
    group = await session.get(ErrorGroup, group_id, with_for_update=True)
    if group is None:
        return
    group.count -= 1
    for kind, name, column in (
        ("job", seen.job_id, "jobs"),
        ("user", seen.user_name, "users"),
        ("entity", seen.entity, "entities"),
    ):
        row = await session.get(ErrorAffected, (group_id, kind, name)) if name else None
        if row is None:
            continue
        row.count -= 1
        if row.count <= 0:
            await session.delete(row)
            setattr(group, column, getattr(group, column) - 1)
    await _take_back_counts(session, group_id, seen)
    kept = (ErrorOccurrence.group_id == group_id, ErrorOccurrence.job_id == seen.job_id)
    await session.execute(delete(ErrorOccurrence).where(*kept, ErrorOccurrence.attempt == seen.attempt))
    await session.flush()
    if group.count <= 0:
        await forget(session, [group_id])


async def _take_back_counts(session: AsyncSession, group_id: int, seen: Seen) -> None:
    told = [(EVERYONE, "hour", hour_of(seen.at)), (EVERYONE, "day", day_of(seen.at))]
    told += [(seen.user_name, "day", day_of(seen.at))] if seen.user_name else []
    for user_name, span, bucket in told:
        wanted = (ErrorCount.group_id == group_id, ErrorCount.user_name == user_name, ErrorCount.span == span)
        one = update(ErrorCount).where(*wanted, ErrorCount.bucket == bucket, ErrorCount.count > 0)
        await session.execute(one.values(count=ErrorCount.count - 1))


async def forget(session: AsyncSession, group_ids: list[int]) -> None:
    """Deletes groups with all that belongs to them."""
    for table in (ErrorOccurrence, ErrorAffected, ErrorCount, ErrorWord, ErrorFingerprint, ErrorState):
        await session.execute(delete(table).where(table.group_id.in_(group_ids)))
    await session.execute(delete(ErrorGroup).where(ErrorGroup.id.in_(group_ids)))
