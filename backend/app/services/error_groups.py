"""Groups of failures as people look at them: lists, one group, its occurrences, its state, failures like a job's."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.error_messages import REGISTRY
from app.core.errors import PlatformError
from app.core.logging import get_logger
from app.db.models import Attempt, Job
from app.db.repositories import error_reading, jobs
from app.db.repositories.error_reading import GroupFilter
from app.db.repositories.errors import day_of, hour_of
from app.db.session import Database, utcnow
from app.db.tracking import ErrorAffected, ErrorGroup, ErrorOccurrence, ErrorState
from app.services.callers import Caller
from app.services.past_fixes import fixes_of
from app.services.views import stamp

logger = get_logger(__name__)
TREND_DAYS, SHOWN_DAYS, SHOWN_HOURS = 14, 30, 48
SHOWN = 10
NEWEST = 10


class ErrorGroups:
    """Everything that can be asked about groups, and their states."""

    def __init__(self, db: Database, clock: Callable[[], datetime] = utcnow) -> None:
        self.db = db
        self.clock = clock

    async def page(self, wanted: GroupFilter, caller: Caller, limit: int, cursor: str | None) -> dict[str, Any]:
        """One page of groups."""
        now = self.clock()

        async def look(session: AsyncSession) -> dict[str, Any]:
            rows, following = await error_reading.list_groups(session, wanted, caller.viewer, limit=limit, cursor=cursor)
            ids = [group.id for group, _ in rows]
            days = await _days(session, ids, now, caller.viewer)
            return {"items": [group_view(group, own, days[group.id], now) for group, own in rows], "next_cursor": following}

        return await self.db.read(look)

    async def one(self, group_id: int, caller: Caller) -> dict[str, Any]:
        """One group with everything that is known of it.

        Raises:
            PlatformError: NOT_FOUND.
        """
        now = self.clock()
        return await self.db.read(lambda session: _detail(session, group_id, caller.viewer, now))

    async def occurrences(self, group_id: int, caller: Caller, limit: int, cursor: str | None) -> dict[str, Any]:
        """The newest kept occurrences of a group.

        Raises:
            PlatformError: NOT_FOUND, VALIDATION_FAILED for a cursor that is none.
        """
        before = jobs.decode_cursor(cursor) if cursor else None

        async def look(session: AsyncSession) -> dict[str, Any]:
            await error_reading.get_group(session, group_id, caller.viewer)
            rows = await error_reading.occurrences(session, group_id, caller.viewer, limit=limit + 1, before=before)
            following = jobs.encode_cursor(rows[limit - 1].id) if len(rows) > limit else None
            return {"items": [occurrence_view(row) for row in rows[:limit]], "next_cursor": following}

        return await self.db.read(look)

    async def set_state(self, group_id: int, state: str, note: str | None, caller: Caller) -> dict[str, Any]:
        """Resolves, ignores or opens a group.

        Raises:
            PlatformError: NOT_FOUND.
        """
        now = self.clock()

        async def tx(session: AsyncSession) -> dict[str, Any]:
            group = await session.get(ErrorGroup, group_id, with_for_update=True)
            if group is None:
                raise PlatformError.from_code("NOT_FOUND", {"resource_type": "error group", "resource_id": str(group_id)})
            group.state, group.state_at, group.state_by, group.note = state, now, caller.name, note
            session.add(ErrorState(group_id=group_id, at=now, state=state, set_by=caller.name, note=note))
            await session.flush()
            return await _detail(session, group_id, None, now)

        changed = await self.db.write(tx)
        logger.info("error group changed", group_id=group_id, state=state, by=caller.name)
        return changed

    async def similar(self, job_id: str, caller: Caller) -> dict[str, Any]:
        """Failures like that of a job: its group, what helped before, other jobs.

        Raises:
            PlatformError: NOT_FOUND.
        """
        now = self.clock()

        async def look(session: AsyncSession) -> dict[str, Any]:
            job = await jobs.get_job(session, job_id)
            attempt = await session.get(Attempt, (job_id, job.attempt)) if job.attempt else None
            fingerprint = (attempt.diagnosis or {}).get("fingerprint") if attempt is not None else None
            group_id = await _group_id(session, job, attempt, fingerprint)
            found: dict[str, Any] = {"job_id": job_id, "fingerprint": fingerprint, "group": None, "this_week": 0}
            if group_id is None:
                return {**found, "jobs": [], "fix": None, "fixes": []}
            group = await session.get(ErrorGroup, group_id)
            own = await session.get(ErrorAffected, (group_id, "user", caller.viewer)) if caller.viewer else None
            if group is not None and (caller.viewer is None or own is not None):
                days = await _days(session, [group_id], now, caller.viewer)
                found["group"] = group_view(group, own, days[group_id], now)
                found["this_week"] = found["group"]["trend"]["this_week"]
            fixes = await fixes_of(session, group_id)
            others = await _other_jobs(session, group_id, job_id, caller.viewer)
            return {**found, "jobs": others, "fix": fixes[0] if fixes else None, "fixes": fixes}

        return await self.db.read(look)


async def _group_id(session: AsyncSession, job: Job, attempt: Attempt | None, fingerprint: str | None) -> int | None:
    """The group of a job's failure, also before the job itself was taken in."""
    told = job.error_group_id or (attempt.error_group_id if attempt is not None else None)
    if told is not None or fingerprint is None:
        return told
    return await error_reading.group_of(session, [fingerprint])


