"""A circuit breaker for sync and async calls.

After `failure_threshold` failures in a row (or too large a share of failures, where one is given) it refuses calls for
`recovery_timeout` seconds, then lets a probe through: its success closes the breaker, its failure opens it again. A probe
that is cancelled gives its permit back; one that hangs loses it after `recovery_timeout`. Results of calls that began before
the last change of state count for nothing.

While it is closed, `window` is the list of recent outcomes; otherwise it is None. So a call reads one slot to learn
that it may pass, adds its outcome with one atomic append, and takes no lock and no clock unless it fails. Every closing
starts a new window: a late result lands in a list that nobody reads any more.
"""

import random
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec, TypeVar, cast

from app.core import breakers
from app.core.classify import classify
from app.core.classify_rules import Counts
from app.core.errors import CircuitOpenError
from app.core.guard import guarded
from app.core.logging import get_logger
from app.core.metrics import breaker_changes_total, contained
from app.core.timing import current
from app.core.window import Window, in_a_row, is_bad, new_window

CLOSED, OPEN, HALF_OPEN = "CLOSED", "OPEN", "HALF_OPEN"
P = ParamSpec("P")
R = TypeVar("R")
JITTER = 0.1
"""By how much of itself a grown time to stay open may be longer, so that many processes do not probe at once."""

logger = get_logger(__name__)
_rng = random.Random()  # noqa: S311 - jitter, no secret


class Permit:
    """Leave for one probe, until `lapses` on the breaker's clock."""

    __slots__ = ("lapses",)

    def __init__(self, lapses: float) -> None:
        self.lapses = lapses


Ticket = Window | Permit


