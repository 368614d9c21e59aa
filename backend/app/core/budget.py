"""A bound on retries: an outage must not be multiplied by those who ask again."""

import threading

from app.core import timing
from app.core.classify import Verdict
from app.core.window import Window

SHARE = 0.1
BURST = 3
SECONDS = 10.0
THROTTLED = 5 / 14
"""What a retry costs after an answer that only asks for patience: it spares the other side most of the work."""


def share_among(processes: int) -> None:
    """Each of so many processes that call the same dependencies takes its part of the burst, so that all together retry no
    more than one would; the share of recent calls adds up by itself."""
    global _sharers  # noqa: PLW0603 - one number of this process
    _sharers = max(1, processes)


def cost_of(verdict: Verdict) -> float:
    """What a retry after such a failure takes from the burst: less where the dependency itself did not fail."""
    return 1.0 if verdict.counts == "failure" else THROTTLED


class RetryBudget:
    """Allows retries up to `share` of the recent calls, and `burst` more in `seconds`.

    The recent calls are the window of outcomes that the calls leave behind anyway, so a success costs nothing here.
    """

    def __init__(self, share: float = SHARE, burst: int = BURST, seconds: float = SECONDS) -> None:
        self.share, self.burst, self.seconds = share, burst, seconds
        self._tokens = float(burst)
        self._at = timing.current().monotonic()
        self._lock = threading.Lock()

    def take(self, window: Window, cost: float = 1.0) -> bool:
        """Whether one more retry is allowed now; it is noted in the window, or paid with `cost` from the burst."""
        with self._lock:
            retries = window.count(None)
            # A retry leaves at most two marks: that it was begun, and its outcome. The rest are calls, or fewer.
            calls = len(window) - 2 * retries
            if retries + 1 > self.share * calls and not self._pay(cost):
                return False
            window.append(None)
            return True

    def _pay(self, cost: float) -> bool:
        now = timing.current().monotonic()
        burst = self.burst / _sharers
        # Whoever has less than one token could never pay; only how fast they come back is divided then.
        self._tokens = min(max(burst, min(1.0, self.burst)), self._tokens + burst * max(0.0, now - self._at) / self.seconds)
        self._at = now
        if self._tokens < cost:
            return False
        self._tokens -= cost
        return True


_shared: dict[str, RetryBudget] = {}
_sharers = 1


def budget_of(dependency: str) -> RetryBudget:
    """The budget that all calls to a dependency share; within `timing.testing` one of its own."""
    budgets = timing.current().scoped
    if budgets is None:
        budgets = _shared
    budget: RetryBudget | None = budgets.get(dependency)
    # Of two threads that come first, both get the same.
    return budget if budget is not None else budgets.setdefault(dependency, RetryBudget())