async def _days(
    session: AsyncSession, ids: Sequence[int], now: datetime, viewer: str | None
) -> dict[int, dict[datetime, int]]:
    since = day_of(now) - timedelta(days=TREND_DAYS - 1)
    return await error_reading.counts(session, ids, "day", since, viewer)


async def _detail(session: AsyncSession, group_id: int, viewer: str | None, now: datetime) -> dict[str, Any]:
    group, own = await error_reading.get_group(session, group_id, viewer)
    long_ago = day_of(now) - timedelta(days=SHOWN_DAYS - 1)
    days = (await error_reading.counts(session, [group_id], "day", long_ago, viewer))[group_id]
    fixes = await fixes_of(session, group_id)
    found = {
        **group_view(group, own, days, now),
        "days": [{"at": stamp(at), "count": days[at]} for at in sorted(days)],
        "fingerprints": [
            {"fingerprint": row.fingerprint, "since": stamp(row.since)}
            for row in await error_reading.fingerprints(session, group_id)
        ],
        "history": [
            {"at": stamp(row.at), "state": row.state, "by": row.set_by, "note": row.note}
            for row in await error_reading.states(session, group_id, SHOWN)
        ],
        "fix": fixes[0] if fixes else None,
        "fixes": fixes,
        "occurrences": [
            occurrence_view(row) for row in await error_reading.occurrences(session, group_id, viewer, limit=NEWEST)
        ],
        "affected_jobs": await error_reading.affected_jobs(session, group_id, viewer, SHOWN),
        "hours": [],
        "affected_users": [],
        "entities": [],
    }
    if viewer is None:
        hours = (await error_reading.counts(session, [group_id], "hour", hour_of(now) - timedelta(hours=SHOWN_HOURS - 1)))[
            group_id
        ]
        found["hours"] = [{"at": stamp(at), "count": hours[at]} for at in sorted(hours)]
        for key, kind in (("affected_users", "user"), ("entities", "entity")):
            found[key] = await error_reading.affected(session, group_id, kind, SHOWN)
    for key in ("affected_jobs", "affected_users", "entities"):
        found[key] = [_affected_view(row) for row in found[key]]
    return found


async def _other_jobs(session: AsyncSession, group_id: int, job_id: str, viewer: str | None) -> list[dict[str, Any]]:
    rows = [row for row in await error_reading.affected_jobs(session, group_id, viewer, NEWEST + 1) if row.name != job_id]
    when = {row.name: row.last_at for row in rows[:NEWEST]}
    found = {job.id: job for job in await session.scalars(select(Job).where(Job.id.in_(when)))}
    return [
        {
            "job_id": job.id,
            "name": job.name,
            "status": job.status,
            "model": job.model,
            "dataset_id": job.dataset_id,
            "failed_at": stamp(when[job.id]),
            "retried_as": job.retried_as,
        }
        for job in (found[name] for name in when if name in found)
    ]


def trend_of(days: Mapping[datetime, int], now: datetime, first_seen: datetime) -> dict[str, Any]:
    """How often a group came on the last days, and in which direction that goes."""
    today = day_of(now)
    counts = [days.get(today - timedelta(days=back), 0) for back in range(TREND_DAYS - 1, -1, -1)]
    week = TREND_DAYS // 2
    before, after = sum(counts[:week]), sum(counts[week:])
    if now - first_seen < timedelta(days=week):
        direction = "new"
    elif not after:
        direction = "gone"
    elif after > before * 1.25:
        direction = "rising"
    else:
        direction = "falling" if after < before * 0.8 else "steady"
    return {"days": counts, "this_week": after, "last_week": before, "direction": direction}


def group_view(group: ErrorGroup, own: ErrorAffected | None, days: Mapping[datetime, int], now: datetime) -> dict[str, Any]:
    """A group as a list shows it; `own` is the part of it that is the viewer's, None shows all."""
    row = REGISTRY.get(group.code) or REGISTRY["UNKNOWN_FAILURE"]
    first = group.first_seen if own is None else own.first_at
    return {
        "group_id": group.id,
        "fingerprint": group.fingerprint,
        "source": group.source,
        "code": group.code,
        "title": row.title,
        "line": group.title,
        "causer": group.causer,
        "severity": group.severity,
        "entity": group.entity if own is None else None,
        "state": group.state,
        "state_at": stamp(group.state_at),
        "state_by": group.state_by,
        "note": group.note,
        "first_seen": stamp(first),
        "last_seen": stamp(group.last_seen if own is None else own.last_at),
        "count": group.count if own is None else own.count,
        "jobs": group.jobs if own is None else None,
        "users": group.users if own is None else None,
        "trend": trend_of(days, now, first),
        "doc_url": f"/errors/{group.code}",
    }


def occurrence_view(row: ErrorOccurrence) -> dict[str, Any]:
    """A kept occurrence."""
    error = dict(row.error)
    report = error.pop("report", None)
    return {
        "occurrence_id": row.id,
        "at": stamp(row.at),
        "trace_id": row.trace_id,
        "user": row.user_name,
        "job_id": row.job_id,
        "attempt": row.attempt,
        "entity": row.entity,
        "status": row.status,
        "method": row.method,
        "endpoint": row.endpoint,
        "error": error,
        "report": report,
    }


def _affected_view(row: ErrorAffected) -> dict[str, Any]:
    return {"name": row.name, "count": row.count, "first_at": stamp(row.first_at), "last_at": stamp(row.last_at)}
