"""Trying again: decorators for sync and async functions, by the policies of `app.core.policies`.

The first attempt runs outside this machinery (`app.core.compiled`). After a failure that may pass by itself the call is
tried again after a wait with full jitter within the policy's bounds, as far as attempts, deadline, retry budget and
breaker allow. In the end the original exception is raised, with the attempts noted on it.

`retrying` only retries; `protect` also asks the dependency's circuit breaker, which counts every attempt.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from app.core import policies, timing
from app.core.circuit_breaker import CircuitBreaker, Ticket
from app.core.classify import classify
from app.core.compiled import is_async, wrapper
from app.core.errors import CircuitOpenError
from app.core.errors import TimeoutError as OperationTimeout
from app.core.foreign import said
from app.core.logging import get_logger
from app.core.metrics import retries_of
from app.core.turns import Layer, Traffic, Turns
from app.core.window import Window

P = ParamSpec("P")
R = TypeVar("R")
Decorator = Callable[[Callable[P, R]], Callable[P, R]]
Args = tuple[Any, ...]
Kwargs = dict[str, Any]
logger = get_logger(__name__)
CUT_TOLERANCE = 0.005
"""Seconds by which the timers of nested calls with one deadline may differ."""
_traffic: dict[str, Traffic] = {}


class _Protected:
    """Carries out the calls of one protected function that may not simply pass, or failed."""

    def __init__(
        self, function: Callable[..., Any], policy: policies.Policy, breaker: CircuitBreaker | None, rng: random.Random
    ) -> None:
        self.function, self.policy, self.breaker = function, policy, breaker
        self.holder = breaker if breaker is not None else _traffic.setdefault(policy.name, Traffic())
        self.name = getattr(function, "__qualname__", None) or type(function).__qualname__
        dependency = (breaker.name if breaker is not None else "") or policy.name
        self.layer = Layer(self.name, policy, dependency, self.holder, rng)

    def enter(self) -> Ticket:
        """Leave for one attempt.

        Raises:
            CircuitOpenError: the breaker refuses it.
        """
        window = self.holder.window
        return window if window is not None else cast("CircuitBreaker", self.breaker).acquire(self.name)

    def settle(self, ticket: Ticket, error: BaseException | None = None, limit: asyncio.Timeout | None = None) -> None:
        """Takes the outcome of an attempt; one that the deadline's timer cut is a time-out of the other side's."""
        if isinstance(error, asyncio.CancelledError) and _cut(limit):
            error = TimeoutError()
        if self.breaker is not None:
            self.breaker.settle(ticket, error)
        else:
            cast("Window", ticket).append(error is None)

    def give_up(self, error: BaseException) -> None:
        """The end of a call: its last exception, or None where the policy bears the loss of it."""
        if self.policy.give_up == "none" and _bearable(error):
            retries_of(self.policy.name, "gave none").inc()
            logger.warning("given up, going on without", call=self.name, error=said(error))
            return
        try:
            raise error
        finally:
            # The exception knows this frame; a frame that knows the exception would keep both alive.
            del error

    def out_of_time(self, seconds: float) -> OperationTimeout:
        """The error of a call that the deadline ended after `seconds`."""
        retries_of(self.policy.name, "deadline").inc()
        return OperationTimeout(self.name, round(seconds, 3))


def _cut(limit: asyncio.Timeout | None) -> bool:
    """Whether a cancellation is the work of a deadline's timer: this call's own, or that of a call around it."""
    left = timing.remaining()
    return (limit is not None and limit.expired()) or (left is not None and left <= CUT_TOLERANCE)


def _bearable(error: BaseException) -> bool:
    """Whether `error` tells that the other side is away, and not of a mistake or a refusal."""
    verdict = classify(error)
    away = verdict.counts == "failure" and verdict.code != "SYSTEM_ERROR"
    return verdict.retryable or away or isinstance(error, CircuitOpenError)


class _Sync(_Protected):
    def guarded(self, args: Args, kwargs: Kwargs) -> Any:
        """The first attempt of a call that needs leave, or has a deadline."""
        if timing.remaining() == 0:
            return self.give_up(self.out_of_time(0))
        try:
            ticket = self.enter()
        except CircuitOpenError as refused:
            return self.give_up(refused)
        try:
            result = self.function(*args, **kwargs)
        except BaseException as error:
            return self.failed(ticket, error, args, kwargs)
        self.settle(ticket)
        return result

    def failed(self, ticket: Ticket, error: BaseException, args: Args, kwargs: Kwargs) -> Any:
        """The tries after the first."""
        self.settle(ticket, error)
        turns = Turns(self.layer)
        while (seconds := turns.wait(error)) is not None:
            if seconds > 0:
                timing.current().sleep(seconds)
            try:
                ticket = self.enter()
            except CircuitOpenError:
                turns.give_up(error, "breaker open")
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
            del error  # as in `give_up`


class _Async(_Protected):
    async def guarded(self, args: Args, kwargs: Kwargs) -> Any:
        """The first attempt of a call that needs leave, or has a deadline; one timer cuts the whole call."""
        left = timing.remaining()
        if left is None:
            return await self._first(args, kwargs, None)
        if left == 0:
            return self.give_up(self.out_of_time(0))
        try:
            async with asyncio.timeout(left) as limit:
                return await self._first(args, kwargs, limit)
        except TimeoutError as error:
            if not limit.expired():
                raise
            cut = self.out_of_time(left)
            cut.__cause__ = error
        return self.give_up(cut)

    async def _first(self, args: Args, kwargs: Kwargs, limit: asyncio.Timeout | None) -> Any:
        try:
            ticket = self.enter()
        except CircuitOpenError as refused:
            return self.give_up(refused)
        try:
            result = await self.function(*args, **kwargs)
        except BaseException as error:
            return await self.failed(ticket, error, args, kwargs, limit)
        self.settle(ticket)
        return result

    async def failed(
        self, ticket: Ticket, error: BaseException, args: Args, kwargs: Kwargs, limit: asyncio.Timeout | None = None
    ) -> Any:
        """The tries after the first."""
        self.settle(ticket, error, limit)
        turns = Turns(self.layer)
        while (seconds := turns.wait(error)) is not None:
            if seconds > 0:
                await timing.current().async_sleep(seconds)
            try:
                ticket = self.enter()
            except CircuitOpenError:
                turns.give_up(error, "breaker open")
                break
            try:
                result = await self.function(*args, **kwargs)
            except BaseException as failure:
                self.settle(ticket, failure, limit)
                error = failure
            else:
                self.settle(ticket)
                return result
        try:
            return self.give_up(error)
        finally:
            del error  # as in `give_up`


def _decorator(policy: policies.Policy, breaker: CircuitBreaker | None, rng: random.Random | None) -> Decorator[P, R]:
    source = rng or random.Random()  # noqa: S311 - jitter, no secret

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        kind = _Async if is_async(function) else _Sync
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
