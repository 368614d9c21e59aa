"""Circuit breakers that several backends share through the database: what one has found failing, all leave alone, and only
one of them probes it in each window; what a person has switched off is off for all.

A call that passes costs nothing here: a breaker that is closed asks nobody. Opening and closing are told to the database,
and every backend takes over what the others told with each sign of life. Where the database cannot be asked, each backend
decides alone.
"""

import asyncio
import contextlib
from collections.abc import Coroutine, Iterator
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.breakers import label_of
from app.core.circuit_breaker import CLOSED, HALF_OPEN, OPEN, CircuitBreaker
from app.core.errors import PlatformError
from app.core.logging import get_logger
from app.core.policies import DATABASE, POLICIES
from app.db.repositories import cluster
from app.db.session import Database

OWN = DATABASE.name
"""Cannot be switched off for all, for the others would have to read so in it, and could never be told that it is over."""
SWITCHES = {policy.name for policy in POLICIES.values() if policy.breaker_after is not None}
logger = get_logger(__name__)


class SharedBreakers:
    """The breakers of this backend that are shared with the others, by name."""

    def __init__(self, db: Database, me: str) -> None:
        self.db, self.me = db, me
        self.off: set[str] = set()
        """Dependencies and breakers that a person has switched off."""
        self._switched: dict[str, CircuitBreaker] = {}
        """All that can be switched off, by name."""
        self._shared: dict[str, CircuitBreaker] = {}
        self._switchings = 0
        self._granted: dict[str, float] = {}
        """Until when (on the event loop's clock) this backend may probe."""
        self._telling: dict[str, asyncio.Task[None]] = {}
        self._listening = True

    def share(self, breaker: CircuitBreaker) -> None:
        """Shares a breaker; those of other backends with the same name are the same one."""
        self.follow(breaker)
        if not self.db.sqlite:
            self._shared[breaker.name] = breaker
            breaker.on_change = self._changed
            breaker.gate = self._may_probe

    def follow(self, breaker: CircuitBreaker) -> None:
        """Lets a breaker be switched off by a person, for all backends; what it finds out itself stays its own."""
        self._switched[breaker.name] = breaker
        if self._is_off(breaker):
            breaker.isolate()

    def is_off(self, dependency: str) -> bool:
        """Whether a person has switched a dependency off as a whole."""
        return dependency in self.off

    async def switch(self, name: str, *, off: bool) -> list[CircuitBreaker]:
        """Keeps all calls away from a dependency, or from one breaker of it by its full name, or lets them through again
        and forgets the failures; the other backends follow with their next sign of life. Returns the breakers here.

        Raises:
            PlatformError: NOT_FOUND; CONFLICT for one breaker of a dependency that is off as a whole; DATABASE_ERROR:
                nothing is changed.
        """
        found = [breaker for breaker in self._switched.values() if name in (breaker.name, label_of(breaker.name))]
        if not found and name not in SWITCHES:
            raise PlatformError.from_code("NOT_FOUND", {"resource_type": "circuit breaker", "resource_id": name})
        whole = label_of(name)
        if not off and whole != name and whole in self.off:
            raise PlatformError.from_code("CONFLICT", {"state": f"{whole} is switched off as a whole", "wanted": "reset"})
        if not self.db.sqlite and whole != OWN:
            change = cluster.switch_off if off else cluster.switch_on
            await self.db.write(lambda session: change(session, name))
        self._switchings += 1
        self.off = self.off | {name} if off else {other for other in self.off if name not in (other, label_of(other))}
        with self._silent():
            for breaker in found:
                if off:
                    breaker.isolate()
                else:
                    breaker.reset()
        logger.warning("dependency switched", name=name, off=off)
        return found

    def _is_off(self, breaker: CircuitBreaker) -> bool:
        return breaker.name in self.off or label_of(breaker.name) in self.off

    async def stop(self) -> None:
        """Waits until what is to be told is told."""
        if self._telling:
            await asyncio.wait(self._telling.values())

    async def adopt(self) -> None:
        """Takes over what other backends told."""
        if self.db.sqlite:
            return

        async def look(session: AsyncSession) -> tuple[dict[str, float], set[str]]:
            return await cluster.open_breakers(session), await cluster.switched_off(session)

        before = self._switchings
        told, off = await self.db.read(look)
        if before != self._switchings:
            # It was switched here meanwhile: what was read may be older.
            return
        self._follow(off)
        for name, breaker in self._shared.items():
            if name in self._telling or breaker.isolated:
                continue
            seconds = told.get(name)
            with self._silent():
                if seconds is None and breaker.state != CLOSED:
                    breaker.reset()
                elif seconds is not None and seconds > 0 and breaker.state == CLOSED:
                    breaker.open_for(seconds)

    def _follow(self, off: set[str]) -> None:
        self.off = off | (self.off & {OWN})
        with self._silent():
            for breaker in self._switched.values():
                if self._is_off(breaker) and not breaker.isolated:
                    breaker.isolate()
                elif breaker.isolated and not self._is_off(breaker):
                    breaker.reset()

    def _changed(self, breaker: CircuitBreaker, state: str) -> None:
        if not self._listening or state == HALF_OPEN or breaker.isolated:
            return
        self._granted.pop(breaker.name, None)
        if state == OPEN:
            seconds = breaker.retry_after
            self._tell(breaker.name, self._write(lambda session: cluster.opened(session, breaker.name, seconds, self.me)))
        else:
            self._tell(breaker.name, self._write(lambda session: cluster.closed(session, breaker.name)))

    def _may_probe(self, breaker: CircuitBreaker) -> bool:
        """Whether this backend has the leave of all to probe; where not, it is asked for, and the next call may."""
        if self._granted.pop(breaker.name, 0.0) > asyncio.get_running_loop().time():
            return True
        if breaker.name not in self._telling:
            self._tell(breaker.name, self._ask(breaker))
        return False

    async def _ask(self, breaker: CircuitBreaker) -> None:
        window = breaker.recovery_timeout
        try:
            wait = await self.db.write(lambda session: cluster.take_probe(session, breaker.name, window, self.me))
        except PlatformError as error:
            logger.info("asked without the others' leave", breaker=breaker.name, code=error.code)
            wait = 0.0
        if wait == 0.0:
            self._granted[breaker.name] = asyncio.get_running_loop().time() + window
        elif breaker.state != CLOSED:
            with self._silent():
                breaker.open_for(wait)

    async def _write(self, change: Any) -> None:
        try:
            await self.db.write(change)
        except PlatformError as error:
            logger.info("breaker not shared", code=error.code)

    def _tell(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Does `work` after what was to be told of this breaker before."""
        before = self._telling.get(name)

        async def in_turn() -> None:
            if before is not None:
                await before
            await work

        task = asyncio.create_task(in_turn(), name=f"share {name}")
        self._telling[name] = task

        def done(ended: asyncio.Task[None]) -> None:
            if self._telling.get(name) is ended:
                del self._telling[name]

        task.add_done_callback(done)

    @contextlib.contextmanager
    def _silent(self) -> Iterator[None]:
        """Within it, changes of breakers are others' doing, and are not told."""
        self._listening = False
        try:
            yield
        finally:
            self._listening = True
