"""Trying again: one decorator for sync and async functions, by the policies of `app.core.policies`.

The first attempt costs one frame. After a failure that may pass by itself the call is tried again after a wait with full
jitter within the policy's bounds, as far as deadline and retry budget allow. The original exception is raised in the end,
with the tries noted on it.
"""

import asyncio
import functools
import inspect
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar, cast

from app.core import policies, timing
from app.core.classify import Verdict, classify
from app.core.errors import TimeoutError as OperationTimeout
from app.core.logging import get_logger
from app.core.metrics import retries_total

P = ParamSpec("P")
R = TypeVar("R")
logger = get_logger(__name__)
DEFAULT = policies.Policy("default", 3, 2, 10, None)
RETRIED = "__vtp_retried__"


class RetryBudget:
    """Keeps an outage from being multiplied: retries up to `share` of calls, and `burst` more in `window` seconds."""

    def __init__(self, share: float = 0.1, burst: int = 3, window: float = 10.0) -> None:
        self.share, self.burst, self.window = share, burst, window
        self.calls = 0
        self._counted = 0
        self._tokens = float(burst)
        self._at = timing.current().monotonic()

    def take(self) -> bool:
        """Whether one more retry is allowed now; it is paid for."""
        now = timing.current().monotonic()
        earned = self.share * (self.calls - self._counted) + self.burst * max(0.0, now - self._at) / self.window
        self._counted, self._at = self.calls, now
        self._tokens = min(self._tokens + earned, self.burst + self.share * 1000)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


_budgets: dict[str, RetryBudget] = {}


def budget_of(dependency: str) -> RetryBudget:
    """The budget that all calls to a dependency share; within `timing.testing` a full one for each call."""
    if timing.current() is not timing.REAL:
        return RetryBudget()
    return _budgets.setdefault(dependency, RetryBudget())


class _Round:
    """The tries after the first of one call: says how long to wait, or that it is over."""

    def __init__(self, policy: policies.Policy, name: str, rng: random.Random) -> None:
        self.policy, self.name, self.rng = policy, name, rng
        self.tries = 1
        self.budget = budget_of(policy.name)

    def wait(self, error: BaseException) -> float | None:
        """Seconds to wait before the next try; None where there is none."""
        verdict = classify(error)
        if not verdict.retryable or getattr(error, RETRIED, False):
            return None
        if self.tries >= self.policy.attempts:
            self._over(error, "exhausted")
            return None
        seconds = self._seconds(verdict)
        left = timing.remaining()
        if left is not None and seconds >= left:
            self._over(error, "deadline")
            return None
        if not self.budget.take():
            self._over(error, "budget")
            return None
        retries_total.labels(dependency=self.policy.name, outcome="retried").inc()
        logger.info("trying again", call=self.name, tries=self.tries, wait_s=round(seconds, 2), error=str(error))
        self.tries += 1
        return seconds

    def _seconds(self, verdict: Verdict) -> float:
        low, high = self.policy.bounds(self.tries)
        own = self.rng.uniform(low, high)
        # A server's wish counts within reason: never less than our own wait, never more than one longest wait on top.
        return min(max(own, verdict.retry_after or 0.0), own + self.policy.longest_wait)

    def _over(self, error: BaseException, why: str) -> None:
        retries_total.labels(dependency=self.policy.name, outcome=why).inc()
        error.add_note(f"{self.name}: gave up after {self.tries} of {self.policy.attempts} tries ({why})")
        # One layer retries: an outer one sees that this was done.
        with suppress(AttributeError):
            setattr(error, RETRIED, True)


async def _cut(pending: Awaitable[R], name: str) -> R:
    """Awaits an attempt no longer than the deadline allows."""
    left = timing.remaining()
    if left is None:
        return await pending
    try:
        async with asyncio.timeout(left) as scope:
            return await pending
    except TimeoutError as error:
        if scope.expired():
            raise OperationTimeout(name, round(left, 3)) from error
        raise


class _Caller:
    """Carries out the calls of one decorated function."""

    def __init__(self, function: Callable[..., Any], policy: policies.Policy, rng: random.Random) -> None:
        self.function, self.policy, self.rng = function, policy, rng
        self.name = getattr(function, "__qualname__", repr(function))

    def again(self, error: Exception, args: Any, kwargs: Any) -> Any:
        """The tries after the first."""
        turn = _Round(self.policy, self.name, self.rng)
        while (seconds := turn.wait(error)) is not None:
            timing.current().sleep(seconds)
            try:
                return self.function(*args, **kwargs)
            except Exception as failure:
                error = failure
        return self.given_up(error)

    async def again_async(self, error: Exception, args: Any, kwargs: Any) -> Any:
        """The tries after the first, of an async function."""
        turn = _Round(self.policy, self.name, self.rng)
        while (seconds := turn.wait(error)) is not None:
            await timing.current().async_sleep(seconds)
            try:
                return await _cut(self.function(*args, **kwargs), self.name)
            except Exception as failure:
                error = failure
        return self.given_up(error)

    def given_up(self, error: Exception) -> None:
        """The end of a call: its last exception, or None where the policy bears the loss of it."""
        if self.policy.give_up == "none" and classify(error).retryable:
            retries_total.labels(dependency=self.policy.name, outcome="gave none").inc()
            logger.warning("given up, going on without", call=self.name, error=str(error))
            return
        raise error


def retrying(policy: policies.Policy, *, rng: random.Random | None = None) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator that tries a function again as `policy` says; sync and async functions alike."""
    source = rng or random.Random()  # noqa: S311 - jitter, no secret

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        caller = _Caller(function, policy, source)
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def call_async(*args: P.args, **kwargs: P.kwargs) -> Any:
                budget_of(policy.name).calls += 1
                try:
                    return await _cut(function(*args, **kwargs), caller.name)
                except Exception as error:
                    first = error
                return await caller.again_async(first, args, kwargs)

            return cast("Callable[P, R]", call_async)

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> Any:
            budget_of(policy.name).calls += 1
            try:
                return function(*args, **kwargs)
            except Exception as error:
                first = error
            return caller.again(first, args, kwargs)

        return cast("Callable[P, R]", call)

    return decorate


def retry_on_transient_error() -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Retry on transient errors with exponential back-off: 3 attempts, waits of 2 to 10 s."""
    return retrying(DEFAULT)


def retry_trainer_service() -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Retry policy for trainer service calls."""
    return retrying(policies.TRAINER)


def retry_mlflow() -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Retry policy for MLflow calls; the result is None where MLflow stays away: no training fails for it."""
    return retrying(policies.MLFLOW)


def retry_s3() -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Retry policy for object storage operations."""
    return retrying(policies.STORAGE)


def retry_temporal() -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Retry policy for Temporal operations."""
    return retrying(policies.TEMPORAL)


def retry_database() -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Retry policy for database transactions; only where the database says that trying again is safe."""
    return retrying(policies.DATABASE)


def retry_llm() -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Retry policy for calls to language models."""
    return retrying(policies.LLM)
