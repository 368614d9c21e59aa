"""Trying again: decorators for sync and async functions, by the policies of `app.core.policies`.

The first attempt runs outside this machinery (`app.core.compiled`). After a failure that may pass by itself the call is
tried again after a wait with full jitter within the policy's bounds, as far as attempts, deadline, retry budget and
breaker allow. In the end the original exception is raised, with the attempts noted on it.

`retrying` only retries; `protect` also asks the dependency's circuit breaker, which counts every attempt.
"""

import asyncio
import inspect
import random
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar, cast

from app.core import policies, timing
from app.core.budget import budget_of
from app.core.circuit_breaker import CircuitBreaker, Ticket, Window
from app.core.classify import Verdict, classify
from app.core.compiled import Holder, wrapper
from app.core.errors import CircuitOpenError
from app.core.errors import TimeoutError as OperationTimeout
from app.core.logging import get_logger
from app.core.metrics import retries_total

P = ParamSpec("P")
R = TypeVar("R")
Decorator = Callable[[Callable[P, R]], Callable[P, R]]
Args = tuple[Any, ...]
Kwargs = dict[str, Any]
logger = get_logger(__name__)
RETRIED = "__vtp_retried__"
CUT_TOLERANCE = 0.005


class _Traffic:
    """Outcomes of the recent calls to a dependency that has no breaker."""

    def __init__(self) -> None:
        self.window: Window | None = Window(maxlen=200)


_traffic: dict[str, _Traffic] = {}


class _Turns:
    """The tries after the first of one call: says how long to wait, or that it is over."""

    def __init__(self, call: "_Protected") -> None:
        self.call = call
        self.tries = 1

    def wait(self, error: BaseException) -> float | None:
        """Seconds to wait before the next try; None where there is none."""
        policy, verdict = self.call.policy, classify(error)
        if not verdict.retryable or _was_retried(error):
            return None
        seconds = self._seconds(verdict)
        left = timing.remaining()
        window = self.call.holder.window
        if self.tries >= policy.attempts:
            why = "exhausted"
        elif window is None:
            why = "breaker open"
        elif left is not None and seconds >= left:
            why = "deadline"
        elif not budget_of(policy.name).take(window):
            why = "budget"
        else:
            retries_total.labels(dependency=policy.name, outcome="retried").inc()
            logger.info("trying again", call=self.call.name, tries=self.tries, wait_s=round(seconds, 2), error=str(error))
            self.tries += 1
            return seconds
        retries_total.labels(dependency=policy.name, outcome=why).inc()
        error.add_note(f"{self.call.name}: gave up after {self.tries} of {policy.attempts} tries ({why})")
        if _layers() > 1:
            with suppress(AttributeError, TypeError):
                setattr(error, RETRIED, True)
        return None

    def _seconds(self, verdict: Verdict) -> float:
        low, high = self.call.policy.bounds(self.tries)
        own = self.call.rng.uniform(low, high)
        # A server's wish counts within reason: never less than our own wait, never more than one longest wait on top.
        return min(max(own, verdict.retry_after or 0.0), own + self.call.policy.longest_wait)


def _layers() -> int:
    """How many retrying wrappers the running call goes through."""
    count, frame = 0, sys._getframe()  # noqa: SLF001 - the interpreter's only way to see its own stack cheaply
    while frame is not None:
        count += bool(frame.f_globals.get("__retries__"))
        frame = cast("Any", frame.f_back)
    return count


def _was_retried(error: BaseException) -> bool:
    """Whether an inner layer has tried `error` again already: one layer retries, they do not multiply."""
    if not getattr(error, RETRIED, False):
        return False
    if _layers() <= 1:
        delattr(error, RETRIED)
    return True


class _Protected:
    """Carries out the calls of one protected function that may not simply pass, or failed."""

    retries = True

    def __init__(
        self, function: Callable[..., Any], policy: policies.Policy, breaker: CircuitBreaker | None, rng: random.Random
    ) -> None:
        self.function, self.policy, self.breaker, self.rng = function, policy, breaker, rng
        self.name = getattr(function, "__qualname__", repr(function))
        self.holder: Holder = breaker if breaker is not None else _traffic.setdefault(policy.name, _Traffic())

    def enter(self) -> Ticket:
        """Leave for one attempt.

        Raises:
            CircuitOpenError: the breaker refuses it.
        """
        window = self.holder.window
        return window if window is not None else cast("CircuitBreaker", self.breaker).acquire(self.name)

    def settle(self, ticket: Ticket, error: BaseException | None = None) -> None:
        """Takes the outcome of an attempt; one that the deadline cut is a time-out of the other side's."""
        if isinstance(error, asyncio.CancelledError):
            left = timing.remaining()
            error = TimeoutError() if left is not None and left <= CUT_TOLERANCE else error
        if self.breaker is not None:
            self.breaker.settle(ticket, error)
        elif isinstance(ticket, deque):
            ticket.append(error is None)

    def give_up(self, error: BaseException) -> None:
        """The end of a call: its last exception, or None where the policy bears the loss of it."""
        if self.policy.give_up == "none" and classify(error).retryable:
            retries_total.labels(dependency=self.policy.name, outcome="gave none").inc()
            logger.warning("given up, going on without", call=self.name, error=str(error))
            return
        raise error

    def out_of_time(self) -> OperationTimeout:
        """The error of a call that the deadline ended."""
        retries_total.labels(dependency=self.policy.name, outcome="deadline").inc()
        return OperationTimeout(self.name, 0)


