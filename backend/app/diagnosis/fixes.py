"""Remedies computed from the facts of a failure, as patches on the job's configuration. Pure."""

from collections.abc import Mapping
from typing import Any, Literal

from app.core.errors import Fix

Applicability = Literal["safe", "review", "manual"]
LOWER_RATE = 0.1


def setting(fix_id: str, label: str, pointer: str, value: Any, applicability: Applicability = "safe") -> Fix:
    """A fix that sets one field."""
    return Fix(fix_id, label, applicability, ({"op": "add", "path": pointer, "value": value},))


def _number(facts: Mapping[str, Any], name: str) -> float | None:
    value = facts.get(name)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _smaller_batch(facts: Mapping[str, Any]) -> list[Fix]:
    batch = _number(facts, "batch_size")
    found = []
    if batch is not None and batch > 1:
        half = int(batch) // 2
        found.append(setting("halve-batch", f"Batch size {int(batch)} → {half}", "/batch_size", half))
    size = _number(facts, "image_size")
    if size is not None and size > 64:
        smaller = max(32, int(size * 0.75) // 32 * 32)
        label = f"Image size {int(size)} → {smaller}"
        found.append(setting("smaller-images", label, "/image_size", smaller, "review"))
    return found


def _fewer_workers(facts: Mapping[str, Any]) -> list[Fix]:
    return [setting("no-workers", "Load images without extra processes", "/workers", 0)]


def _lower_rate(facts: Mapping[str, Any]) -> list[Fix]:
    rate = _number(facts, "lr0")
    lower = (rate or 0.01) * LOWER_RATE
    before = f"{rate:g}" if rate else "the default"
    return [setting("lower-rate", f"Learning rate {before} → {lower:g}", "/lr0", lower, "review")]


def _longer(facts: Mapping[str, Any]) -> list[Fix]:
    limit = _number(facts, "max_duration_s")
    if limit is None:
        return []
    return [
        setting(
            "double-limit", f"Time limit {int(limit)} s → {int(limit) * 2} s", "/max_duration_s", int(limit) * 2, "review"
        )
    ]


def _any_device(facts: Mapping[str, Any]) -> list[Fix]:
    return [setting("any-device", "Let the platform choose the device", "/device", "auto")]


def _no_weights(facts: Mapping[str, Any]) -> list[Fix]:
    if not facts.get("weights_id"):
        return []
    return [setting("no-weights", "Start without these weights", "/weights_id", None, "review")]


_BY_CODE = {
    "CUDA_OOM": _smaller_batch,
    "HOST_OOM": _smaller_batch,
    "SHM_EXHAUSTED": _fewer_workers,
    "WORKER_STARTUP_ERROR": _fewer_workers,
    "TRAINING_DIVERGED": _lower_rate,
    "TRAINING_TIMEOUT": _longer,
    "CUDA_UNAVAILABLE": _any_device,
    "CHECKPOINT_INVALID": _no_weights,
}


def fixes_for(code: str, facts: Mapping[str, Any]) -> list[Fix]:
    """What can be offered for a code with these facts, the best first."""
    make = _BY_CODE.get(code)
    return make(facts) if make is not None else []