class CircuitBreaker:
    """Refuses calls to something that keeps failing.

    With the default `expected_exception` the exception's own verdict decides (`app.core.classify`): the user's own errors
    and cancellations are neutral, an answer such as "not found" shows that the other side lives. With a narrower one
    exactly its instances count as failures, and others are neutral. An open breaker's refusal never counts.

    Args:
        failure_threshold: failures in a row that open it.
        recovery_timeout: seconds that it stays open, and that a probe may take before another one may try.
        expected_exception: what counts as a failure.
        name: what refusals, metrics and the list of dependencies call it.
        probes: calls let through at a time while half open.
        successes: successful probes that close it.
        longest_recovery: up to this, each failed round of probes doubles the time it stays open, and a tenth at random.
        failure_rate: with a value, this share of failures among the recent calls opens it too.
        minimum_calls: recent calls below which `failure_rate` says nothing.
        on_change: told the breaker and its new state; it must not wait for calls through it; what it raises is logged.
        clock: seconds on a monotonic clock.
    """

    def __init__(
        self,
        failure_threshold: int = 5,
        recovery_timeout: float = 60,
        expected_exception: type[BaseException] | tuple[type[BaseException], ...] = Exception,
        *,
        name: str = "",
        probes: int = 1,
        successes: int = 1,
        longest_recovery: float | None = None,
        failure_rate: float | None = None,
        minimum_calls: int = 20,
        on_change: Callable[["CircuitBreaker", str], None] | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.failure_threshold = failure_threshold
        self.recovery_timeout = recovery_timeout
        self.expected_exception = expected_exception
        self.name = name
        self.probes = probes
        self.successes = successes
        self.longest_recovery = longest_recovery
        self.failure_rate = failure_rate
        self.minimum_calls = minimum_calls
        self.on_change = on_change
        self.gate: Callable[[CircuitBreaker], bool] | None = None  # asked before each probe: another process may have it
        self.window: Window | None = self._new_window()
        self._clock = clock
        self._state = CLOSED
        self._until = 0.0
        self._tripped_at = 0
        self._rounds = 0
        self._good = 0
        self._permits: set[Permit] = set()
        self._lock = threading.RLock()
        if name:
            breakers.remember(self)

    @property
    def state(self) -> str:
        """CLOSED, OPEN or HALF_OPEN."""
        return self._state

    @property
    def failure_count(self) -> int:
        """Failures in a row, as of now or of when it opened."""
        window = self.window
        return self._tripped_at if window is None else in_a_row(window)

    @property
    def retry_after(self) -> float:
        """Seconds until the next call may pass as a probe; 0 while calls pass."""
        return 0.0 if self._state == CLOSED else max(0.0, self._until - self._now())

    @property
    def isolated(self) -> bool:
        """Whether only `reset` closes it."""
        return self._state == OPEN and self._until == float("inf")

    def describe(self) -> dict[str, Any]:
        """The breaker as the list of dependencies shows it; `retry_after` in seconds, None where only a person closes it."""
        return {
            "name": self.name,
            "state": self._state,
            "failure_count": self.failure_count,
            "failure_threshold": self.failure_threshold,
            "retry_after": None if self.isolated else round(self.retry_after, 3),
            "isolated": self.isolated,
        }

    def call(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """The result of `func`; where `func` is async, an awaitable whose outcome is what counts.

        Raises:
            CircuitOpenError: the breaker refuses the call; `retry_after` says for how long.
        """
        ticket: Ticket | None = self.window
        if ticket is None:
            ticket = self.acquire(getattr(func, "__name__", ""))
        try:
            result = func(*args, **kwargs)
        except BaseException as error:
            self.settle(ticket, error)
            raise
        if hasattr(result, "__await__"):
            return self._watch(ticket, result)
        if isinstance(ticket, deque):
            ticket.append(True)
        else:
            self.settle(ticket)
        return result

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """As a decorator: each call of `function`, sync or async, goes through this breaker."""
        return cast("Callable[P, R]", guarded(self, function))

    async def _watch(self, ticket: Ticket, pending: Awaitable[Any]) -> Any:
        try:
            result = await pending
        except BaseException as error:
            self.settle(ticket, error)
            raise
        self.settle(ticket)
        return result

    def acquire(self, name: str = "") -> Ticket:
        """Leave for one call, to be given to `settle` with its outcome.

        Raises:
            CircuitOpenError: there is none now.
        """
        ticket = self.try_acquire()
        if ticket is None:
            wait = self.retry_after
            # What follows the name's first word may be an address, which is nobody else's business.
            service = self.name.partition(" ")[0] or name or "service"
            raise CircuitOpenError(service, None if wait == float("inf") else wait)
        return ticket

    def try_acquire(self) -> Ticket | None:
        """Leave for one call, None where it is refused; nothing is raised."""
        window = self.window
        if window is not None:
            return window
        if self._now() < self._until and self._state == OPEN:
            return None
        with self._lock:
            return self.window if self.window is not None else self._permit(self._now())

    def _permit(self, now: float) -> Permit | None:
        if self._state == OPEN and now < self._until:
            return None
        self._permits = {permit for permit in self._permits if permit.lapses > now}
        if len(self._permits) >= self.probes or (self.gate is not None and not self.gate(self)):
            return None
        if self._state == OPEN:
            self._good = 0
            self._change(HALF_OPEN)
        permit = Permit(now + self.recovery_timeout)
        self._permits.add(permit)
        full = len(self._permits) >= self.probes
        self._until = min(other.lapses for other in self._permits) if full else now
        return permit

    def settle(self, ticket: Ticket, error: BaseException | None = None) -> None:
        """Takes the outcome of the call that `ticket` was for: it succeeded, or raised `error`."""
        counts: Counts = "success" if error is None else self.judge(error)
        if not isinstance(ticket, Permit):
            if counts != "neutral":
                ticket.append(counts == "success")
            if counts == "failure" and self._too_many(ticket):
                with self._lock:
                    if self.window is ticket:
                        self._trip(in_a_row(ticket))
            return
        with self._lock:
            if ticket not in self._permits:
                return
            self._permits.discard(ticket)
            self._until = self._now()
            if counts == "failure":
                self._rounds += 1
                self._trip(self._tripped_at + 1)
            elif counts == "success":
                self._good += 1
                if self._good >= self.successes:
                    self.reset()

    def judge(self, error: BaseException) -> Counts:
        """What an exception counts as."""
        if isinstance(error, CircuitOpenError):
            return "neutral"
        if self.expected_exception is Exception:
            return classify(error).counts
        return "failure" if isinstance(error, self.expected_exception) else "neutral"

    def _too_many(self, window: Window) -> bool:
        if in_a_row(window) >= self.failure_threshold:
            return True
        return self.failure_rate is not None and is_bad(window, self.failure_rate, self.minimum_calls)

    def _trip(self, failures: int) -> None:
        self._tripped_at = failures
        seconds = self.recovery_timeout
        if self.longest_recovery is not None and self._rounds:
            grown = min(seconds * 2.0 ** min(self._rounds, 32), max(seconds, self.longest_recovery))
            seconds = grown * (1 + _rng.uniform(0, JITTER))
        self._open(self._now() + seconds)

    def _open(self, until: float) -> None:
        self._until = until
        self._permits.clear()
        self.window = None
        self._change(OPEN)

    def isolate(self) -> None:
        """Refuses all calls until `reset`."""
        self.open_for(float("inf"))

    def open_for(self, seconds: float) -> None:
        """Refuses all calls for so long, by other knowledge than its own calls'."""
        with self._lock:
            self._tripped_at = self.failure_count
            self._open(self._now() + seconds)

    def reset(self) -> None:
        """Closes the breaker and forgets what was counted."""
        with self._lock:
            self._permits.clear()
            self._until, self._rounds, self._tripped_at = 0.0, 0, 0
            self.window = self._new_window()
            self._change(CLOSED)

    def _change(self, state: str) -> None:
        before, self._state = self._state, state
        if state == before:
            return
        breaker_changes_total.labels(dependency=breakers.label_of(self.name), state=state).inc()
        logger.warning("breaker", breaker=self.name, state=state, before=before, failures=self._tripped_at)
        if self.on_change is not None:
            # An observer's mistake must not replace the error of the call that opened the breaker.
            with contained("breaker observer"):
                self.on_change(self, state)

    def _new_window(self) -> Window:
        return new_window(4 * self.failure_threshold)

    def _now(self) -> float:
        return self._clock() if self._clock is not None else current().monotonic()
