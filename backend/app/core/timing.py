"""Time for retries and breakers: the real one, or in tests one that does not pass by itself."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


class Timing:
    """The real time."""

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

    def monotonic(self) -> float:
        """The time so far."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Moves the time on."""
        self.waits.append(seconds)
        self.now += seconds

    async def async_sleep(self, seconds: float) -> None:
        """Moves the time on."""
        self.sleep(seconds)
        await asyncio.sleep(0)


REAL = Timing()
_timing: ContextVar[Timing] = ContextVar("vtp_timing", default=REAL)
_deadline: ContextVar[float | None] = ContextVar("vtp_deadline", default=None)


def current() -> Timing:
    """The time that holds in this context."""
    return _timing.get()


@contextmanager
def testing() -> Iterator[TestTiming]:
    """Within it nothing waits: back-off passes at once, and breakers take their time from the same clock."""
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
    """Seconds until the deadline, at least 0; None where there is none. Clients give it to their libraries as time-out."""
    until = _deadline.get()
    return None if until is None else max(0.0, until - current().monotonic())
