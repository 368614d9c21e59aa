"""What earlier attempts say about the present failure. Pure.

Progress is counted in finished epochs, and against the best of all earlier attempts: an attempt that went on from a
checkpoint and failed in the same epoch has made none. Where it is not known how far an attempt came, progress is unknown,
which is not the same as none.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

RETRIED = frozenset({"retry", "repair", "elsewhere"})


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One earlier attempt: how it failed, how many epochs were finished by then (None: unknown), what was decided."""

    number: int
    code: str | None
    fingerprint: str | None
    entity: str | None
    epoch_reached: int | None
    action: str | None
    agent_id: str | None

    @property
    def retried(self) -> bool:
        """Whether another attempt followed."""
        return self.action in RETRIED


@dataclass(frozen=True, slots=True)
class History:
    """How the present failure compares with the earlier ones.

    `same_failure`: the last attempt failed in the same way; `same_entity`: an earlier one did, and with the same file,
    layer or device; `progress`: more epochs are finished than ever before, None means unknown; `best_epoch`: the most
    epochs that were finished before.
    """

    same_failure: bool
    same_entity: bool
    progress: bool | None
    best_epoch: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """The history as a row keeps it."""
        return asdict(self)


def compare(
    past: Sequence[AttemptRecord], code: str, fingerprint: str, entity: str | None, epoch: int | None, *, exact: bool = True
) -> History:
    """The present failure beside the earlier attempts, oldest first.

    `epoch` is the number of epochs that are known to be finished, with `exact` False where there may have been more (an
    agent that is gone has not told everything).
    """
    alike = [record for record in past if record.code == code and record.fingerprint == fingerprint]
    last = past[-1] if past else None
    best = max((record.epoch_reached for record in past if record.epoch_reached is not None), default=None)
    return History(
        same_failure=last is not None and last in alike,
        same_entity=entity is not None and any(record.entity == entity for record in alike),
        progress=_progress(past, best, epoch, exact=exact),
        best_epoch=best,
    )


def _progress(past: Sequence[AttemptRecord], best: int | None, epoch: int | None, *, exact: bool) -> bool | None:
    if not past or epoch is None or best is None:
        return None
    if epoch > best:
        return True
    return False if exact and all(record.epoch_reached is not None for record in past) else None


def since_progress(past: Sequence[AttemptRecord]) -> Sequence[AttemptRecord]:
    """The attempts since the last one that finished more epochs than all before it, that one included."""
    best, first = -1, 0
    for index, record in enumerate(past):
        if record.epoch_reached is not None and record.epoch_reached > best:
            best, first = record.epoch_reached, index
    return past[first:]
