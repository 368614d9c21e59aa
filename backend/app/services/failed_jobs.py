"""Failed attempts and jobs on their way into the error tracking."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, literal_column, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import PlatformError
from app.core.redact import public_text, redact
from app.core.responses import public
from app.db.models import Attempt, Job
from app.db.repositories.error_regrouping import take_back
from app.db.repositories.errors import GroupChange, Seen, record
from app.diagnosis.fingerprint import fingerprint
from app.services.storms import Storms
from app.services.views import PREFIX, shown_error

AT_ONCE = 200
FAILED = literal_column("'failed'")
"""Written out: only so can the index of untracked rows be used whatever the values are."""


async def take_in(session: AsyncSession, storms: Storms, now: datetime) -> tuple[int, list[GroupChange]]:
    """Gives failed attempts, and jobs that failed without one, their groups; how many, and what is news.

    A row has its group in the same transaction that counts it, so it counts once.
    """
    attempts = (await session.execute(_untracked_attempts())).all()
    alone, marks = [], []
    for job, status, group_id in (await session.execute(_untracked_jobs())).all():
        if status != "failed":
            alone.append(job)
        elif group_id is not None:
            marks.append({"b_job": job.id, "b_group": group_id})
    seen = [_of_attempt(attempt, job) for attempt, job in attempts] + [_of_job(job) for job in alone]
    seen = [found if storms.keep(found, now) else replace(found, kept=False) for found in seen]
    ids, changes = await record(session, seen)
    marks += [{"b_job": job.id, "b_group": gid} for job, gid in zip(alone, ids[len(attempts) :], strict=True)]
    connection = await session.connection()
    if attempts:
        rows = zip(attempts, ids[: len(attempts)], strict=True)
        values = [{"b_job": row.job_id, "b_number": row.number, "b_group": group_id} for (row, _), group_id in rows]
        await connection.execute(_MARK_ATTEMPT, values)
    if marks:
        await connection.execute(_MARK_JOB, marks)
    return len(attempts) + len(marks), changes


async def judged_anew(session: AsyncSession, attempt: Attempt, job: Job, before: dict[str, Any]) -> None:
    """Takes an attempt whose diagnosis was `before` out of its group; the next look puts it into that of its new one."""
    if attempt.error_group_id is None or before.get("fingerprint") == (attempt.diagnosis or {}).get("fingerprint"):
        return
    await take_back(session, attempt.error_group_id, _of_attempt(attempt, job, before))
    attempt.error_group_id = None
    if job.attempt == attempt.number:
        job.error_group_id = None


def _untracked_attempts() -> Any:
    query = select(Attempt, Job).join(Job, Job.id == Attempt.job_id)
    query = query.where(Attempt.status == FAILED, Attempt.error_group_id.is_(None))
    return query.order_by(Attempt.job_id, Attempt.number).limit(AT_ONCE).with_for_update(of=Attempt, skip_locked=True)


def _untracked_jobs() -> Any:
    """Failed jobs with their last attempt's end and group; those of untracked attempts come in a later round."""
    last = (Attempt.job_id == Job.id) & (Attempt.number == Job.attempt)
    query = select(Job, Attempt.status, Attempt.error_group_id).outerjoin(Attempt, last)
    query = query.where(Job.status == FAILED, Job.error_group_id.is_(None))
    query = query.where(Attempt.status.is_distinct_from("failed") | Attempt.error_group_id.is_not(None))
    return query.order_by(Job.number).limit(AT_ONCE).with_for_update(of=Job, skip_locked=True)


def _of_attempt(attempt: Attempt, job: Job, judged: dict[str, Any] | None = None) -> Seen:
    diagnosis = redact(judged or attempt.diagnosis or {})
    error = shown_error(attempt.error, f"{PREFIX}/training-jobs/{job.id}/attempts") or _unknown()
    lines = diagnosis.get("evidence") or ()
    code = diagnosis.get("code") or error["code"]
    return Seen(
        fingerprint=diagnosis.get("fingerprint") or fingerprint(code, ()),
        source="job",
        code=code,
        title=public_text(lines[0]) if lines else error["message"],
        at=attempt.finished_at or attempt.created_at,
        error=error,
        trace_id=error["trace_id"],
        user_name=job.created_by,
        job_id=job.id,
        attempt=attempt.number,
        entity=diagnosis.get("entity"),
    )


def _of_job(job: Job) -> Seen:
    error = shown_error(job.error) or _unknown()
    return Seen(
        fingerprint=fingerprint(error["code"], ["the job did not get to an attempt"]),
        source="job",
        code=error["code"],
        title=error["message"],
        at=job.finished_at or job.updated_at,
        error=error,
        trace_id=error["trace_id"],
        user_name=job.created_by,
        job_id=job.id,
        entity=job.dataset_id if error["code"].startswith("DATASET") else None,
    )


def _unknown() -> dict[str, Any]:
    return public(PlatformError.from_code("UNKNOWN_FAILURE"))


_MARK_ATTEMPT = (
    update(Attempt.__table__)  # type: ignore[arg-type]
    .where(
        Attempt.__table__.c.job_id == bindparam("b_job"),
        Attempt.__table__.c.number == bindparam("b_number"),
    )
    .values(error_group_id=bindparam("b_group"))
)
_MARK_JOB = (
    update(Job.__table__)  # type: ignore[arg-type]
    .where(Job.__table__.c.id == bindparam("b_job"))
    .values(error_group_id=bindparam("b_group"))
)
