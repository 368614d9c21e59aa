"""Whether each integration is there, as it was found a few seconds ago at most.

Whoever wants to know sets the questions off, and many who ask share one answer. A dependency that hangs keeps nobody
waiting for longer than `PATIENCE`, and while a question to it is open no second one is asked.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.core import last_errors
from app.core.errors import PlatformError
from app.core.errors import TimeoutError as OperationTimeout
from app.core.logging import get_logger
from app.core.metrics import contained
from app.db.session import utcnow
from app.services.probes import PATIENCE, Probe, Told

FRESH_SECONDS = 5.0
"""How long an answer holds."""
AWAY_SECONDS, BRIEF = 1.0, 0.2
"""The same of one that was not reachable, for its return is to be seen soon; and how long that is waited for."""
logger = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of an integration: `kind` is what it is, None where it is not set up; `reachable` and `at` are None
    while nothing is known yet; `version` is the last that it told."""

    name: str
    kind: str | None
    reachable: bool | None = None
    version: str | None = None
    addresses: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    at: datetime | None = None


class Watched:
    """One integration, asked when somebody wants to know and the last answer is old."""

    def __init__(self, probe: Probe, now: Callable[[], float], clock: Callable[[], datetime]) -> None:
        self.probe, self.now, self.clock = probe, now, clock
        self.found = Found(probe.name, probe.kind)
        self.task: asyncio.Task[None] | None = None
        self._asked_at = float("-inf")

    def ask(self) -> None:
        """Sets a question off, where the last answer is old and none is open."""
        holds = AWAY_SECONDS if self.is_away else FRESH_SECONDS
        if self.probe.kind is None or self.task is not None or self.now() - self._asked_at < holds:
            return
        self._asked_at = self.now()
        self.task = asyncio.create_task(self._ask(), name=f"probe {self.probe.name}")
        self.task.add_done_callback(self._over)

    @property
    def is_away(self) -> bool:
        """Whether it was not reachable when last asked."""
        return self.found.reachable is False

    @property
    def late(self) -> bool:
        """Whether a question is open for so long that nobody should wait for its answer."""
        return self.task is not None and self.now() - self._asked_at >= self.probe.patience

    def judge(self) -> None:
        """Takes one that does not answer for unreachable."""
        if self.late:
            self._failed(OperationTimeout(f"asking {self.probe.name}", self.probe.patience))

    def _over(self, _task: asyncio.Task[None]) -> None:
        self.task = None

    async def _ask(self) -> None:
        with contained(f"probe {self.probe.name}"):
            try:
                told = await self.probe.ask()
            except PlatformError as error:
                self._failed(error)
            else:
                self._answered(told)

    def _answered(self, told: Told) -> None:
        before, self.found = (
            self.found,
            Found(
                self.probe.name,
                self.probe.kind,
                told.reachable,
                told.version or self.found.version,
                told.addresses,
                told.silent,
                self.clock(),
            ),
        )
        if told.error is not None and told.silent != before.silent:
            self._note(told.error)
        elif before.reachable is False and told.reachable:
            logger.info("dependency is back", dependency=self.probe.name)

    def _failed(self, error: PlatformError) -> None:
        known = self.is_away
        self.found = Found(self.probe.name, self.probe.kind, reachable=False, version=self.found.version, at=self.clock())
        if not known:
            # Once an outage: what calls meet meanwhile says more than that it still lasts.
            self._note(error)

    def _note(self, error: PlatformError) -> None:
        last_errors.note(self.probe.name, error)
        logger.warning("dependency cannot be reached", dependency=self.probe.name, code=error.code, error=error.message)


class Dependencies:
    """All integrations of a running backend. `off` says whether a person has switched one off: it is left alone then."""

    def __init__(
        self,
        probes: Sequence[Probe],
        off: Callable[[str], bool] = lambda _: False,
        now: Callable[[], float] = time.monotonic,
        clock: Callable[[], datetime] = utcnow,
    ) -> None:
        self.off = off
        self.watched = {probe.name: Watched(probe, now, clock) for probe in probes}

    async def look(self, *names: str) -> dict[str, Found]:
        """What is known of every integration. Waits for those named, or all: `PATIENCE` at most, and not so long for those
        that were away already."""
        for name, one in self.watched.items():
            if not self.off(name):
                one.ask()
        wanted = [self.watched[name] for name in names or self.watched]
        for away, seconds in ((False, PATIENCE), (True, BRIEF)):
            tasks = [one.task for one in wanted if one.is_away is away and one.task is not None and not one.late]
            if tasks:
                await asyncio.wait(tasks, timeout=seconds)
        for one in self.watched.values():
            one.judge()
        return {name: one.found for name, one in self.watched.items()}

    async def stop(self) -> None:
        """Ends what is being asked."""
        tasks = [one.task for one in self.watched.values() if one.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
