"""Questions about groups of failures. Every one is bounded: it reads a page of an index, however much is stored.

`viewer` is the user who asks and sees only what is theirs; None sees all.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.core.errors import FieldError, PlatformError
from app.db.models import Job
from app.db.repositories.errors import words
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

FINGERPRINT = re.compile(r"(?:v\d+|[a-z]+\d*):[0-9a-f]{8,}")
TRACE_ID = re.compile(r"[0-9a-f]{32}")
SEARCHED_JOBS = 1000
"""Jobs of a group among which a user's own are looked for."""
AFTER_WORDS = "~"
"""Sorts behind every letter that a word may have."""
EXACT = 200
"""Groups at most that a name or trace id is looked up in."""


@dataclass(frozen=True, slots=True)
class GroupFilter:
    """What a list of groups is narrowed to; None means no restriction. `q` may be anything of it."""

    state: Sequence[str] | None = None
    source: str | None = None
    code: str | None = None
    causer: str | None = None
    q: str | None = None
    fingerprint: str | None = None
    entity: str | None = None
    job_id: str | None = None
    trace_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    sort: str = "last_seen"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of a list ended."""

    value: str
    id: int

    def cursor(self) -> str:
        """An opaque form for the way out."""
        return base64.urlsafe_b64encode(f"{self.id}|{self.value}".encode()).decode().rstrip("=")


def place_of(cursor: str, by_time: bool) -> tuple[datetime | int, int]:
    """The value and id that `Place.cursor` told.

    Raises:
        PlatformError: VALIDATION_FAILED where it is not one of ours.
    """
    try:
        number, _, value = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition("|")
        return (datetime.fromisoformat(value) if by_time else int(value)), int(number)
    except (ValueError, binascii.Error) as error:
        message = "must be the next_cursor of an earlier answer in the same order"
        wrong = [FieldError("#/cursor", "cursor", message)]
        raise PlatformError.from_code("VALIDATION_FAILED", {"field": "cursor"}, errors=wrong, cause=error) from error


async def list_groups(
    session: AsyncSession, wanted: GroupFilter, viewer: str | None, *, limit: int, cursor: str | None
) -> tuple[list[tuple[ErrorGroup, ErrorAffected | None]], str | None]:
    """One page of groups with what of them is the viewer's, and the cursor of the next page."""
    by_time = wanted.sort != "count"
    if viewer is None:
        order: Any = ErrorGroup.last_seen if by_time else ErrorGroup.count
        query: Select[Any] = select(ErrorGroup)
    else:
        order = ErrorAffected.last_at if by_time else ErrorAffected.count
        own = (ErrorAffected.kind == "user", ErrorAffected.name == viewer)
        query = select(ErrorGroup, ErrorAffected).join(ErrorAffected, ErrorAffected.group_id == ErrorGroup.id).where(*own)
    query = await _narrow(session, query, wanted)
    if cursor:
        query = query.where(tuple_(order, ErrorGroup.id) < tuple_(*place_of(cursor, by_time)))
    query = query.order_by(order.desc(), ErrorGroup.id.desc()).limit(limit + 1)
    rows = [(row[0], row[1] if viewer is not None else None) for row in await session.execute(query)]
    if len(rows) <= limit:
        return rows, None
    group, own_part = rows[limit - 1]
    told = (group.last_seen, group.count) if own_part is None else (own_part.last_at, own_part.count)
    return rows[:limit], Place(told[0].isoformat() if by_time else str(told[1]), group.id).cursor()


async def _narrow(session: AsyncSession, query: Select[Any], wanted: GroupFilter) -> Select[Any]:
    if wanted.state:
        query = query.where(ErrorGroup.state.in_(wanted.state))
    for column, value in (
        (ErrorGroup.source, wanted.source),
        (ErrorGroup.code, wanted.code),
        (ErrorGroup.causer, wanted.causer),
    ):
        if value:
            query = query.where(column == value)
    if wanted.since is not None:
        query = query.where(ErrorGroup.last_seen >= wanted.since)
    if wanted.until is not None:
        query = query.where(ErrorGroup.first_seen <= wanted.until)
    if wanted.fingerprint:
        query = query.where(ErrorGroup.id.in_(_with_fingerprint(wanted.fingerprint)))
    for kind, name in (("entity", wanted.entity), ("job", wanted.job_id)):
        if name:
            query = query.where(ErrorGroup.id.in_(_that_hit(name, kind)))
    if wanted.trace_id:
        query = query.where(ErrorGroup.id.in_(_with_trace(wanted.trace_id)))
    return await _with_text(session, query, wanted.q.strip()) if wanted.q and wanted.q.strip() else query


def _with_fingerprint(fingerprint: str) -> Select[tuple[int]]:
    return select(ErrorFingerprint.group_id).where(ErrorFingerprint.fingerprint == fingerprint)


def _that_hit(name: str, *kinds: str) -> Select[tuple[int]]:
    query = select(ErrorAffected.group_id).where(ErrorAffected.kind.in_(kinds), ErrorAffected.name == name)
    return query.order_by(ErrorAffected.last_at.desc()).limit(EXACT)


def _with_trace(trace_id: str) -> Select[Any]:
    return select(ErrorOccurrence.group_id).where(ErrorOccurrence.trace_id == trace_id).limit(EXACT)


