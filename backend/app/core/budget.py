"""A bound on retries: an outage must not be multiplied by those who ask again."""

import threading

from app.core import timing
from app.core.circuit_breaker import Window

SHARE = 0.1
BURST = 3
SECONDS = 10.0


class RetryBudget:
    """Allows retries up to `share` of the recent calls, and `burst` more in `seconds`.

    The recent calls are the window of outcomes that the calls leave behind anyway, so a success costs nothing here.
    """

    def __init__(self, share: float = SHARE, burst: int = BURST, seconds: float = SECONDS) -> None:
        self.share, self.burst, self.seconds = share, burst, seconds
        self.window: Window = Window(maxlen=200)
        self._tokens = float(burst)
        self._at = timing.current().monotonic()
        self._lock = threading.Lock()

    def take(self, window: Window | None = None) -> bool:
        """Whether one more retry is allowed now; it is noted in the window, or paid from the burst."""
        recent = self.window if window is None else window
        with self._lock:
            retries = recent.count(None)
            # Every retry left two marks: that it was begun, and its outcome. The rest are calls.
            calls = len(recent) - 2 * retries
            if retries + 1 > self.share * calls and not self._pay():
                return False
            recent.append(None)
            return True

    def _pay(self) -> bool:
        now = timing.current().monotonic()
        self._tokens = min(self.burst, self._tokens + self.burst * max(0.0, now - self._at) / self.seconds)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


_shared: dict[str, RetryBudget] = {}


def budget_of(dependency: str) -> RetryBudget:
    """The budget that all calls to a dependency share; within `timing.testing` one of its own."""
    budgets = timing.current().scoped
    if budgets is None:
        budgets = _shared
    budget: RetryBudget = budgets.setdefault(dependency, RetryBudget())
    return budget
