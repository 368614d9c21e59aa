"""What to do about a failed attempt: try again (with the same or a repaired configuration, here or elsewhere), or end. Pure.

Budgets by whose fault it was bound the attempts; how they are counted is decision record 0003. The same failure with the
same entity is never tried twice; what a retry cannot help is not retried; progress fills a budget up again.
"""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from app.core.error_messages import REGISTRY, ErrorRow
from app.core.errors import Fix
from app.core.policies import TRAINER
from app.diagnosis.evidence import Diagnosis
from app.diagnosis.history import AttemptRecord, History, compare, since_progress

BUDGETS = {"user": 1, "platform": 3, "preemption": 10}
"""Retries of a job by whose fault the failure was. A user's budget is one ladder of repairs for each code."""
UNKNOWN_FACTOR, MOST_FACTOR = 2, 5
"""What a budget is multiplied by where progress is unknown, and what all retries of a job may come to however it goes on."""
_REFUSED = re.compile(r"\b(?:40[1347]|410)\b[:\s]|\b(?:Forbidden|Unauthorized|Not Found)\b")
"""What an address answers that will not answer otherwise: who is asked for is not allowed, or not there."""
LONGEST_ASKED_S = 3600.0
"""The longest wait that an error may ask for, in seconds."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """The repairs of a code: on each rung one of the `fixes` that are offered, each rung at most once `rungs` in all.

    `together`: every one of them at once, since each helps and none changes what is learned; else the first that is left
    on this rung.
    """

    rungs: int
    fixes: tuple[str, ...] = ()
    together: bool = False


LADDERS = {
    "CUDA_OOM": Ladder(6, ("halve-batch", "halve-val-batch")),
    "HOST_OOM": Ladder(6, ("halve-batch", "halve-val-batch", "fewer-workers", "no-workers"), together=True),
    "TRAINING_DIVERGED": Ladder(2, ("lower-rate", "default-lr0")),
    "SHM_EXHAUSTED": Ladder(3, ("fewer-workers", "share-files", "no-workers")),
    "WORKER_STARTUP_ERROR": Ladder(1, ("no-workers",)),
    "CHECKPOINT_INVALID": Ladder(3),
}


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens next. `action`: retry, repair, elsewhere, fail or none; `config` is the next attempt's where it changes,
    `patch` what changes in it."""

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


@dataclass(frozen=True, slots=True)
class Failure:
    """The present failure: what it was, how far the attempt came, where it ran and what it began with.

    `epoch` as in `history.compare`; `resumed` says whether the attempt began with a checkpoint of an earlier one.
    """

    diagnosis: Diagnosis
    epoch: int | None
    exact: bool = True
    agent_id: str | None = None
    resumed: bool = False


def _retries(records: Sequence[AttemptRecord], budget: str) -> int:
    known = [REGISTRY[record.code] for record in records if record.retried and record.code in REGISTRY]
    return sum(row.budget == budget for row in known)


def left(past: Sequence[AttemptRecord], history: History, budget: str) -> tuple[int, int]:
    """Retries that were drawn on a budget since the last progress, and how many there may be now."""
    limit = BUDGETS[budget]
    if _retries(past, budget) >= MOST_FACTOR * limit:
        return limit, limit
    if history.progress:
        return 0, limit
    tries = _retries(since_progress(past), budget)
    return tries, limit * UNKNOWN_FACTOR if history.progress is None and past else limit


def wait_before(diagnosis: Diagnosis, tries: int, rng: random.Random) -> float:
    """Seconds before the next attempt: as the trainer's policy has it, with jitter; not less than the error asks for."""
    low, high = TRAINER.bounds(tries + 1)
    wait = rng.uniform(low, high)
    asked = diagnosis.params.get("retry_after")
    if isinstance(asked, int | float) and not isinstance(asked, bool) and asked > 0:
        wait += min(float(asked), LONGEST_ASKED_S)
    return round(wait, 2)