async def _with_text(session: AsyncSession, query: Select[Any], text: str) -> Select[Any]:
    """Narrowed to what `text` may mean: a fingerprint, a trace id, the name of something hit, or the beginnings of words."""
    if FINGERPRINT.fullmatch(text):
        return query.where(ErrorGroup.id.in_(_with_fingerprint(text)))
    if TRACE_ID.fullmatch(text.lower()):
        return query.where(ErrorGroup.id.in_(_with_trace(text.lower())))
    named = (await session.scalars(_that_hit(text, "entity", "job"))).all()
    if named:
        return query.where(ErrorGroup.id.in_(named))
    asked = sorted(words(text), key=len, reverse=True)[:8]
    if not asked:
        return query.where(ErrorGroup.id.in_(()))
    for word in asked:
        begins = (ErrorWord.word >= word, ErrorWord.word < word + AFTER_WORDS)
        query = query.where(ErrorGroup.id.in_(select(ErrorWord.group_id).where(*begins)))
    return query


async def get_group(session: AsyncSession, group_id: int, viewer: str | None) -> tuple[ErrorGroup, ErrorAffected | None]:
    """One group, and the viewer's part of it.

    Raises:
        PlatformError: NOT_FOUND, also where nothing of it is the viewer's.
    """
    group = await session.get(ErrorGroup, group_id)
    own = await session.get(ErrorAffected, (group_id, "user", viewer)) if viewer is not None else None
    if group is None or (viewer is not None and own is None):
        raise PlatformError.from_code("NOT_FOUND", {"resource_type": "error group", "resource_id": str(group_id)})
    return group, own


async def counts(
    session: AsyncSession, group_ids: Sequence[int], span: str, since: datetime, viewer: str | None = None
) -> dict[int, dict[datetime, int]]:
    """Occurrences of groups by hour or day from `since` on; hours are counted for all users together only."""
    query = select(ErrorCount.group_id, ErrorCount.bucket, ErrorCount.count).where(
        ErrorCount.group_id.in_(group_ids),
        ErrorCount.user_name == (EVERYONE if viewer is None else viewer),
        ErrorCount.span == span,
        ErrorCount.bucket >= since,
    )
    found: dict[int, dict[datetime, int]] = {group_id: {} for group_id in group_ids}
    for group_id, bucket, count in await session.execute(query):
        found[group_id][bucket] = count
    return found


async def affected(session: AsyncSession, group_id: int, kind: str, limit: int) -> Sequence[ErrorAffected]:
    """What a group hit last: jobs, users or entities."""
    query = select(ErrorAffected).where(ErrorAffected.group_id == group_id, ErrorAffected.kind == kind)
    return (await session.scalars(query.order_by(ErrorAffected.last_at.desc()).limit(limit))).all()


async def affected_jobs(session: AsyncSession, group_id: int, viewer: str | None, limit: int) -> Sequence[ErrorAffected]:
    """The jobs that a group hit last; only the viewer's own where one is named, of the newest that were hit."""
    if viewer is None:
        return await affected(session, group_id, "job", limit)
    newest = select(ErrorAffected).where(ErrorAffected.group_id == group_id, ErrorAffected.kind == "job")
    own = aliased(ErrorAffected, newest.order_by(ErrorAffected.last_at.desc()).limit(SEARCHED_JOBS).subquery())
    query = select(own).join(Job, Job.id == own.name).where(Job.created_by == viewer)
    return (await session.scalars(query.order_by(own.last_at.desc()).limit(limit))).all()


async def fingerprints(session: AsyncSession, group_id: int) -> Sequence[ErrorFingerprint]:
    """All fingerprints of a group, the first one first."""
    query = select(ErrorFingerprint).where(ErrorFingerprint.group_id == group_id)
    return (await session.scalars(query.order_by(ErrorFingerprint.since, ErrorFingerprint.fingerprint))).all()


async def states(session: AsyncSession, group_id: int, limit: int) -> Sequence[ErrorState]:
    """The states that a group came into, the newest first."""
    query = select(ErrorState).where(ErrorState.group_id == group_id)
    return (await session.scalars(query.order_by(ErrorState.id.desc()).limit(limit))).all()


async def occurrences(
    session: AsyncSession, group_id: int, viewer: str | None, *, limit: int, before: int | None = None
) -> Sequence[ErrorOccurrence]:
    """The newest kept occurrences of a group, numbered below `before`."""
    query = select(ErrorOccurrence).where(ErrorOccurrence.group_id == group_id)
    if viewer is not None:
        query = query.where(ErrorOccurrence.user_name == viewer)
    if before is not None:
        query = query.where(ErrorOccurrence.id < before)
    return (await session.scalars(query.order_by(ErrorOccurrence.id.desc()).limit(limit))).all()


async def group_of(session: AsyncSession, names: Iterable[str]) -> int | None:
    """The group of the first of these fingerprints that has one."""
    wanted = list(names)
    query = select(ErrorFingerprint.fingerprint, ErrorFingerprint.group_id).where(ErrorFingerprint.fingerprint.in_(wanted))
    found: dict[str, int] = dict((await session.execute(query)).all())
    return next((found[name] for name in wanted if name in found), None)


async def traced(session: AsyncSession, trace_id: str, viewer: str | None) -> Sequence[ErrorOccurrence]:
    """Everything that is kept under a trace id, oldest first."""
    query = select(ErrorOccurrence).where(ErrorOccurrence.trace_id == trace_id)
    if viewer is not None:
        query = query.where(ErrorOccurrence.user_name == viewer)
    return (await session.scalars(query.order_by(ErrorOccurrence.id).limit(EXACT))).all()
