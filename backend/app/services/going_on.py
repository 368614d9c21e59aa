"""With which checkpoint an attempt begins, and whether a job that tries another one again can begin with one of that."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Artifact, Attempt, Job
from app.db.repositories import jobs

MAY_CHANGE = frozenset(
    {"name", "batch_size", "accumulate", "val_batch_size", "workers", "sharing", "device", "lr0", "max_duration_s"}
)
"""Settings that a repair changes too; any other would make the checkpoint one of another training."""


def resume_from(attempts: Sequence[Attempt], checkpoints: Sequence[Artifact]) -> dict[str, Any] | None:
    """The checkpoint that the next attempt begins with: the newest of the most epochs that is not known to be bad.

    Bad are those that an earlier attempt began with and could not load.
    """
    bad = {
        attempt.resumed_from["sha256"]
        for attempt in attempts
        if attempt.resumed_from is not None and (attempt.diagnosis or {}).get("code") == "CHECKPOINT_INVALID"
    }
    good = [checkpoint for checkpoint in checkpoints if checkpoint.sha256 not in bad]
    if not good:
        return None
    best = max(good, key=lambda checkpoint: (checkpoint.epoch or 0, checkpoint.attempt, checkpoint.created_at))
    return {"attempt": best.attempt, "name": best.name, "epoch": best.epoch or 0, "sha256": best.sha256}


def beginning(job: Job, attempts: Sequence[Attempt], checkpoints: Sequence[Artifact]) -> dict[str, Any] | None:
    """What the next attempt of a job begins with: a checkpoint of its own, else that of the job that it tries again."""
    own = resume_from(attempts, checkpoints)
    if own is not None or job.begins_with is None:
        return own
    refused = any((attempt.diagnosis or {}).get("code") == "CHECKPOINT_INVALID" for attempt in attempts)
    return None if refused else job.begins_with


def fits(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether a training with the configuration `after` can go on from a checkpoint of one with `before`."""
    keys = (before.keys() | after.keys()) - MAY_CHANGE
    return all(before.get(key) == after.get(key) for key in keys)


async def checkpoint_of(session: AsyncSession, job: Job) -> dict[str, Any] | None:
    """The checkpoint from which another job could go on where `job` ended, None where there is none."""
    found = resume_from(await jobs.attempts_of(session, job.id), await jobs.checkpoints_of(session, job.id))
    if found is None:
        return job.begins_with
    return {"job_id": job.id, **found}


def goes_on(checkpoint: dict[str, Any] | None) -> dict[str, Any] | None:
    """What is told of the checkpoint with which a job begins that tries another one again."""
    return None if checkpoint is None else {"epoch": checkpoint["epoch"], "may_change": sorted(MAY_CHANGE)}
