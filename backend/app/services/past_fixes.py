"""What was done after failures of a kind, and what of it helped: read from the lineage of attempts and retried jobs.

A fix is how the attempt or job that then succeeded differed from the one that failed: settings that a repair or a person
changed, or nothing. Only the newest jobs of a group are read, so the question costs the same for any group.
"""

from collections import Counter as Tally
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Attempt, Job
from app.db.states import JOB_FINAL
from app.db.tracking import ErrorAffected

NEWEST_JOBS = 50
LONGEST_CHAIN = 5
"""Retries of retries that are followed."""
WORDS = {"batch_size": "batch", "val_batch_size": "validation batch", "image_size": "image size", "lr0": "learning rate"}
UNCHANGED = "another try"
WITHOUT_BROKEN = "training without the broken files"
BESIDES = frozenset({"name", "accumulate", "resume"})
"""Settings whose change is no remedy by itself: names, and what follows from another change."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a failed job that was tried again: `patch` is the change with which it ended."""

    job_id: str
    patch: tuple[tuple[str, Any], ...]
    worked: bool
    ended_as: str


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Settings that differ, with their later values, by name."""
    keys = sorted((before.keys() | after.keys()) - BESIDES)
    return tuple((key, _plain(after.get(key))) for key in keys if before.get(key) != after.get(key))


def _plain(value: Any) -> Any:
    """A value that can be counted by."""
    return value if isinstance(value, str | int | float | bool | None) else repr(value)


def _told(key: str, value: Any) -> str:
    if key == "exclude_invalid_files" and value is True:
        return WITHOUT_BROKEN
    shown = "default" if value is None else value
    return f"{WORDS.get(key, key.replace('_', ' '))} {shown}"


def named(patch: Iterable[tuple[str, Any]]) -> str:
    """A change in words: ``batch 16``."""
    told = [_told(key, value) for key, value in patch]
    return ", ".join(told[:3]) + (f" and {len(told) - 3} more" if len(told) > 3 else "") if told else UNCHANGED


def counted(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Fixes that worked, the most frequent first, each with how many jobs were tried again in any way."""
    worked: Tally[tuple[tuple[str, Any], ...]] = Tally()
    example: dict[tuple[tuple[str, Any], ...], str] = {}
    for outcome in outcomes:
        if outcome.worked:
            worked[outcome.patch] += 1
            example.setdefault(outcome.patch, outcome.ended_as)
    tried = len(outcomes)
    return [
        {
            "text": f"{number} of {tried} {'was' if number == 1 else 'were'} fixed by {named(patch)}",
            "fix": named(patch),
            "worked": number,
            "tried": tried,
            "patch": dict(patch),
            "example": example[patch],
        }
        for patch, number in sorted(worked.items(), key=lambda item: (-item[1], named(item[0])))[:5]
    ]


async def fixes_of(session: AsyncSession, group_id: int) -> list[dict[str, Any]]:
    """What helped the newest jobs of a group, the most frequent first."""
    query = select(ErrorAffected.name).where(ErrorAffected.group_id == group_id, ErrorAffected.kind == "job")
    names = (await session.scalars(query.order_by(ErrorAffected.last_at.desc()).limit(NEWEST_JOBS))).all()
    chains = await _chains(session, names)
    if not chains:
        return []
    failed, succeeded = await _attempts(session, group_id, chains)
    found = (_outcome(job_id, chain, failed.get(job_id), succeeded) for job_id, chain in chains.items())
    return counted([outcome for outcome in found if outcome is not None])


async def _chains(session: AsyncSession, names: Sequence[str]) -> dict[str, list[Any]]:
    """Each job that was tried again, in itself or as another, with those that it was retried as, in order."""
    query = select(Job.id, Job.status, Job.attempt, Job.config, Job.retried_as)
    tried = query.where(Job.id.in_(names), Job.retried_as.is_not(None) | (Job.attempt > 1))
    known: dict[str, Any] = {row.id: row for row in await session.execute(tried)} if names else {}
    first = [name for name in names if name in known]
    for _ in range(LONGEST_CHAIN):
        wanted = {row.retried_as for row in known.values()} - known.keys() - {None}
        if not wanted:
            break
        known |= {row.id: row for row in await session.execute(query.where(Job.id.in_(wanted)))}
    return {name: _chain(name, known) for name in first}


def _chain(name: str | None, known: Mapping[str, Any]) -> list[Any]:
    chain: list[Any] = []
    while name in known and len(chain) <= LONGEST_CHAIN:
        chain.append(known[name])
        name = known[name].retried_as
    return chain


async def _attempts(
    session: AsyncSession, group_id: int, chains: Mapping[str, list[Any]]
) -> tuple[dict[str, tuple[int, dict[str, Any]]], dict[str, dict[str, Any]]]:
    """By job: number and configuration of its first attempt of this group; the configuration with which it succeeded."""
    names = {row.id for chain in chains.values() for row in (chain[0], chain[-1])}
    columns = (Attempt.job_id, Attempt.number, Attempt.config, Attempt.error_group_id, Attempt.status)
    failed: dict[str, tuple[int, dict[str, Any]]] = {}
    succeeded: dict[str, dict[str, Any]] = {}
    for row in await session.execute(select(*columns).where(Attempt.job_id.in_(names)).order_by(Attempt.number)):
        if row.error_group_id == group_id:
            failed.setdefault(row.job_id, (row.number, row.config))
        elif row.status == "succeeded":
            succeeded[row.job_id] = row.config
    return failed, succeeded


def _outcome(
    job_id: str,
    chain: Sequence[Any],
    failed: tuple[int, dict[str, Any]] | None,
    succeeded: Mapping[str, dict[str, Any]],
) -> Outcome | None:
    """What became of a job; None where it was not tried again, or that has not ended."""
    first, last = chain[0], chain[-1]
    number, before = failed or (first.attempt, first.config)
    tried_again = len(chain) > 1 or first.attempt > number
    if not tried_again or last.status not in JOB_FINAL or last.status == "cancelled":
        return None
    worked = last.status == "succeeded"
    return Outcome(job_id, changes(before, succeeded.get(last.id, last.config)) if worked else (), worked, last.id)
