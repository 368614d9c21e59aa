"""What earlier attempts say about the present failure. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One earlier attempt: how it failed, how far it came (None: unknown), what was decided."""

    number: int
    code: str | None
    fingerprint: str | None
    entity: str | None
    epoch_reached: int | None
    action: str | None
    agent_id: str | None


@dataclass(frozen=True, slots=True)
class History:
    """How the present failure compares: the same as the last one? did it come further? `progress` None means unknown."""

    same_failure: bool
    same_entity: bool
    progress: bool | None


def compare(past: Sequence[AttemptRecord], code: str, fingerprint: str, entity: str | None, epoch: int | None) -> History:
    """The present failure beside the last attempt's."""
    if not past:
        return History(same_failure=False, same_entity=False, progress=None)
    last = past[-1]
    same = last.code == code and last.fingerprint == fingerprint
    progress = None if epoch is None or last.epoch_reached is None else epoch > last.epoch_reached
    return History(same, same and entity is not None and entity == last.entity, progress)
