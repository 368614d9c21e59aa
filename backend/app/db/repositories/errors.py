"""Takes occurrences of failures into their groups: counts, states, words, the newest occurrences themselves."""

import re
from collections import Counter as Tally
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.error_messages import REGISTRY
from app.db.base import Base
from app.db.repositories.bulk import existing, insert_many, update_many
from app.db.tracking import (
    EVERYONE,
    NAME,
    ErrorAffected,
    ErrorCount,
    ErrorFingerprint,
    ErrorGroup,
    ErrorOccurrence,
    ErrorState,
    ErrorWord,
)

MOST_ENTITIES = 1000
"""Different entities that are remembered of a group."""
MOST_WORDS = 40
_GROUPS, _FINGERPRINTS, _WORDS, _AFFECTED, _COUNTS, _OCCURRENCES, _STATES = (
    Base.metadata.tables[model.__tablename__]
    for model in (ErrorGroup, ErrorFingerprint, ErrorWord, ErrorAffected, ErrorCount, ErrorOccurrence, ErrorState)
)
_WORD = re.compile(r"[a-z0-9_]{2,40}")
_PART = re.compile(r"[a-z]{2,40}|[0-9]{2,40}")


@dataclass(frozen=True, slots=True)
class Seen:
    """A failure that happened, or with `kept` False the rest of a storm: `count` of one kind, the last of them at `at`.

    `earlier` are the fingerprints that earlier versions of the rules give it; its group keeps its history by them.
    """

    fingerprint: str
    source: str
    code: str
    title: str
    at: datetime
    error: dict[str, Any] = field(default_factory=dict)
    earlier: tuple[str, ...] = ()
    trace_id: str | None = None
    user_name: str | None = None
    job_id: str | None = None
    attempt: int | None = None
    entity: str | None = None
    status: int | None = None
    method: str | None = None
    endpoint: str | None = None
    count: int = 1
    kept: bool = True


@dataclass(frozen=True, slots=True)
class GroupChange:
    """Something that people want to hear of once: a group is new, or has come back after it was resolved."""

    kind: str
    """new or regressed."""
    group_id: int
    seen: Seen


def _clean(seen: Seen) -> Seen:
    """Without what no database takes as text: NUL, halves of surrogate pairs."""
    texts = ("title", "entity", "endpoint", "user_name", "job_id")
    wrong = {name: value for name in texts if (value := getattr(seen, name)) and not value.isprintable()}
    if not wrong:
        return seen
    return replace(
        seen, **{name: value.replace("\0", "").encode(errors="replace").decode() for name, value in wrong.items()}
    )


def words(text: str) -> set[str]:
    """What a text is found by: its words in small letters, and the parts of names such as ``CUDA_OOM``."""
    low = text.lower()
    return set(_WORD.findall(low)) | set(_PART.findall(low))


def hour_of(at: datetime) -> datetime:
    """The beginning of the hour."""
    return at.replace(minute=0, second=0, microsecond=0)


def day_of(at: datetime) -> datetime:
    """The beginning of the day, in UTC."""
    return at.replace(hour=0, minute=0, second=0, microsecond=0)


async def record(session: AsyncSession, batch: Sequence[Seen]) -> tuple[list[int], list[GroupChange]]:
    """Takes `batch` in, in the caller's transaction: the group of each, and what is news.

    Groups are locked in one order, so that several backends may do this at once.
    """
    if not batch:
        return [], []
    batch = [_clean(seen) for seen in batch]
    known = await _known(session, batch)
    await _found(session, batch, known)
    ids = [known[seen.fingerprint] for seen in batch]
    rows = await _lock(session, sorted(set(ids)))
    by_group: dict[int, list[Seen]] = {}
    for group_id, seen in zip(ids, batch, strict=True):
        by_group.setdefault(group_id, []).append(seen)
    fresh = await _count_affected(session, by_group, rows)
    await _count_times(session, by_group)
    # A group that another backend has founded in the meantime was counted in the same transaction.
    changes = [GroupChange("new", group_id, by_group[group_id][0]) for group_id in sorted(rows) if not rows[group_id].count]
    changes += await _update_groups(session, by_group, rows, fresh)
    kept = [_row(group_id, seen) for group_id, seen in zip(ids, batch, strict=True) if seen.kept]
    await insert_many(session, _OCCURRENCES, kept)
    return ids, changes


