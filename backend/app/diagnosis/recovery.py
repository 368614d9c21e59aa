"""What to do about a failed attempt: try again (with the same or a repaired configuration, here or elsewhere), or end. Pure.

Three budgets, by whose fault it was, bound the attempts. The same failure of the same file is never tried twice; what a
retry cannot help is not retried; progress since the last attempt protects.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from app.core.error_messages import REGISTRY
from app.diagnosis.evidence import Diagnosis
from app.diagnosis.history import AttemptRecord, compare

BUDGETS = {"user": 1, "platform": 3, "preemption": 10}
FIRST_WAIT_S, LONGEST_WAIT_S = 2.0, 60.0
REPAIRS = ("halve-batch", "no-workers", "lower-rate")


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens next. `action`: retry, repair, elsewhere, fail or none; `config` is the next attempt's where it changes."""

    action: str
    reason: str
    wait_s: float = 0.0
    patch: tuple[dict[str, Any], ...] = ()
    config: dict[str, Any] | None = None
    exclude_agent: bool = False
    budget: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The decision as a row keeps it."""
        return {**asdict(self), "patch": list(self.patch)}


def spent(past: Sequence[AttemptRecord], budget: str) -> int:
    """How many retries of a budget the earlier attempts drew."""
    return sum(
        record.action in ("retry", "repair", "elsewhere")
        and record.code in REGISTRY
        and REGISTRY[record.code].budget == budget
        for record in past
    )


def _wait(tries: int, rng: random.Random) -> float:
    return round(rng.uniform(FIRST_WAIT_S, min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (tries + 1))), 2)


def _repair(diagnosis: Diagnosis, config: Mapping[str, Any]) -> Decision | None:
    """The change of configuration that a code's repair is; None where there is nothing left to change."""
    fix = next((fix for fix in diagnosis.fixes if fix.id in REPAIRS), None)
    if fix is None:
        return None
    changed = dict(config)
    for step in fix.patch:
        changed[step["path"].lstrip("/")] = step["value"]
    return Decision("repair", fix.label, patch=fix.patch, config=changed)


def decide(
    diagnosis: Diagnosis,
    past: Sequence[AttemptRecord],
    config: Mapping[str, Any],
    *,
    epoch_reached: int | None,
    rng: random.Random,
) -> Decision:
    """What to do about an attempt that failed as `diagnosis` says, after the attempts `past`; total."""
    row = REGISTRY.get(diagnosis.code) or REGISTRY["UNKNOWN_FAILURE"]
    if row.reaction in ("fail", "none") or row.budget is None:
        return Decision("fail", f"{row.title}: trying the same again cannot help")
    history = compare(past, diagnosis.code, diagnosis.fingerprint, diagnosis.entity, epoch_reached)
    if history.same_entity:
        return Decision("fail", f"the same failure again with `{diagnosis.entity}`", budget=row.budget)
    tries, limit = spent(past, row.budget), BUDGETS[row.budget]
    if tries >= limit and not (history.progress and tries < 2 * limit):
        return Decision("fail", f"tried again {tries} of {limit} times already", budget=row.budget)
    if row.reaction == "repair":
        repair = _repair(diagnosis, config)
        if repair is None:
            return Decision("fail", "nothing is left to repair by itself", budget=row.budget)
        return Decision("repair", repair.reason, _wait(tries, rng), repair.patch, repair.config, budget=row.budget)
    where = " on another machine" if row.reaction == "elsewhere" else ""
    return Decision(
        row.reaction,
        f"{row.title}: trying again{where} ({tries + 1} of {limit})",
        _wait(tries, rng),
        config=dict(config),
        exclude_agent=row.reaction == "elsewhere",
        budget=row.budget,
    )
