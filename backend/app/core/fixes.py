"""Remedies as RFC 6902 patches on a job's configuration, computed from the facts of a failure. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Literal

Applicability = Literal["safe", "review", "manual"]
Facts = Mapping[str, Any]

DEFAULT_RATE = 0.01
"""Learning rate where a configuration leaves it open, and the one offered for a rate that cannot be right."""
LOWER_RATE = 0.1
SMALLEST_IMAGE = 32
VAL_FRACTION = 0.2
MOST_NAMES = 3


@dataclass(frozen=True, slots=True)
class Fix:
    """A remedy that a program can apply: an RFC 6902 patch on the job's configuration.

    `applicability`: ``safe`` may be applied with one click, ``review`` wants a look at the change, ``manual`` is advice.
    """

    id: str
    label: str
    applicability: Applicability
    patch: tuple[dict[str, Any], ...] = field(default=())


def set_field(fix_id: str, label: str, pointer: str, value: Any, applicability: Applicability = "safe") -> Fix:
    """A fix that sets one field, whether the configuration has it or not."""
    return Fix(fix_id, label, applicability, ({"op": "add", "path": pointer, "value": value},))


def _number(facts: Facts, name: str) -> float | None:
    value = facts.get(name)
    usable = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")
    return value if usable and isinstance(value, int | float) else None


def _smaller_batch(facts: Facts) -> list[Fix]:
    found = []
    batch = _number(facts, "batch_size")
    if batch is not None and batch >= 2:
        half = int(batch) // 2
        found.append(set_field("halve-batch", f"Batch size {int(batch)} → {half}", "/batch_size", half))
    size = _number(facts, "image_size")
    if size is not None and size > SMALLEST_IMAGE * 2:
        smaller = max(SMALLEST_IMAGE, int(size * 0.75) // SMALLEST_IMAGE * SMALLEST_IMAGE)
        label = f"Image size {int(size)} → {smaller}"
        found.append(set_field("smaller-images", label, "/image_size", smaller, "review"))
    return found


def _host_memory(facts: Facts) -> list[Fix]:
    workers = _number(facts, "workers")
    fewer = []
    if workers is not None and workers >= 1:
        label = f"Loader workers {int(workers)} → {int(workers) // 2}"
        fewer.append(set_field("fewer-workers", label, "/workers", int(workers) // 2))
    return _smaller_batch(facts) + fewer


def _no_workers(facts: Facts) -> list[Fix]:
    if facts.get("workers") == 0:
        return []
    return [set_field("no-workers", "Load images in the training process", "/workers", 0)]


def _lower_rate(facts: Facts) -> list[Fix]:
    rate = _number(facts, "lr0")
    if rate is not None and not 0 < rate <= 1:
        return _default_rate(facts)
    lower = float(f"{(rate or DEFAULT_RATE) * LOWER_RATE:.3g}")
    before = f"{rate:g}" if rate else "the default"
    return [set_field("lower-rate", f"Learning rate {before} → {lower:g}", "/lr0", lower, "review")]


def _default_rate(_facts: Facts) -> list[Fix]:
    return [set_field("default-lr0", f"Use lr0 = {DEFAULT_RATE:g}", "/lr0", DEFAULT_RATE, "review")]


def _longer(facts: Facts) -> list[Fix]:
    limit = _number(facts, "max_duration_s")
    if limit is None or limit <= 0:
        return []
    label = f"Time limit {int(limit)} s → {int(limit) * 2} s"
    return [set_field("double-limit", label, "/max_duration_s", int(limit) * 2, "review")]


def _any_device(facts: Facts) -> list[Fix]:
    if facts.get("device") == "auto":
        return [set_field("cpu", "Train on the CPU", "/device", "cpu", "review")]
    return [set_field("any-device", "Let the platform choose the device", "/device", "auto")]


def _no_weights(facts: Facts) -> list[Fix]:
    if not facts.get("weights_id"):
        return []
    return [set_field("no-weights", "Start without these weights", "/weights_id", None, "review")]


def _nearest_model(facts: Facts) -> list[Fix]:
    """The models that look most like the one asked for, of `known` names or as `suggestions` already found."""
    known = [str(name) for name in facts.get("known") or ()]
    folded = {name.lower(): name for name in known}
    near = [folded[name] for name in get_close_matches(str(facts.get("model", "")).lower(), folded, MOST_NAMES, 0.5)]
    names = near or [str(name) for name in facts.get("suggestions") or ()][:MOST_NAMES]
    return [set_field(f"use-{name}", f"Use {name}", "/model", name, "review") for name in names]


def _configuration(facts: Facts) -> list[Fix]:
    return _default_rate(facts) if facts.get("field") == "lr0" else []


def _data_set(facts: Facts) -> list[Fix]:
    """Leave broken files out (`excludable`: how many), hold back images where there are none to validate with."""
    found = []
    count = _number(facts, "excludable")
    if count is not None and count >= 1:
        label = "Train without this file" if count == 1 else f"Train without these {int(count)} files"
        found.append(set_field("exclude-invalid-files", label, "/exclude_invalid_files", value=True))
    if facts.get("needs_split"):
        label = f"Hold back {VAL_FRACTION:.0%} of the training images for validation"
        found.append(set_field("hold-back-validation", label, "/val_fraction", VAL_FRACTION, "review"))
    return found


_BY_CODE: dict[str, Callable[[Facts], list[Fix]]] = {
    "CUDA_OOM": _smaller_batch,
    "HOST_OOM": _host_memory,
    "SHM_EXHAUSTED": _no_workers,
    "WORKER_STARTUP_ERROR": _no_workers,
    "TRAINING_DIVERGED": _lower_rate,
    "TRAINING_TIMEOUT": _longer,
    "CUDA_UNAVAILABLE": _any_device,
    "CHECKPOINT_INVALID": _no_weights,
    "INVALID_MODEL": _nearest_model,
    "MODEL_DATA_MISMATCH": _nearest_model,
    "INVALID_CONFIG": _configuration,
    "DATASET_INVALID_FORMAT": _data_set,
    "DATASET_BROKEN": _data_set,
}


def fixes_for(code: str, facts: Facts) -> list[Fix]:
    """What can be offered for a code with these facts, the best first; nothing where the facts do not carry it."""
    make = _BY_CODE.get(code)
    return make(facts) if make is not None else []
