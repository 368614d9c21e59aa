"""Signs of a failure that has not come yet, with the code that it would have. Pure.

They are read from the figures that a training tells anyway; a sign is a warning and changes nothing about the training.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

MEMORY_SHARE = 0.95
RISING_EPOCHS = 3
"""Epochs in a row in which the loss has to rise."""
RISEN = 1.2
"""Times the lowest loss before it."""
FLAT_EPOCHS, FLAT_SHARE = 10, 0.2
"""The metric may stay where it is for so many epochs, and for such a share of all of them."""
FLAT_GAIN = 0.001
LOW_DISK_BYTES = 2e9
GB = 1e9


@dataclass(frozen=True, slots=True)
class EarlySign:
    """What is seen, why it matters, and since which epoch; `code` is what it may end as, None where it is no failure."""

    kind: str
    code: str | None
    message: str
    advice: str
    since_epoch: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """For an answer."""
        return asdict(self)


def early_signs(
    epochs: Sequence[Mapping[str, Any]], progress: Mapping[str, Any], config: Mapping[str, Any]
) -> list[EarlySign]:
    """The signs in the figures of finished epochs (oldest first) and of the last step."""
    last = epochs[-1] if epochs else {}
    memory = progress.get("memory") or last.get("memory") or {}
    found = (
        _not_a_number(epochs, progress) or _rising(epochs),
        _gpu_memory(memory, config),
        _host_memory(memory, config),
        _disk(epochs, progress),
        _flat(epochs, progress),
    )
    return [sign for sign in found if sign is not None]


def _finite(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _lost(losses: Mapping[str, Any] | None) -> str | None:
    """The first loss that is no finite number."""
    return next((name for name, value in (losses or {}).items() if value is not None and _finite(value) is None), None)


def _not_a_number(epochs: Sequence[Mapping[str, Any]], progress: Mapping[str, Any]) -> EarlySign | None:
    since, name = None, None
    for epoch in reversed(epochs):
        lost = _lost(epoch.get("losses"))
        if lost is None:
            break
        since, name = epoch["epoch"], lost
    now = _lost(progress.get("losses"))
    if now is None and name is None:
        return None
    return EarlySign(
        "loss-not-finite",
        "TRAINING_DIVERGED",
        f"The loss `{now or name}` is not a number",
        "Lower the learning rate, or look for broken images and labels.",
        since if since is not None else progress.get("epoch"),
    )


def _train_loss(epoch: Mapping[str, Any]) -> float | None:
    """All training losses of an epoch together."""
    values = [_finite(value) for name, value in (epoch.get("losses") or {}).items() if name.startswith("train")]
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None


def _rising(epochs: Sequence[Mapping[str, Any]]) -> EarlySign | None:
    told = [(epoch["epoch"], loss) for epoch in epochs if (loss := _train_loss(epoch)) is not None]
    if len(told) <= RISING_EPOCHS:
        return None
    tail = told[-RISING_EPOCHS - 1 :]
    lowest = min(loss for _, loss in told)
    rises = all(later > earlier for (_, earlier), (_, later) in pairwise(tail))
    if not rises or tail[-1][1] < RISEN * lowest:
        return None
    return EarlySign(
        "loss-rising",
        "TRAINING_DIVERGED",
        f"The training loss has risen for {RISING_EPOCHS} epochs, from {tail[0][1]:.3g} to {tail[-1][1]:.3g}",
        "Lower the learning rate if it goes on rising.",
        tail[1][0],
    )


def _full(used: object, total: object) -> float | None:
    a, b = _finite(used), _finite(total)
    return a / b if a is not None and b else None


def _gpu_memory(memory: Mapping[str, Any], config: Mapping[str, Any]) -> EarlySign | None:
    share = _full(memory.get("gpu_bytes"), memory.get("gpu_total_bytes"))
    if share is None or share < MEMORY_SHARE:
        return None
    text = f"GPU memory is {share:.0%} full ({memory['gpu_bytes'] / GB:.1f} of {memory['gpu_total_bytes'] / GB:.1f} GB)"
    return EarlySign("gpu-memory", "CUDA_OOM", text, _smaller_batch(config))


def _host_memory(memory: Mapping[str, Any], config: Mapping[str, Any]) -> EarlySign | None:
    share = _full(memory.get("rss_bytes"), memory.get("rss_limit_bytes"))
    if share is None or share < MEMORY_SHARE:
        return None
    text = f"Memory is {share:.0%} full ({memory['rss_bytes'] / GB:.1f} of {memory['rss_limit_bytes'] / GB:.1f} GB)"
    return EarlySign("host-memory", "HOST_OOM", text, _smaller_batch(config))


def _smaller_batch(config: Mapping[str, Any]) -> str:
    batch = config.get("batch_size")
    smaller = f"batch {batch} would become {batch // 2}" if isinstance(batch, int) and batch > 1 else "with a smaller model"
    return f"If it runs out, the job is repaired and goes on from its last checkpoint: {smaller}."


def _free(told: Mapping[str, Any]) -> float | None:
    return _finite((told.get("disk") or {}).get("free_bytes"))


def _disk(epochs: Sequence[Mapping[str, Any]], progress: Mapping[str, Any]) -> EarlySign | None:
    """Little room on the disk, or as much taken in every epoch that it will not last to the end."""
    told = [(epoch["epoch"], free) for epoch in epochs if (free := _free(epoch)) is not None]
    free = _free(progress) if _free(progress) is not None else (told[-1][1] if told else None)
    if free is None:
        return None
    advice = "Free some room on the machine; the job would be tried again on another one."
    if free < LOW_DISK_BYTES:
        return EarlySign("disk", "DISK_FULL", f"The disk has {free / GB:.1f} GB left", advice)
    if len(told) <= RISING_EPOCHS:
        return None
    (first, before), (last, after) = told[0], told[-1]
    taken = (before - after) / max(last - first, 1)
    left = (progress.get("epochs") or last) - last
    if taken <= 0 or taken * left <= after:
        return None
    rate = f"{taken / GB:.1f} GB are taken in each, {after / GB:.1f} left"
    return EarlySign("disk", "DISK_FULL", f"The disk is full in about {int(after / taken)} epochs: {rate}", advice)


def _flat(epochs: Sequence[Mapping[str, Any]], progress: Mapping[str, Any]) -> EarlySign | None:
    """The first metric, by which the best weights are chosen, has not become better for long."""
    named = next((epoch["metrics"] for epoch in reversed(epochs) if epoch.get("metrics")), None)
    if not named:
        return None
    name = next(iter(named))
    told = [
        (epoch["epoch"], value) for epoch in epochs if (value := _finite((epoch.get("metrics") or {}).get(name))) is not None
    ]
    if not told:
        return None
    best_epoch, best = told[0]
    for number, value in told:
        if value > best + FLAT_GAIN:
            best_epoch, best = number, value
    since = told[-1][0] - best_epoch
    if since < max(FLAT_EPOCHS, FLAT_SHARE * (progress.get("epochs") or 0)) or best >= 1 - FLAT_GAIN:
        return None
    text = f"`{name}` has not become better for {since} epochs; its best is {best:.3g}, of epoch {best_epoch}"
    return EarlySign(
        "metric-flat", None, text, "The best weights are kept; stopping now would lose nothing of them.", best_epoch + 1
    )
