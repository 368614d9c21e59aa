"""The libraries that `bench_core` measures beside ours: each as decorators for a retry, a breaker, and both.

A library that is not installed, or cannot do a thing, has None there.
"""

import importlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
Make = Callable[[], Decorator]
_numbers = itertools.count()


@dataclass(frozen=True)
class Peer:
    """One library: how it retries at zero wait, breaks a circuit after 5 failures for 60 s, and does both."""

    name: str
    retry: Make | None = None
    breaker: Make | None = None
    retry_async: bool = True
    breaker_async: bool = True
    breaker_sync: bool = True
    stack: Make | None = field(default=None)

    def both(self) -> Make | None:
        """Retry and breaker together: its own way, or the one around the other."""
        if self.stack is not None or self.retry is None or self.breaker is None:
            return self.stack
        retry, breaker = self.retry, self.breaker
        return lambda: _around(retry(), breaker())


def _around(outer: Decorator, inner: Decorator) -> Decorator:
    return lambda function: outer(inner(function))


def ours() -> Peer:
    """The error core."""
    from app.core import budget
    from app.core.circuit_breaker import CircuitBreaker
    from app.core.policies import Policy
    from app.core.retry import protect, retrying

    policy = Policy("bench", 3, 0, 0, None)
    # Every call of one measurement fails once: without this the budget would refuse to try again, as it should.
    budget._shared["bench"] = budget.RetryBudget(share=1e9)
    return Peer(
        "vtp",
        retry=lambda: retrying(policy),
        breaker=lambda: CircuitBreaker(5, 60),
        stack=lambda: protect(policy, breaker=CircuitBreaker(5, 60)),
    )


def _tenacity() -> Peer:
    from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_none

    when = {"retry": retry_if_exception_type(ConnectionError), "stop": stop_after_attempt(3), "wait": wait_none()}
    return Peer("tenacity", retry=lambda: retry(**when, reraise=True))


def _stamina() -> Peer:
    import stamina

    quick = {"attempts": 3, "wait_initial": 0, "wait_max": 0, "wait_jitter": 0}
    return Peer("stamina", retry=lambda: stamina.retry(on=ConnectionError, **quick))


def _pybreaker() -> Peer:
    import pybreaker

    # Its calls of async functions need tornado.
    return Peer("pybreaker", breaker=lambda: pybreaker.CircuitBreaker(fail_max=5, reset_timeout=60), breaker_async=False)


def _circuitbreaker() -> Peer:
    from circuitbreaker import circuit

    return Peer("circuitbreaker", breaker=lambda: circuit(5, 60, name=f"bench {next(_numbers)}"))


def _purgatory() -> Peer:
    from purgatory import AsyncCircuitBreakerFactory, SyncCircuitBreakerFactory

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        import inspect

        kind = AsyncCircuitBreakerFactory if inspect.iscoroutinefunction(function) else SyncCircuitBreakerFactory
        made: Callable[..., Any] = kind(default_threshold=5, default_ttl=60)("bench")(function)
        return made

    return Peer("purgatory", breaker=lambda: decorate)


def _aiobreaker() -> Peer:
    from aiobreaker import CircuitBreaker

    return Peer("aiobreaker", breaker=lambda: CircuitBreaker(fail_max=5, timeout_duration=timedelta(seconds=60)))


def _resilix() -> Peer:
    from resilix import CircuitBreaker, protect

    return Peer(
        "resilix",
        retry=lambda: protect.when(ConnectionError, retry=3),
        breaker=lambda: CircuitBreaker(failures=5, reset_timeout=60, on=ConnectionError),
    )


def _resilient_circuit() -> Peer:
    from fractions import Fraction

    from resilient_circuit import CircuitProtectorPolicy, RetryWithBackoffPolicy
    from resilient_circuit.storage import InMemoryStorage

    return Peer(
        "resilient-circuit",
        retry=lambda: RetryWithBackoffPolicy(max_retries=2),
        breaker=lambda: CircuitProtectorPolicy(
            resource_key=f"bench-{next(_numbers)}",
            storage=InMemoryStorage(),
            failure_limit=Fraction(5, 5),
            cooldown=timedelta(seconds=60),
        ),
    )


def _tenacity_and_circuitbreaker() -> Peer:
    importlib.import_module("circuitbreaker")
    retry, breaker = _tenacity().retry, _circuitbreaker().breaker
    assert retry is not None
    assert breaker is not None
    return Peer("tenacity + circuitbreaker", stack=lambda: _around(retry(), breaker()))


MAKERS: dict[str, Callable[[], Peer]] = {
    "tenacity": _tenacity,
    "stamina": _stamina,
    "pybreaker": _pybreaker,
    "circuitbreaker": _circuitbreaker,
    "purgatory": _purgatory,
    "aiobreaker": _aiobreaker,
    "resilix": _resilix,
    "resilient-circuit": _resilient_circuit,
    "tenacity + circuitbreaker": _tenacity_and_circuitbreaker,
}


def peers() -> tuple[list[Peer], list[str]]:
    """Ours and the installed libraries; the names of the absent ones."""
    found, absent = [ours()], []
    for name, make in MAKERS.items():
        try:
            found.append(make())
        except ImportError:
            absent.append(name)
    return found, absent
