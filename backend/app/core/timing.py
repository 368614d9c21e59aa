"""Time for retries and breakers: the real one, or in tests one that does not pass by itself; and the deadline."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any


class Timing:
    """The real time. `scoped` holds what must not be shared beyond this time; None: share it with the process."""

    scoped: dict[str, Any] | None = None

    def monotonic(self) -> float:
        """Seconds of a clock that never goes back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Waits."""
        time.sleep(seconds)

    async def async_sleep(self, seconds: float) -> None:
        """Waits without holding up others."""
        await asyncio.sleep(seconds)


@dataclass(slots=True)
class TestTiming(Timing):
    """A time that only waiting moves, at once; `waits` keeps the waits in seconds."""

    __test__ = False
    now: float = 1000.0
    waits: list[float] = field(default_factory=list)
    scoped: dict[str, Any] | None = field(default_factory=dict)

    def monotonic(self) -> float:
        """The time so far."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Moves the time on without anybody waiting."""
        self.now += seconds

    def sleep(self, seconds: float) -> None:
        """Moves the time on."""
        self.waits.append(seconds)
        self.now += seconds

    async def async_sleep(self, seconds: float) -> None:
        """Moves the time on; others get their turn."""
        self.sleep(seconds)
        await asyncio.sleep(0)


REAL = Timing()
_timing: ContextVar[Timing] = ContextVar("vtp_timing", default=REAL)
_deadline: ContextVar[float | None] = ContextVar("vtp_deadline", default=None)
deadline_of_context = _deadline.get
"""The deadline on the monotonic clock or None; bound once, as every protected call asks it."""


def current() -> Timing:
    """The time that holds in this context."""
    return _timing.get()


@contextmanager
def testing() -> Iterator[TestTiming]:
    """Within it nothing waits: back-off passes at once, breakers take their time from the same clock, and retry budgets
    are fresh. It holds for this context and the tasks it starts, not for the process nor for bare threads."""
    timing = TestTiming()
    token = _timing.set(timing)
    try:
        yield timing
    finally:
        _timing.reset(token)


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """What is done within has to end in `seconds`; an earlier deadline from outside stays."""
    until = current().monotonic() + seconds
    outer = _deadline.get()
    token = _deadline.set(until if outer is None else min(outer, until))
    try:
        yield
    finally:
        _deadline.reset(token)


def remaining() -> float | None:
    """Seconds until the deadline, at least 0; None where there is none."""
    until = _deadline.get()
    return None if until is None else max(0.0, until - current().monotonic())


def within(seconds: float) -> float:
    """`seconds`, or what the deadline leaves of them: the time-out that a client gives to its library.

    Never 0, which most libraries take for "no limit".
    """
    left = remaining()
    return seconds if left is None else max(0.001, min(seconds, left))
