"""Remedies as RFC 6902 patches on a job's configuration, computed from the facts of a failure. Pure."""

from collections.abc import Callable, Iterable, Mapping
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
LIKENESS = 0.5
LIMITS: dict[str, tuple[float, float]] = {
    "/batch_size": (1, 65_536),
    "/accumulate": (1, 65_536),
    "/val_batch_size": (1, 131_072),
    "/image_size": (8, 8192),
    "/lr0": (1e-12, 1),
    "/workers": (0, 128),
    "/epochs": (1, 100_000),
    "/max_duration_s": (1, 60 * 60 * 24 * 60),
    "/model": (1, 120),
    "/dataset_id": (1, 80),
    "/framework": (1, 40),
}
"""What a job's configuration takes (of names: the length); a patch outside of it would be refused, so it is not offered."""


@dataclass(frozen=True, slots=True)
class Fix:
    """A remedy that a program can apply: an RFC 6902 patch on the job's configuration.

    `applicability`: ``safe`` may be applied with one click, ``review`` wants a look at the change, ``manual`` is advice
    with nothing to apply.
    """

    id: str
    label: str
    applicability: Applicability
    patch: tuple[dict[str, Any], ...] = field(default=())


def set_field(fix_id: str, label: str, pointer: str, value: Any, applicability: Applicability = "safe") -> Fix:
    """A fix that sets one field, whether the configuration has it or not."""
    return Fix(fix_id, label, applicability, ({"op": "add", "path": pointer, "value": value},))


def nearest(name: str, known: Iterable[str], count: int = MOST_NAMES) -> list[str]:
    """Up to `count` of `known` that look like `name`, the likest first."""
    folded = {candidate.lower(): candidate for candidate in known}
    return [folded[match] for match in get_close_matches(name.lower(), folded, n=count, cutoff=LIKENESS)]


def _number(facts: Facts, name: str) -> float | None:
    value = facts.get(name)
    usable = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")
    return value if usable and isinstance(value, int | float) else None


