"""Queries on many jobs at once: counts, groups, what became of them. All take the caller's session and never commit."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import case, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Attempt, Job
from app.db.repositories.jobs import JobFilter, narrow


@dataclass(frozen=True, slots=True)
class CodeGroup:
    """Failed jobs with one code: how many, and how many of them were not tried again."""

    code: str
    count: int
    unresolved: int


_LEFT = func.sum(case((Job.retried_as.is_(None), 1), else_=0))


async def by_status(session: AsyncSession, wanted: JobFilter) -> dict[str, int]:
    """The number of jobs in each state, whatever states are wanted."""
    every = replace(wanted, status=None, unresolved=False)
    query = narrow(select(Job.status, func.count()), every).group_by(Job.status)
    return dict((await session.execute(query)).all())


async def by_code(session: AsyncSession, wanted: JobFilter) -> list[CodeGroup]:
    """Failed jobs by code, whatever states and code are wanted; most unresolved ones first."""
    failed = replace(wanted, status=["failed"], code=None, unresolved=False)
    query = narrow(select(Job.code, func.count(), _LEFT), failed).where(Job.code.is_not(None)).group_by(Job.code)
    groups = [CodeGroup(code, count, int(left)) for code, count, left in (await session.execute(query)).all()]
    return sorted(groups, key=lambda group: (-group.unresolved, -group.count, group.code))


async def states_of(session: AsyncSession, job_ids: Sequence[str]) -> dict[str, str]:
    """The states of jobs by id."""
    query = select(Job.id, Job.status).where(Job.id.in_(job_ids))
    return dict((await session.execute(query)).all()) if job_ids else {}


async def heard_of(session: AsyncSession, rows: Sequence[Job]) -> dict[str, datetime | None]:
    """When the newest attempt of each job that is under way was heard of, by the job's id."""
    open_ids = [job.id for job in rows if job.status in ("starting", "running")]
    if not open_ids:
        return {}
    query = select(Job.id, Attempt.heard_at).join(Attempt, (Attempt.job_id == Job.id) & (Attempt.number == Job.attempt))
    return dict((await session.execute(query.where(Job.id.in_(open_ids)))).all())
