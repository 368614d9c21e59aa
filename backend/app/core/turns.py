"""The tries after the first of one protected call: whether there is another, and after what wait."""

import itertools
import random
from contextlib import suppress
from dataclasses import dataclass, field

from app.core import timing
from app.core.budget import budget_of, cost_of
from app.core.classify import Verdict, classify
from app.core.compiled import Holder
from app.core.foreign import said
from app.core.logging import get_logger
from app.core.metrics import retries_of, retry_budget_refusals_total
from app.core.policies import Policy
from app.core.window import Window, new_window

logger = get_logger(__name__)
RETRIED = "__vtp_retried_by__"
DEEPEST = 8
_layers = itertools.count(1)


class Traffic:
    """Outcomes of the recent calls to a dependency that has no breaker."""

    def __init__(self) -> None:
        self.window: Window | None = new_window()


@dataclass(frozen=True, slots=True)
class Layer:
    """One protected function: its policy, what keeps its calls' outcomes, and a number to know it by.

    `dependency` is what its calls go to: all layers of a dependency share one retry budget.
    """

    name: str
    policy: Policy
    dependency: str
    holder: Holder
    rng: random.Random
    number: int = field(default_factory=lambda: next(_layers))


class Turns:
    """Counts the tries of one call, and says how long to wait before the next, or that it is over."""

    __slots__ = ("layer", "tries")

    def __init__(self, layer: Layer) -> None:
        self.layer = layer
        self.tries = 1

    def wait(self, error: BaseException) -> float | None:
        """Seconds to wait before the next try after `error`; None where there is none."""
        layer, verdict = self.layer, classify(error)
        if not verdict.retryable or _retried_within(error, layer.number):
            return None
        window = layer.holder.window
        seconds = self._seconds(verdict)
        if self.tries >= layer.policy.attempts:
            self.give_up(error, "exhausted")
        elif window is None:
            self.give_up(error, "breaker open")
        elif seconds is None:
            self.give_up(error, "deadline")
        elif not budget_of(layer.dependency).take(window, cost_of(verdict)):
            retry_budget_refusals_total.labels(dependency=layer.policy.name).inc()
            logger.warning("retry budget exhausted", call=layer.name, dependency=layer.dependency, error=said(error))
            self.give_up(error, "budget")
        else:
            retries_of(layer.policy.name, "retried").inc()
            logger.info("trying again", call=layer.name, tries=self.tries, wait_s=round(seconds, 2), error=said(error))
            self.tries += 1
            return seconds
        return None

    def give_up(self, error: BaseException, why: str) -> None:
        """Ends the call for a reason: counted, and noted on the exception, so that no layer outside tries again."""
        layer = self.layer
        retries_of(layer.policy.name, why).inc()
        # A class may forbid new attributes, as frozen dataclasses do; its errors go without.
        with suppress(AttributeError, TypeError):
            error.add_note(f"{layer.name}: gave up after {self.tries} of {layer.policy.attempts} tries ({why})")
            setattr(error, RETRIED, layer.number)

    def _seconds(self, verdict: Verdict) -> float | None:
        """The wait: drawn within the policy's bounds, longer where the other side asks for it, shorter where the deadline
        comes before; None where the deadline leaves no time for another try."""
        policy = self.layer.policy
        low, high = policy.bounds(self.tries)
        own = self.layer.rng.uniform(low, high)
        # The other side's wish counts within reason: at most one longest wait more than our own.
        asked = min(verdict.retry_after or 0.0, own + policy.longest_wait)
        seconds = max(own, asked)
        left = timing.remaining()
        if left is None or seconds < left:
            return seconds
        shortest = max(low, asked)
        return shortest if shortest < left else None


def _retried_within(error: BaseException, number: int) -> bool:
    """Whether another layer, further in, has already tried `error`, or what it was made from, again.

    One layer retries; two would multiply. A layer's own mark is of an earlier call that raised the same object.
    """
    cause: BaseException | None = error
    for _ in range(DEEPEST):
        if cause is None:
            return False
        if getattr(cause, RETRIED, number) != number:
            return True
        cause = cause.__cause__
    return False
