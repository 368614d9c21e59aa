"""Queries on what MLflow has been told. All take the caller's session and never commit."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.mlflow import OPEN, MlflowRun
from app.db.models import Job, JobEvent
from app.db.states import JOB_ACTIVE


@dataclass(frozen=True, slots=True)
class Claim:
    """A backend's claim on runs, until a time; others wait till then."""

    by: str
    now: datetime
    until: datetime


def begin(session: AsyncSession, job: Job) -> None:
    """From now on MLflow is told of this job."""
    session.add(MlflowRun(job_id=job.id, key=uuid.uuid4().hex, state="following"))


async def begin_missing(session: AsyncSession) -> None:
    """Begins with the jobs that run but were started when there was no MLflow."""
    known = select(MlflowRun.job_id)
    query = select(Job).where(Job.status.in_(JOB_ACTIVE), Job.started_at.is_not(None), Job.id.not_in(known))
    for job in (await session.scalars(query)).all():
        begin(session, job)


async def any_open(session: AsyncSession) -> bool:
    """Whether there is a run that is not complete."""
    return await session.scalar(select(MlflowRun.job_id).where(MlflowRun.state.in_(OPEN)).limit(1)) is not None


async def claimed(session: AsyncSession, claim: Claim, *, alone: bool) -> Sequence[tuple[MlflowRun, Job]]:
    """The open runs that nobody else has claimed, with their jobs, oldest first; they are this caller's then.

    With `alone` there can be no other caller: a claim that is left is one of an earlier process.
    """
    if not alone:
        free = or_(MlflowRun.claimed_until.is_(None), MlflowRun.claimed_until < claim.now, MlflowRun.claimed_by == claim.by)
        values = {"claimed_by": claim.by, "claimed_until": claim.until}
        await session.execute(update(MlflowRun).where(MlflowRun.state.in_(OPEN), free).values(values))
    query = select(MlflowRun, Job).join(Job, Job.id == MlflowRun.job_id).where(MlflowRun.state.in_(OPEN))
    if not alone:
        query = query.where(MlflowRun.claimed_by == claim.by)
    return [(run, job) for run, job in (await session.execute(query.order_by(Job.number))).all()]


async def note(session: AsyncSession, job_id: str, values: dict[str, Any]) -> None:
    """Changes one run."""
    await session.execute(update(MlflowRun).where(MlflowRun.job_id == job_id).values(values))


async def mark_behind(session: AsyncSession, now: datetime, reason: str) -> None:
    """MLflow is away: every open run has a gap from now on, unless it has one already."""
    fresh = {"state": "behind", "gap_since": now, "gap_until": None, "gap_points": 0, "reason": reason}
    await session.execute(update(MlflowRun).where(MlflowRun.state == "following").values(fresh))
    stale = and_(MlflowRun.state == "behind", MlflowRun.reason.is_distinct_from(reason))
    await session.execute(update(MlflowRun).where(stale).values(reason=reason))


async def unsent(session: AsyncSession, job_id: str, after: int, limit: int) -> Sequence[JobEvent]:
    """Up to `limit` events with figures numbered above `after`, in order."""
    query = select(JobEvent).where(JobEvent.job_id == job_id, JobEvent.type == "progress", JobEvent.seq > after)
    return (await session.scalars(query.order_by(JobEvent.seq).limit(limit))).all()


async def waiting(session: AsyncSession, job_id: str, after: int) -> int:
    """How many events with figures are numbered above `after`."""
    query = select(func.count()).where(JobEvent.job_id == job_id, JobEvent.type == "progress", JobEvent.seq > after)
    return await session.scalar(query) or 0


async def waiting_by_run(session: AsyncSession) -> Sequence[tuple[MlflowRun, int]]:
    """The open runs that have events waiting and how many, newest job first."""
    query = (
        select(MlflowRun, func.count(JobEvent.seq))
        .join(Job, Job.id == MlflowRun.job_id)
        .join(JobEvent, and_(JobEvent.job_id == Job.id, JobEvent.type == "progress", JobEvent.seq > MlflowRun.sent_seq))
        .where(MlflowRun.state.in_(OPEN))
        .group_by(MlflowRun, Job.number)
        .order_by(Job.number.desc())
    )
    return [(run, number) for run, number in (await session.execute(query)).all()]


async def give_up_oldest(session: AsyncSession, run: MlflowRun, waiting_events: int, room: int) -> int:
    """Gives up all but the newest `room` of a run's waiting events; how many that were."""
    lost = waiting_events - room
    query = select(JobEvent.seq).where(
        JobEvent.job_id == run.job_id, JobEvent.type == "progress", JobEvent.seq > run.sent_seq
    )
    last = await session.scalar(query.order_by(JobEvent.seq).offset(lost - 1).limit(1))
    run.sent_seq, run.given_up = last or run.sent_seq, run.given_up + lost
    return lost
