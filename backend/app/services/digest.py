"""What a week was like, in figures and as Markdown to send around."""

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Job
from app.db.repositories.errors import day_of
from app.db.session import Database, utcnow
from app.db.tracking import EVERYONE, ErrorCount, ErrorGroup
from app.services.callers import Caller
from app.services.views import stamp

WEEK = timedelta(days=7)
SHOWN = 10


class Digests:
    """Sums up weeks; of a user's own failures where a user asks."""

    def __init__(self, db: Database, clock: Callable[[], datetime] = utcnow) -> None:
        self.db = db
        self.clock = clock

    async def week(self, caller: Caller, until: datetime | None = None) -> dict[str, Any]:
        """The seven days that end with the day of `until` (default: today), beside the seven before."""
        end = day_of(until or self.clock()) + timedelta(days=1)
        return await self.db.read(lambda session: _digest(session, end - WEEK, end, caller.viewer))


async def _digest(session: AsyncSession, since: datetime, until: datetime, viewer: str | None) -> dict[str, Any]:
    now = await _counts(session, since, until, viewer)
    before = await _counts(session, since - WEEK, since, viewer)
    groups = {group.id: group for group in await _groups(session, now)}
    rows = [_row(groups[group_id], count, before.get(group_id, 0)) for group_id, count in now.items() if group_id in groups]
    rows.sort(key=lambda row: (-row["count"], row["group_id"]))
    new = [row for row in rows if since <= groups[row["group_id"]].first_seen < until]
    back = [row for row in rows if row["state"] == "regressed" and since <= groups[row["group_id"]].state_at < until]
    found: dict[str, Any] = {
        "since": stamp(since),
        "until": stamp(until),
        "total": sum(now.values()),
        "before": sum(before.values()),
        "by_causer": _sums(rows, "causer"),
        "by_source": _sums(rows, "source"),
        "by_code": dict(Tally(_sums(rows, "code")).most_common(SHOWN)),
        "new": new[:SHOWN],
        "regressed": back[:SHOWN],
        "resolved": await _resolved(session, since, until),
        "top": rows[:SHOWN],
        "failed_jobs": await _failed_jobs(session, since, until, viewer),
    }
    return {**found, "text": text_of(found)}


async def _counts(session: AsyncSession, since: datetime, until: datetime, viewer: str | None) -> dict[int, int]:
    query = select(ErrorCount.group_id, func.sum(ErrorCount.count)).where(
        ErrorCount.span == "day",
        ErrorCount.bucket >= since,
        ErrorCount.bucket < until,
        ErrorCount.user_name == (EVERYONE if viewer is None else viewer),
    )
    return {group_id: int(count) for group_id, count in await session.execute(query.group_by(ErrorCount.group_id))}


async def _groups(session: AsyncSession, ids: Iterable[int]) -> Sequence[ErrorGroup]:
    wanted = sorted(ids)
    found: list[ErrorGroup] = []
    for start in range(0, len(wanted), 5000):
        found += await session.scalars(select(ErrorGroup).where(ErrorGroup.id.in_(wanted[start : start + 5000])))
    return found


async def _resolved(session: AsyncSession, since: datetime, until: datetime) -> int:
    query = select(func.count()).select_from(ErrorGroup).where(ErrorGroup.state == "resolved")
    return await session.scalar(query.where(ErrorGroup.state_at >= since, ErrorGroup.state_at < until)) or 0


async def _failed_jobs(session: AsyncSession, since: datetime, until: datetime, viewer: str | None) -> int:
    query = select(func.count()).select_from(Job).where(Job.status == "failed")
    query = query.where(Job.finished_at >= since, Job.finished_at < until)
    return await session.scalar(query if viewer is None else query.where(Job.created_by == viewer)) or 0


def _row(group: ErrorGroup, count: int, before: int) -> dict[str, Any]:
    return {
        "group_id": group.id,
        "code": group.code,
        "line": group.title,
        "state": group.state,
        "source": group.source,
        "causer": group.causer,
        "count": count,
        "before": before,
    }


def _sums(rows: Iterable[dict[str, Any]], key: str) -> dict[str, int]:
    sums: Tally[str] = Tally()
    for row in rows:
        sums[row[key]] += row["count"]
    return dict(sums.most_common())


def text_of(digest: dict[str, Any]) -> str:
    """A digest as Markdown."""
    total, before = digest["total"], digest["before"]
    change = f", {(total - before) / before:+.0%} against the week before" if before else ""
    lines = [
        f"# Failures from {digest['since'][:10]} to {_last_day(digest['until'])}",
        "",
        f"{total} failures{change}; {digest['failed_jobs']} trainings ended as failed.",
        f"{len(digest['new'])} kinds are new, {len(digest['regressed'])} came back, {digest['resolved']} were resolved.",
    ]
    if digest["by_causer"]:
        lines += ["", "Whose: " + ", ".join(f"{name} {count}" for name, count in digest["by_causer"].items()) + "."]
    for title, key in (("New", "new"), ("Came back", "regressed"), ("Most frequent", "top")):
        if digest[key]:
            lines += ["", f"## {title}", "", "| count | before | code | what | group |", "|---|---|---|---|---|"]
            lines += [_line(row) for row in digest[key]]
    return "\n".join(lines) + "\n"


def _line(row: dict[str, Any]) -> str:
    what = row["line"].replace("|", "\\|").replace("\n", " ")[:100]
    return f"| {row['count']} | {row['before']} | {row['code']} | {what} | {row['group_id']} |"


def _last_day(until: str) -> str:
    return (datetime.fromisoformat(until) - timedelta(days=1)).date().isoformat()