def _row(group_id: int, seen: Seen) -> dict[str, Any]:
    names = ("at", "trace_id", "user_name", "job_id", "attempt", "status", "method", "endpoint", "error")
    return {"group_id": group_id, "entity": _cut(seen.entity), **{name: getattr(seen, name) for name in names}}


def _cut(name: str | None) -> str | None:
    return name[:NAME] if name else None


async def _known(session: AsyncSession, batch: Iterable[Seen]) -> dict[str, int]:
    """The groups of fingerprints that are known, and of those that are new versions of known ones."""
    wanted = {name for seen in batch for name in (seen.fingerprint, *seen.earlier)}
    query = select(ErrorFingerprint.fingerprint, ErrorFingerprint.group_id)
    query = query.where(ErrorFingerprint.fingerprint.in_(sorted(wanted)))
    known: dict[str, int] = dict((await session.execute(query)).all())
    joined: dict[str, tuple[int, datetime]] = {}
    for seen in batch:
        earlier = next((known[name] for name in seen.earlier if name in known), None)
        if seen.fingerprint not in known and earlier is not None:
            known[seen.fingerprint] = earlier
            joined[seen.fingerprint] = (earlier, seen.at)
    if joined:
        rows = [{"fingerprint": name, "group_id": gid, "since": at} for name, (gid, at) in sorted(joined.items())]
        await insert_many(session, _FINGERPRINTS, rows, keys=("fingerprint",))
    return known


async def _found(session: AsyncSession, batch: Sequence[Seen], known: dict[str, int]) -> None:
    """Founds the groups that are missing and adds them to `known`."""
    first: dict[str, Seen] = {}
    for seen in batch:
        if seen.fingerprint not in known:
            first.setdefault(seen.fingerprint, seen)
    if not first:
        return
    names = sorted(first)
    await insert_many(session, _GROUPS, [_new_group(first[name]) for name in names], keys=("fingerprint",))
    query = select(ErrorGroup.fingerprint, ErrorGroup.id).where(ErrorGroup.fingerprint.in_(names))
    known |= dict((await session.execute(query)).all())
    told = [{"fingerprint": name, "group_id": known[name], "since": first[name].at} for name in names]
    await insert_many(session, _FINGERPRINTS, told, keys=("fingerprint",))
    found_by = [
        {"word": word, "group_id": known[name]}
        for name in names
        for word in sorted(words(f"{first[name].code} {first[name].title}"))[:MOST_WORDS]
    ]
    await insert_many(session, _WORDS, found_by, keys=("word", "group_id"))


def _new_group(seen: Seen) -> dict[str, Any]:
    known = REGISTRY.get(seen.code) or REGISTRY["UNKNOWN_FAILURE"]
    return {
        "fingerprint": seen.fingerprint, "source": seen.source, "code": seen.code, "causer": str(known.causer),
        "severity": str(known.severity), "title": seen.title, "state": "open", "state_at": seen.at, "first_seen": seen.at,
        "last_seen": seen.at, "count": 0, "jobs": 0, "users": 0, "entities": 0,
    }  # fmt: skip


async def _lock(session: AsyncSession, ids: list[int]) -> dict[int, Any]:
    """What there is of the groups, locked until the transaction ends."""
    group = ErrorGroup
    columns = (group.id, group.state, group.state_at, group.first_seen, group.last_seen, group.count, group.entity)
    query = select(*columns, group.entities).where(group.id.in_(ids)).order_by(group.id).with_for_update()
    return {row.id: row for row in await session.execute(query)}


