"""A circuit breaker for sync and async calls.

After `failure_threshold` failures in a row it refuses calls for `recovery_timeout` seconds, then lets a probe through:
its success closes the breaker, its failure opens it again. A probe that is cancelled gives its permit back; one that hangs
loses it after `recovery_timeout`. Results of calls that began before the last change of state count for nothing.

While it is closed, `window` is the list of recent outcomes; otherwise `window` is None. So a call reads one slot to learn
that it may pass, adds its outcome with one atomic append, and takes no lock and no clock unless it fails. Every closing
starts a new window: a late result lands in a list that nobody reads any more.
"""

import threading
import weakref
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec, TypeVar, cast

from app.core.classify import classify
from app.core.classify_rules import Counts
from app.core.errors import CircuitOpenError
from app.core.guard import guarded
from app.core.logging import get_logger
from app.core.metrics import breaker_changes_total, contained
from app.core.timing import current

CLOSED, OPEN, HALF_OPEN = "CLOSED", "OPEN", "HALF_OPEN"
P = ParamSpec("P")
R = TypeVar("R")
Window = deque[bool | None]
"""Outcomes of recent calls: True a success, False a failure, None a retry that was begun."""
WINDOW = 200

logger = get_logger(__name__)
_named: "weakref.WeakValueDictionary[str, CircuitBreaker]" = weakref.WeakValueDictionary()


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
        longest_recovery: with a value, each failed round of probes doubles the time it stays open, up to this.
        on_change: called with the breaker and its new state; an exception from it is logged, never raised.
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
        self.on_change = on_change
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
            _named[name] = self

    @property
    def state(self) -> str:
        """CLOSED, OPEN or HALF_OPEN."""
        return self._state

    @property
    def failure_count(self) -> int:
        """Failures in a row, as of now or of when it opened."""
        window = self.window
        return self._tripped_at if window is None else _in_a_row(window)

    @property
    def retry_after(self) -> float:
        """Seconds until the next probe may pass; 0 while closed."""
        return 0.0 if self._state == CLOSED else max(0.0, self._until - self._now())

    @property
    def isolated(self) -> bool:
        """Whether it was opened by hand."""
        return self._state == OPEN and self._until == float("inf")

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
            raise CircuitOpenError(self.name or name or "service", None if wait == float("inf") else wait)
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
        if self._state == OPEN:
            if now < self._until:
                return None
            self._permits.clear()
            self._good = 0
            self._change(HALF_OPEN)
        self._permits = {permit for permit in self._permits if permit.lapses > now}
        if len(self._permits) >= self.probes:
            return None
        permit = Permit(now + self.recovery_timeout)
        self._permits.add(permit)
        self._until = min(other.lapses for other in self._permits)
        return permit

    def settle(self, ticket: Ticket, error: BaseException | None = None) -> None:
        """Takes the outcome of the call that `ticket` was for: it succeeded, or raised `error`."""
        counts: Counts = "success" if error is None else self.judge(error)
        if not isinstance(ticket, Permit):
            if counts != "neutral":
                ticket.append(counts == "success")
            if counts == "failure" and _in_a_row(ticket) >= self.failure_threshold:
                with self._lock:
                    if self.window is ticket:
                        self._trip(_in_a_row(ticket))
            return
        with self._lock:
            if ticket not in self._permits:
                return
            self._permits.discard(ticket)
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

    def _trip(self, failures: int) -> None:
        self._tripped_at = failures
        seconds = self.recovery_timeout
        if self.longest_recovery is not None:
            seconds = min(seconds * 2.0 ** min(self._rounds, 32), max(seconds, self.longest_recovery))
        self._open(self._now() + seconds)

    def _open(self, until: float) -> None:
        self._until = until
        self._permits.clear()
        self.window = None
        self._change(OPEN)

    def isolate(self) -> None:
        """Refuses all calls until `reset`."""
        with self._lock:
            self._tripped_at = self.failure_count
            self._open(float("inf"))

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
        label = self.name.partition(" ")[0] or "unnamed"
        breaker_changes_total.labels(dependency=label, state=state).inc()
        logger.warning("breaker", breaker=self.name, state=state, before=before, failures=self._tripped_at)
        if self.on_change is not None:
            # An observer's mistake must not replace the error of the call that opened the breaker.
            with contained("breaker observer"):
                self.on_change(self, state)

    def _new_window(self) -> Window:
        return deque(maxlen=max(WINDOW, 4 * self.failure_threshold))

    def _now(self) -> float:
        return self._clock() if self._clock is not None else current().monotonic()


def _in_a_row(window: Window) -> int:
    """Failures since the last success."""
    failures = 0
    for outcome in reversed(list(window)):
        if outcome is True:
            break
        failures += outcome is False
    return failures


def known_breakers() -> list[CircuitBreaker]:
    """The named breakers of this process, by name."""
    return [breaker for _, breaker in sorted(_named.items())]