def applied(config: Mapping[str, Any], patch: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A configuration with the values that `patch` sets."""
    changed = dict(config)
    for step in patch:
        *outer, name = step["path"].lstrip("/").split("/")
        place = changed
        for key in outer:
            place[key] = dict(place.get(key) or {})
            place = place[key]
        place[name] = step["value"]
    return changed


def _chosen(ladder: Ladder, rung: int, fixes: Sequence[Fix]) -> list[Fix]:
    """The offered fixes that are applied on this rung."""
    offered = {fix.id: fix for fix in fixes if fix.patch}
    usable = [offered[name] for name in ladder.fixes if name in offered]
    if not ladder.together:
        later = [offered[name] for name in ladder.fixes[rung:] if name in offered]
        return (later or usable)[:1]
    # Without workers there are none to make fewer.
    return [fix for fix in usable if not (fix.id == "no-workers" and len(usable) > 1)]


def _repair(failure: Failure, past: Sequence[AttemptRecord], config: Mapping[str, Any], budget: str) -> Decision:
    """The next rung of a code's ladder; the end where there is none."""
    diagnosis = failure.diagnosis
    ladder = LADDERS[diagnosis.code]
    rung = sum(record.retried and record.code == diagnosis.code for record in past)
    if rung >= ladder.rungs:
        return Decision("fail", f"repaired {rung} times already, as often as that may help", budget=budget)
    if diagnosis.code == "CHECKPOINT_INVALID":
        if not failure.resumed:
            return Decision("fail", "the weights to start from cannot be loaded", budget=budget)
        return Decision("repair", "going on from the checkpoint before", config=dict(config), budget=budget)
    chosen = _chosen(ladder, rung, diagnosis.fixes)
    if not chosen:
        return Decision("fail", "nothing is left to repair by itself", budget=budget)
    patch = tuple(step for fix in chosen for step in fix.patch)
    return Decision(
        "repair", ", ".join(fix.label for fix in chosen), patch=patch, config=applied(config, patch), budget=budget
    )


def _bound_to_entity(failure: Failure, past: Sequence[AttemptRecord], row: ErrorRow) -> bool:
    """Whether the entity (a file, a layer) is the cause and not the moment (a network) or another machine's namesake."""
    moved = row.reaction == "elsewhere" and failure.agent_id is not None and failure.agent_id != past[-1].agent_id
    return row.type != "transient" and not moved


def decide(
    failure: Failure, past: Sequence[AttemptRecord], config: Mapping[str, Any], *, rng: random.Random
) -> tuple[History, Decision]:
    """How a failure compares with the attempts before it, and what to do about it; total."""
    diagnosis = failure.diagnosis
    history = compare(past, diagnosis.code, diagnosis.fingerprint, diagnosis.entity, failure.epoch, exact=failure.exact)
    row = REGISTRY.get(diagnosis.code) or REGISTRY["UNKNOWN_FAILURE"]
    if row.reaction in ("fail", "none") or row.budget is None:
        return history, Decision("fail", f"{row.title}: trying the same again cannot help")
    if row.code == "DOWNLOAD_FAILED" and any(map(_REFUSED.search, diagnosis.evidence)):
        return history, Decision("fail", "the address refuses, and will the next time", budget=row.budget)
    if row.reaction == "repair":
        return history, _repair(failure, past, config, row.budget)
    if history.same_entity and _bound_to_entity(failure, past, row):
        return history, Decision("fail", f"the same failure again with `{diagnosis.entity}`", budget=row.budget)
    tries, limit = left(past, history, row.budget)
    if tries >= limit:
        return history, Decision("fail", f"tried again {tries} of {limit} times already", budget=row.budget)
    where = " on another machine" if row.reaction == "elsewhere" else ""
    decision = Decision(
        row.reaction,
        f"{row.title}: trying again{where} ({tries + 1} of {limit})",
        wait_before(diagnosis, tries, rng),
        config=dict(config),
        exclude_agent=row.reaction == "elsewhere",
        budget=row.budget,
    )
    if history.same_failure and failure.agent_id is not None and failure.agent_id == past[-1].agent_id:
        # Twice the same on the same machine: the machine may be why.
        decision = replace(decision, exclude_agent=True)
    return history, decision