async def _count_affected(
    session: AsyncSession, by_group: dict[int, list[Seen]], rows: dict[int, Any]
) -> dict[tuple[int, str], int]:
    """Counts for each job, user and entity; how many of each kind are new to a group."""
    hit: dict[tuple[int, str, str], list[Any]] = {}
    for group_id, several in by_group.items():
        for seen in several:
            for kind, name in (("job", seen.job_id), ("user", seen.user_name), ("entity", _cut(seen.entity))):
                if not name:
                    continue
                entry = hit.setdefault((group_id, kind, name), [0, seen.at, seen.at])
                entry[0] += seen.count
                entry[1], entry[2] = min(entry[1], seen.at), max(entry[2], seen.at)
    keys = sorted(hit)
    there = await existing(session, _AFFECTED, keys, ("group_id", "kind", "name"))
    fresh: Tally[tuple[int, str]] = Tally()
    wanted = []
    for group_id, kind, name in keys:
        if (group_id, kind, name) not in there:
            if kind == "entity" and rows[group_id].entities + fresh[group_id, kind] >= MOST_ENTITIES:
                continue
            fresh[group_id, kind] += 1
        count, first, last = hit[group_id, kind, name]
        wanted.append({"group_id": group_id, "kind": kind, "name": name, "count": count, "first_at": first, "last_at": last})
    await insert_many(session, _AFFECTED, wanted, keys=("group_id", "kind", "name"), add=("count",), put=("last_at",))
    return fresh


async def _count_times(session: AsyncSession, by_group: dict[int, list[Seen]]) -> None:
    """Counts for hours and days."""
    tally: Tally[tuple[int, str, str, datetime]] = Tally()
    for group_id, several in by_group.items():
        for seen in several:
            tally[group_id, EVERYONE, "hour", hour_of(seen.at)] += seen.count
            tally[group_id, EVERYONE, "day", day_of(seen.at)] += seen.count
            if seen.user_name:
                tally[group_id, seen.user_name, "day", day_of(seen.at)] += seen.count
    rows = [
        {"group_id": key[0], "user_name": key[1], "span": key[2], "bucket": key[3], "count": tally[key]}
        for key in sorted(tally)
    ]
    await insert_many(session, _COUNTS, rows, keys=("group_id", "user_name", "span", "bucket"), add=("count",))


async def _update_groups(
    session: AsyncSession, by_group: dict[int, list[Seen]], rows: dict[int, Any], fresh: dict[tuple[int, str], int]
) -> list[GroupChange]:
    """Brings the groups' own rows up to date; a resolved one that came back is regressed."""
    changes, values = [], []
    for group_id in sorted(by_group):
        several, row = by_group[group_id], rows[group_id]
        last = max(several, key=lambda seen: seen.at)
        # What happened before it was resolved is late news, no return.
        back = row.state == "resolved" and last.at > row.state_at
        if back:
            changes.append(GroupChange("regressed", group_id, last))
        named = next((seen.entity for seen in reversed(several) if seen.entity), None)
        values.append(
            {
                "id": group_id,
                "count": sum(seen.count for seen in several),
                "first_seen": min(row.first_seen, *(seen.at for seen in several)),
                "last_seen": max(last.at, row.last_seen),
                "state": "regressed" if back else row.state,
                "state_at": last.at if back else row.state_at,
                "entity": _cut(named) or row.entity,
                "jobs": fresh.get((group_id, "job"), 0),
                "users": fresh.get((group_id, "user"), 0),
                "entities": fresh.get((group_id, "entity"), 0),
            }
        )
    await update_many(session, _GROUPS, values, key="id", add=("count", "jobs", "users", "entities"))
    back_again = [{"group_id": change.group_id, "at": change.seen.at, "state": "regressed"} for change in changes]
    await insert_many(session, _STATES, back_again)
    return changes
