"""Several backends on one PostgreSQL: who lives, and who does which work.

On SQLite there is one backend, which has every claim.
"""

import asyncio
import contextlib
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence

from app.core import budget
from app.core.errors import PlatformError
from app.core.logging import get_logger
from app.db.models import JobEvent
from app.db.notices import Notices
from app.db.repositories import cluster
from app.db.session import Database
from app.services.shared_breakers import SharedBreakers

BEAT_SECONDS = 1.0
logger = get_logger(__name__)


class Cluster:
    """This backend among its peers. `gone` are called when one of them has died, to take over what it left.

    `hear` is told of jobs whose events another backend has committed, up to which number; `missed`, when that may have
    gone unheard.
    """

    def __init__(self, db: Database, hear: Callable[[str, int], None], missed: Callable[[], None]) -> None:
        self.db = db
        self.notices: Notices | None = None
        if not db.sqlite:
            notices = self.notices = Notices(db.engine, hear, missed)
            db.on_commit, db.on_doubt = _both(db.on_commit, notices.tell), _both(db.on_doubt, notices.tell)
        self.me = uuid.uuid4().hex
        self.peers: set[str] = {self.me}
        self.gone: list[Callable[[], object]] = [missed]
        self._held: Counter[str] = Counter()
        self.breakers = SharedBreakers(db, self.me)
        self._task: asyncio.Task[None] | None = None

    @property
    def alone(self) -> bool:
        """Whether no other backend can be on this database."""
        return self.db.sqlite

    async def start(self) -> None:
        """Joins the others."""
        if self.notices is not None:
            self.notices.start()
            await self.beat()
            self._task = asyncio.create_task(self._run(), name="cluster")

    async def stop(self) -> None:
        """Leaves; the others take over at once."""
        if self._task is None:
            return
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        await self.breakers.stop()
        if self.notices is not None:
            await self.notices.stop()
        try:
            await self.db.write(lambda session: cluster.leave(session, self.me))
        except PlatformError as error:
            logger.warning("left without a word", code=error.code)

    async def beat(self) -> None:
        """One sign of life, and a look at the others."""
        living = await self.db.write(lambda session: cluster.beat(session, self.me))
        lost, self.peers = self.peers - living - {self.me}, living | {self.me}
        budget.share_among(len(self.peers))
        await self.breakers.adopt()
        if lost:
            logger.warning("backend gone", backends=sorted(lost), left=len(self.peers))
            for take_over in self.gone:
                take_over()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            try:
                await self.beat()
            except PlatformError as error:
                logger.info("no sign of life could be given", code=error.code)

    @contextlib.asynccontextmanager
    async def claim(self, name: str) -> AsyncIterator[bool]:
        """Whether this backend, and no other, does the work of that name within; a dead one's claim is free.

        Raises:
            DatabaseError: it cannot be known.
        """
        mine = self.alone or await self.db.write(lambda session: cluster.claim(session, name, self.me))
        if not mine:
            yield False
            return
        self._held[name] += 1
        try:
            yield True
        finally:
            self._held[name] -= 1
            self._held += Counter()  # forgets what is 0
            if not self.alone:
                await self._release(name)

    async def _release(self, name: str) -> None:
        try:
            await self.db.write(lambda session: cluster.release(session, name, self.me))
        except PlatformError as error:
            # It stays this backend's, which may take it again; the others may when this one is gone.
            logger.warning("claim not given back", claim=name, code=error.code)

    async def is_claimed(self, name: str) -> bool:
        """Whether this or another backend does this work now."""
        if self._held[name] > 0:
            return True
        return not self.alone and await self.db.read(lambda session: cluster.is_claimed(session, name, self.me))


def _both(
    first: Callable[[list[JobEvent]], None] | None, second: Callable[[Sequence[JobEvent]], None]
) -> Callable[[list[JobEvent]], None]:
    def call(events: list[JobEvent]) -> None:
        if first is not None:
            first(events)
        second(events)

    return call