class _Sync(_Protected):
    def guarded(self, args: Args, kwargs: Kwargs) -> Any:
        """The first attempt of a call that needs leave, or has a deadline."""
        if timing.remaining() == 0:
            return self.give_up(self.out_of_time())
        ticket = self.enter()
        try:
            result = self.function(*args, **kwargs)
        except BaseException as error:
            return self.failed(ticket, error, args, kwargs)
        self.settle(ticket)
        return result

    def failed(self, ticket: Ticket, error: BaseException, args: Args, kwargs: Kwargs) -> Any:
        """The tries after the first."""
        self.settle(ticket, error)
        turns = _Turns(self)
        while (seconds := turns.wait(error)) is not None:
            if seconds > 0:
                timing.current().sleep(seconds)
            try:
                ticket = self.enter()
            except CircuitOpenError:
                break
            try:
                result = self.function(*args, **kwargs)
            except BaseException as failure:
                self.settle(ticket, failure)
                error = failure
            else:
                self.settle(ticket)
                return result
        try:
            return self.give_up(error)
        finally:
            # The exception knows this frame; a frame that knows the exception would keep both alive.
            del error


class _Async(_Protected):
    async def guarded(self, args: Args, kwargs: Kwargs) -> Any:
        """The first attempt of a call that needs leave, or has a deadline; one timer cuts the whole call."""
        left = timing.remaining()
        if left is None:
            return await self._first(args, kwargs)
        if left == 0:
            return self.give_up(self.out_of_time())
        try:
            async with asyncio.timeout(left) as limit:
                return await self._first(args, kwargs)
        except TimeoutError as error:
            if not limit.expired():
                raise
            cut = self.out_of_time()
            cut.__cause__ = error
        return self.give_up(cut)

    async def _first(self, args: Args, kwargs: Kwargs) -> Any:
        ticket = self.enter()
        try:
            result = await self.function(*args, **kwargs)
        except BaseException as error:
            return await self.failed(ticket, error, args, kwargs)
        self.settle(ticket)
        return result

    async def failed(self, ticket: Ticket, error: BaseException, args: Args, kwargs: Kwargs) -> Any:
        """The tries after the first."""
        self.settle(ticket, error)
        turns = _Turns(self)
        while (seconds := turns.wait(error)) is not None:
            if seconds > 0:
                await timing.current().async_sleep(seconds)
            try:
                ticket = self.enter()
            except CircuitOpenError:
                break
            try:
                result = await self.function(*args, **kwargs)
            except BaseException as failure:
                self.settle(ticket, failure)
                error = failure
            else:
                self.settle(ticket)
                return result
        try:
            return self.give_up(error)
        finally:
            # The exception knows this frame; a frame that knows the exception would keep both alive.
            del error


def _decorator(policy: policies.Policy, breaker: CircuitBreaker | None, rng: random.Random | None) -> Decorator[P, R]:
    source = rng or random.Random()  # noqa: S311 - jitter, no secret

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        kind = _Async if inspect.iscoroutinefunction(function) else _Sync
        return cast("Callable[P, R]", wrapper(function, kind(function, policy, breaker, source)))

    return decorate


def retrying(policy: policies.Policy, *, rng: random.Random | None = None) -> Decorator[P, R]:
    """A decorator that tries a function again as `policy` says; sync and async functions alike."""
    return _decorator(policy, None, rng)


def protect(
    policy: policies.Policy, *, breaker: CircuitBreaker | None = None, rng: random.Random | None = None
) -> Decorator[P, R]:
    """A decorator with everything `policy` says: retries, and the integration's breaker where the policy has one.

    All functions protected by a policy share one breaker, unless `breaker` is given.
    """
    if breaker is None and policy.breaker_after is not None:
        breaker = policies.shared_breaker(policy)
    return _decorator(policy, breaker, rng)


def retry_on_transient_error() -> Decorator[P, R]:
    """Retry on transient errors with exponential back-off: 3 attempts, waits of 2 to 10 s."""
    return retrying(policies.DEFAULT)


def retry_trainer_service() -> Decorator[P, R]:
    """Retry policy for trainer service calls."""
    return retrying(policies.TRAINER)


def retry_mlflow() -> Decorator[P, R]:
    """Retry policy for MLflow calls; the result is None where MLflow stays away: no training fails for it."""
    return retrying(policies.MLFLOW)


def retry_s3() -> Decorator[P, R]:
    """Retry policy for object storage operations."""
    return retrying(policies.STORAGE)


def retry_temporal() -> Decorator[P, R]:
    """Retry policy for Temporal operations."""
    return retrying(policies.TEMPORAL)


def retry_database() -> Decorator[P, R]:
    """Retry policy for database transactions; only where the database says that trying again is safe."""
    return retrying(policies.DATABASE)


def retry_llm() -> Decorator[P, R]:
    """Retry policy for calls to language models."""
    return retrying(policies.LLM)
