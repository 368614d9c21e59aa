"""A circuit breaker for sync and async calls.

After `failure_threshold` failures in a row it refuses calls for `recovery_timeout` seconds, then lets one probe through:
its success closes the breaker, its failure opens it again. A probe that is cancelled gives its permit back; one that hangs
loses it after `recovery_timeout`. Results of calls that began before the last change of state count for nothing.
"""

import inspect
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from app.core.classify import classify
from app.core.errors import CircuitOpenError
from app.core.timing import current

CLOSED, OPEN, HALF_OPEN = "CLOSED", "OPEN", "HALF_OPEN"


class CircuitBreaker:
    """Refuses calls to something that keeps failing.

    Exceptions that are not of `expected_exception`, the user's own errors and cancellations are neutral: they neither
    count as failures nor as successes.
    """

    def __init__(
        self,
        failure_threshold: int = 5,
        recovery_timeout: float = 60,
        expected_exception: type[BaseException] | tuple[type[BaseException], ...] = Exception,
        *,
        name: str = "",
        on_change: Callable[["CircuitBreaker", str], None] | None = None,
    ) -> None:
        self.failure_threshold = failure_threshold
        self.recovery_timeout = recovery_timeout
        self.expected_exception = expected_exception
        self.name = name
        self.on_change = on_change
        self.failure_count = 0
        self._state = CLOSED
        self._generation = 0
        self._until = 0.0
        self._isolated = False
        self._lock = threading.Lock()

    @property
    def state(self) -> str:
        """CLOSED, OPEN or HALF_OPEN."""
        return self._state

    @property
    def retry_after(self) -> float:
        """Seconds until the next probe may pass; 0 while closed."""
        return 0.0 if self._state == CLOSED else max(0.0, self._until - current().monotonic())

    def call(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """The result of `func`; where `func` is async, an awaitable whose outcome is what counts.

        Raises:
            CircuitOpenError: the breaker refuses the call; `retry_after` says for how long.
        """
        generation = self._generation if self._state == CLOSED else self._admit(func)
        try:
            result = func(*args, **kwargs)
        except BaseException as error:
            self._failed(generation, error)
            raise
        if inspect.isawaitable(result):
            return self._outcome(result, generation)
        self._succeeded(generation)
        return result

    async def _outcome(self, pending: Awaitable[Any], generation: int) -> Any:
        try:
            result = await pending
        except BaseException as error:
            self._failed(generation, error)
            raise
        self._succeeded(generation)
        return result

    def _admit(self, func: Callable[..., Any]) -> int:
        """The permit of the single probe once the time is over; a refusal otherwise."""
        with self._lock:
            now = current().monotonic()
            if self._state == CLOSED:
                return self._generation
            if self._isolated or now < self._until:
                name = self.name or getattr(func, "__name__", "service")
                raise CircuitOpenError(name, max(0.0, self._until - now) if not self._isolated else None)
            self._change(HALF_OPEN, now + self.recovery_timeout)
            return self._generation

    def _succeeded(self, generation: int) -> None:
        if generation == self._generation and (self.failure_count or self._state != CLOSED):
            with self._lock:
                if generation == self._generation:
                    self.failure_count = 0
                    if self._state == HALF_OPEN:
                        self._change(CLOSED, 0.0)

    def _failed(self, generation: int, error: BaseException) -> None:
        counts = isinstance(error, self.expected_exception) and classify(error).counts == "failure"
        with self._lock:
            if generation != self._generation:
                return
            now = current().monotonic()
            if not counts:
                if self._state == HALF_OPEN:
                    self._change(OPEN, now)
                return
            self.failure_count += 1
            if self._state == HALF_OPEN or self.failure_count >= self.failure_threshold:
                self._change(OPEN, now + self.recovery_timeout)

    def _change(self, state: str, until: float) -> None:
        # A new generation makes results of earlier calls meaningless, in either direction.
        self._generation += 1
        self._state, self._until = state, until
        if self.on_change is not None:
            self.on_change(self, state)

    def isolate(self) -> None:
        """Refuses all calls until `reset`."""
        with self._lock:
            self._isolated = True
            self._change(OPEN, float("inf"))

    def reset(self) -> None:
        """Closes the breaker and forgets what was counted."""
        with self._lock:
            self._isolated = False
            self.failure_count = 0
            self._change(CLOSED, 0.0)
