"""Queries on jobs, attempts, events and artifacts. All take the caller's session and never commit."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import FieldError, PlatformError
from app.db.models import Artifact, Attempt, Counter, Dataset, Idempotency, Job, JobEvent
from app.db.states import ATTEMPT_ACTIVE, JOB_ACTIVE


@dataclass(frozen=True, slots=True)
class JobFilter:
    """What a list of jobs is narrowed to; None means no restriction. `q` looks into id, name, model, data set and code.

    `unresolved` leaves failed jobs that were not tried again: of a job that was, its successor tells how it stands.
    """

    status: Sequence[str] | None = None
    code: str | None = None
    q: str | None = None
    dataset_id: str | None = None
    model: str | None = None
    unresolved: bool = False
    created_by: str | None = None


async def next_number(session: AsyncSession, name: str) -> int:
    """The next number of the counter `name`, from 1, without gaps in committed work.

    The counter is locked until the transaction ends, so that those who take numbers come one after another.
    """
    dialect = session.get_bind().dialect.name
    insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    first = insert(Counter).values(name=name, value=1)
    counted = first.on_conflict_do_update(index_elements=[Counter.name], set_={"value": Counter.value + 1})
    return int((await session.execute(counted.returning(Counter.value))).scalar_one())


async def get_job(session: AsyncSession, job_id: str, *, lock: bool = False) -> Job:
    """The job with this id.

    Raises:
        PlatformError: NOT_FOUND.
    """
    job = await session.get(Job, job_id, with_for_update=lock or None)
    if job is None:
        raise PlatformError.from_code("NOT_FOUND", {"resource_type": "job", "resource_id": job_id})
    return job


async def get_attempt(session: AsyncSession, job_id: str, number: int) -> Attempt:
    """Attempt `number` of a job.

    Raises:
        PlatformError: NOT_FOUND.
    """
    attempt = await session.get(Attempt, (job_id, number))
    if attempt is None:
        raise PlatformError.from_code("NOT_FOUND", {"resource_type": "attempt", "resource_id": f"{job_id}/{number}"})
    return attempt


async def attempts_of(session: AsyncSession, job_id: str) -> Sequence[Attempt]:
    """All attempts of a job, oldest first."""
    return (await session.scalars(select(Attempt).where(Attempt.job_id == job_id).order_by(Attempt.number))).all()


async def active_attempts(session: AsyncSession) -> Sequence[Attempt]:
    """Attempts that have not ended, oldest first."""
    query = select(Attempt).where(Attempt.status.in_(ATTEMPT_ACTIVE)).order_by(Attempt.created_at, Attempt.number)
    return (await session.scalars(query)).all()


async def active_jobs(session: AsyncSession, *statuses: str) -> Sequence[Job]:
    """Jobs in one of `statuses` (default: every state that is not final), oldest first."""
    wanted = statuses or tuple(JOB_ACTIVE)
    return (await session.scalars(select(Job).where(Job.status.in_(wanted)).order_by(Job.number))).all()


async def startable(session: AsyncSession, *, before: int | None = None) -> Sequence[Job]:
    """Queued jobs that could start (numbered below `before`), oldest first.

    Those whose data set is still being checked are left out: that may take long, and no slot waits for it.
    """
    checking = select(Dataset.id).where(Dataset.status == "checking")
    query = select(Job).where(Job.status == "queued", Job.dataset_id.not_in(checking)).order_by(Job.number)
    if before is not None:
        query = query.where(Job.number < before)
    return (await session.scalars(query)).all()


def append_event(
    session: AsyncSession, job: Job, kind: str, at: datetime, body: dict[str, Any], *, epoch: int | None = None
) -> JobEvent:
    """Records the next event of `job` in the caller's transaction; it is published when that commits."""
    job.last_seq += 1
    event = JobEvent(job_id=job.id, seq=job.last_seq, type=kind, attempt=job.attempt, epoch=epoch, at=at, body=body)
    session.add(event)
    session.info.setdefault("events", []).append(event)
    return event


async def events_since(session: AsyncSession, job_id: str, since: int, limit: int = 1000) -> Sequence[JobEvent]:
    """Up to `limit` events numbered above `since`, in order."""
    query = select(JobEvent).where(JobEvent.job_id == job_id, JobEvent.seq > since)
    return (await session.scalars(query.order_by(JobEvent.seq).limit(limit))).all()