def _smaller_batch(batch: int) -> tuple[int, int]:
    """A batch of about half the size, and by how many of it the old one is made up; exactly, where it can be divided."""
    exact = next((size for size in range(batch // 2, -(-batch // 4) - 1, -1) if batch % size == 0), None)
    return (exact, batch // exact) if exact is not None else (batch // 2, 2)


def _halved(facts: Facts) -> list[Fix]:
    """Half the batch; where steps are accumulated, twice as many, so that the effective batch stays.

    Where validation ran out of memory, its batch is halved and the training's stays.
    """
    batch, accumulate = _number(facts, "batch_size"), _number(facts, "accumulate")
    if facts.get("phase") == "validating":
        return _halved_validation(_number(facts, "val_batch_size") or 2 * (batch or 0))
    if batch is None or not 2 <= batch <= LIMITS["/batch_size"][1]:
        return []
    half, pieces = _smaller_batch(int(batch))
    patch = [{"op": "add", "path": "/batch_size", "value": half}]
    if accumulate is not None and accumulate >= 1:
        patch.append({"op": "add", "path": "/accumulate", "value": int(accumulate) * pieces})
    return [Fix("halve-batch", f"Batch size {int(batch)} → {half}", "safe", tuple(patch))]


def _halved_validation(batch: float) -> list[Fix]:
    if batch < 2:
        return []
    half = int(batch) // 2
    return [set_field("halve-val-batch", f"Validation batch {int(batch)} → {half}", "/val_batch_size", half)]


def _smaller_images(facts: Facts) -> list[Fix]:
    size = _number(facts, "image_size")
    if size is None or size <= SMALLEST_IMAGE * 2:
        return []
    smaller = max(SMALLEST_IMAGE, int(size * 0.75) // SMALLEST_IMAGE * SMALLEST_IMAGE)
    return [set_field("smaller-images", f"Image size {int(size)} → {smaller}", "/image_size", smaller, "review")]


def _gpu_memory(facts: Facts) -> list[Fix]:
    return _halved(facts) + _smaller_images(facts)


def _host_memory(facts: Facts) -> list[Fix]:
    workers = _number(facts, "workers")
    if workers is None:
        fewer = [set_field("no-workers", "Load images in the training process", "/workers", 0, "review")]
    elif workers >= 1:
        label = f"Loader workers {int(workers)} → {int(workers) // 2}"
        fewer = [set_field("fewer-workers", label, "/workers", int(workers) // 2)]
    else:
        fewer = []
    return _gpu_memory(facts) + fewer


def _no_workers(facts: Facts) -> list[Fix]:
    if facts.get("workers") == 0:
        return []
    return [set_field("no-workers", "Load images in the training process", "/workers", 0)]


def _shared_memory(facts: Facts) -> list[Fix]:
    workers, found = _number(facts, "workers"), []
    if workers is not None and workers >= 2:
        label = f"Loader workers {int(workers)} → {int(workers) // 2}"
        found.append(set_field("fewer-workers", label, "/workers", int(workers) // 2))
    if facts.get("sharing") == "file_descriptor" and workers != 0:
        found.append(set_field("share-files", "Hand images over in files", "/sharing", "file_system"))
    return [*found, *_no_workers(facts), Fix("larger-shm", "Give the training machine a larger /dev/shm", "manual")]


def _disk(_facts: Facts) -> list[Fix]:
    return [Fix("free-disk", "Free space on the training machine's disk", "manual")]


def _lower_rate(facts: Facts) -> list[Fix]:
    rate = _number(facts, "lr0")
    if rate is not None and not 0 < rate <= 1:
        return _default_rate()
    lower = float(f"{(rate or DEFAULT_RATE) * LOWER_RATE:.3g}")
    before = f"{rate:g}" if rate else "the default"
    patch: list[dict[str, Any]] = [{"op": "add", "path": "/lr0", "value": lower}]
    if facts.get("optimizer"):
        # Chosen by the framework; with a rate of one's own it would take another.
        patch.append({"op": "add", "path": "/settings/optimizer", "value": facts["optimizer"]})
    return [Fix("lower-rate", f"Learning rate {before} → {lower:g}", "review", tuple(patch))]


def _default_rate() -> list[Fix]:
    return [set_field("default-lr0", f"Use lr0 = {DEFAULT_RATE:g}", "/lr0", DEFAULT_RATE, "review")]


def _longer(facts: Facts) -> list[Fix]:
    limit = _number(facts, "max_duration_s")
    longest = int(LIMITS["/max_duration_s"][1])
    if limit is None or not 0 < limit < longest:
        return []
    longer = min(int(limit) * 2, longest)
    label = f"Time limit {int(limit)} s → {longer} s"
    return [set_field("double-limit", label, "/max_duration_s", longer, "review")]


def _any_device(facts: Facts) -> list[Fix]:
    if facts.get("device") == "auto":
        return [set_field("cpu", "Train on the CPU", "/device", "cpu", "review")]
    return [set_field("any-device", "Let the platform choose the device", "/device", "auto")]


def _no_weights(facts: Facts) -> list[Fix]:
    if not facts.get("weights_id"):
        return []
    return [set_field("no-weights", "Start without these weights", "/weights_id", None, "review")]


def _names(facts: Facts, name: str) -> list[str]:
    value = facts.get(name)
    return [str(item) for item in value] if isinstance(value, list | tuple) else []


def _use_nearest(facts: Facts, name: str, pointer: str) -> list[Fix]:
    """The `known` names that look most like the one asked for, or the `suggestions` that were found already."""
    near = nearest(str(facts.get(name, "")), _names(facts, "known")) or _names(facts, "suggestions")
    return [set_field(f"use-{found}", f"Use {found}", pointer, found, "review") for found in near[:MOST_NAMES]]


def _nearest_model(facts: Facts) -> list[Fix]:
    return _use_nearest(facts, "model", "/model")


def _nearest_data_set(facts: Facts) -> list[Fix]:
    return _use_nearest(facts, "dataset_id", "/dataset_id")


def _configuration(facts: Facts) -> list[Fix]:
    """A value out of its limits: the limit it passed; for a learning rate the default, since a limit would not train."""
    name = facts.get("field")
    if name == "framework":
        return _use_nearest(facts, "value", "/framework")
    if name == "lr0":
        return _default_rate()
    pointer = f"/{name}"
    value, low, high = (_number(facts, key) for key in ("value", "min", "max"))
    if pointer not in LIMITS or value is None:
        return []
    bound = low if low is not None and value < low else high if high is not None and value > high else None
    if bound is None or bound != int(bound):
        return []
    return [set_field(f"bound-{name}".replace("_", "-"), f"Use {name} = {int(bound)}", pointer, int(bound), "review")]


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
    "CUDA_OOM": _gpu_memory,
    "HOST_OOM": _host_memory,
    "SHM_EXHAUSTED": _shared_memory,
    "DISK_FULL": _disk,
    "WORKER_STARTUP_ERROR": _no_workers,
    "TRAINING_DIVERGED": _lower_rate,
    "TRAINING_TIMEOUT": _longer,
    "CUDA_UNAVAILABLE": _any_device,
    "CHECKPOINT_INVALID": _no_weights,
    "INVALID_MODEL": _nearest_model,
    "MODEL_DATA_MISMATCH": _nearest_model,
    "INVALID_CONFIG": _configuration,
    "DATASET_NOT_FOUND": _nearest_data_set,
    "DATASET_INVALID_FORMAT": _data_set,
    "DATASET_BROKEN": _data_set,
}


def _fits(fix: Fix) -> bool:
    """Whether a configuration takes every value of the patch."""
    for step in fix.patch:
        value = step["value"]
        measure = len(value) if isinstance(value, str) else value
        if step["path"] in LIMITS and not LIMITS[step["path"]][0] <= measure <= LIMITS[step["path"]][1]:
            return False
    return True


def fixes_for(code: str, facts: Facts) -> list[Fix]:
    """What can be offered for a code with these facts, the best first; nothing where the facts do not carry it."""
    make = _BY_CODE.get(code)
    return [fix for fix in make(facts) if _fits(fix)] if make is not None else []
