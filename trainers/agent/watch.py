"""Notices that a training no longer gets on, by limits learned from its own steps. Pure: times are given in."""

import statistics
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

REMEMBERED = 512
STEP_FACTOR, LONGEST_FACTOR = 20.0, 5.0
ENOUGH_STEPS = 20


@dataclass(frozen=True, slots=True)
class HangLimits:
    """Seconds without a step that are always allowed: `warm_up` before the first steps, `first` in the first epoch (its
    validation has not been seen yet), `least` afterwards."""

    warm_up: float = 1800.0
    first: float = 600.0
    least: float = 60.0


def _seconds(at: object) -> float | None:
    try:
        return datetime.fromisoformat(str(at)).timestamp()
    except ValueError:
        return None


class StepWatch:
    """What the updates of a training say about its pace. Times are seconds of the training's own clock (wall time).

    Every update counts as a sign of progress. The limit is the longest of: what is always allowed, 20 times the median step,
    5 times the longest pause seen so far (validation and checkpoints included).
    """

    def __init__(self, limits: HangLimits) -> None:
        self.limits = limits
        self.last_at: str | None = None
        self.last_s: float | None = None
        self.phase = "starting"
        self.epochs = 0
        self._place: tuple[int, int, float] | None = None
        self._steps: deque[float] = deque(maxlen=REMEMBERED)
        self._longest = 0.0

    def feed(self, updates: Iterable[Mapping[str, Any]]) -> None:
        """Takes new updates in, in order."""
        for update in updates:
            at = _seconds(update.get("at"))
            if at is None:
                continue
            if self._place is not None and self.last_s is not None:
                # Before the first step it is loading and compiling: no measure for what comes.
                self._longest = max(self._longest, at - self.last_s)
            self.phase = str(update.get("phase") or self.phase)
            if update.get("progress") is not None:
                self._progress(update["progress"], at)
            self.last_s, self.last_at = at, str(update["at"])

    def _progress(self, progress: Mapping[str, Any], at: float) -> None:
        if progress.get("epoch_end"):
            self.epochs += 1
            self.phase = "training"
            return
        epoch, step = progress.get("epoch"), progress.get("step")
        if not isinstance(epoch, int) or not isinstance(step, int):
            return
        if self._place is not None:
            last_epoch, last_step, last_at = self._place
            if epoch == last_epoch and step > last_step:
                self._steps.append(max(0.0, at - last_at) / (step - last_step))
        self._place = (epoch, step, at)

    def limit(self) -> float:
        """Seconds without any sign after which the training counts as hung."""
        learned = LONGEST_FACTOR * self._longest
        if self._steps:
            learned = max(learned, STEP_FACTOR * statistics.median(self._steps))
        if self.phase not in ("training", "validating"):
            return max(self.limits.warm_up, learned)
        if self.epochs >= 1:
            return max(self.limits.least, learned)
        if len(self._steps) >= ENOUGH_STEPS and self.phase == "training":
            return max(self.limits.first, learned)
        return max(self.limits.warm_up, learned)