async def log_events(
    session: AsyncSession, job_id: str, *, attempt: int | None, after: int, limit: int
) -> Sequence[JobEvent]:
    """Pieces of log numbered above `after`, in order."""
    query = select(JobEvent).where(JobEvent.job_id == job_id, JobEvent.type == "log", JobEvent.seq > after)
    if attempt is not None:
        query = query.where(JobEvent.attempt == attempt)
    return (await session.scalars(query.order_by(JobEvent.seq).limit(limit))).all()


async def epoch_events(session: AsyncSession, job_id: str, *, newest: int | None = None) -> Sequence[JobEvent]:
    """The events that ended an epoch (the `newest` of them), in order."""
    query = select(JobEvent).where(JobEvent.job_id == job_id, JobEvent.type == "progress", JobEvent.epoch.is_not(None))
    if newest is None:
        return (await session.scalars(query.order_by(JobEvent.seq))).all()
    return (await session.scalars(query.order_by(JobEvent.seq.desc()).limit(newest))).all()[::-1]


def narrow(query: Select[Any], wanted: JobFilter) -> Select[Any]:
    """A query on jobs, of those that are wanted only."""
    if wanted.status:
        query = query.where(Job.status.in_(wanted.status))
    if wanted.created_by is not None:
        query = query.where(Job.created_by == wanted.created_by)
    if wanted.unresolved:
        query = query.where(Job.status == "failed", Job.retried_as.is_(None))
    for column, value in ((Job.code, wanted.code), (Job.dataset_id, wanted.dataset_id), (Job.model, wanted.model)):
        if value:
            query = query.where(column == value)
    if wanted.q:
        text = wanted.q.strip()
        query = query.where(
            or_(
                *(
                    column.icontains(text, autoescape=True)
                    for column in (Job.id, Job.name, Job.model, Job.dataset_id, Job.code)
                )
            )
        )
    return query


def encode_cursor(number: int) -> str:
    """An opaque mark of a place in a list."""
    return base64.urlsafe_b64encode(str(number).encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> int:
    """The place that `encode_cursor` marked.

    Raises:
        PlatformError: VALIDATION_FAILED where the mark is not one of ours.
    """
    try:
        return int(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error) as error:
        message = "must be the next_cursor of an earlier answer"
        raise PlatformError.from_code(
            "VALIDATION_FAILED", {"field": "cursor"}, errors=[FieldError("#/cursor", "cursor", message)], cause=error
        ) from error


async def list_jobs(
    session: AsyncSession, wanted: JobFilter, *, limit: int, cursor: str | None, offset: int = 0
) -> tuple[Sequence[Job], str | None, int]:
    """One page of jobs, newest first, `offset` jobs after the cursor or the newest: the rows, the cursor of the next page
    or None, the number in all."""
    total = await session.scalar(narrow(select(func.count()).select_from(Job), wanted)) or 0
    query = narrow(select(Job), wanted).order_by(Job.number.desc()).offset(offset).limit(limit + 1)
    if cursor:
        query = query.where(Job.number < decode_cursor(cursor))
    rows = (await session.scalars(query)).all()
    following = encode_cursor(rows[limit - 1].number) if len(rows) > limit else None
    return rows[:limit], following, total


async def artifacts_of(session: AsyncSession, job_id: str) -> Sequence[Artifact]:
    """The newest version of every artifact of a job, by name."""
    query = select(Artifact).where(Artifact.job_id == job_id).order_by(Artifact.name, Artifact.attempt.desc())
    newest: dict[str, Artifact] = {}
    for artifact in (await session.scalars(query)).all():
        newest.setdefault(artifact.name, artifact)
    return list(newest.values())


async def checkpoints_of(session: AsyncSession, job_id: str) -> Sequence[Artifact]:
    """Every checkpoint that is kept of a job."""
    return (await session.scalars(select(Artifact).where(Artifact.job_id == job_id, Artifact.role == "checkpoint"))).all()


async def jobs_using(session: AsyncSession, dataset_id: str) -> Sequence[str]:
    """Ids of jobs that have not ended and use the data set."""
    query = select(Job.id).where(Job.dataset_id == dataset_id, Job.status.in_(JOB_ACTIVE))
    return (await session.scalars(query)).all()


async def remembered(session: AsyncSession, key: str, keep: datetime) -> Idempotency | None:
    """The stored answer under an idempotency key; answers made before `keep` are forgotten first."""
    await session.execute(delete(Idempotency).where(Idempotency.created_at < keep))
    return await session.get(Idempotency, key)
