"""Word of new events from backend to backend, by PostgreSQL's LISTEN and NOTIFY on a connection of its own.

What is told is only that a job has events up to a number; who is interested reads them. It is told after the commit and
apart from it, many jobs at a time: a NOTIFY within the transactions would make all their commits wait for one another. So
word may get lost with a process or a connection; `missed` is called whenever that may have happened.
"""

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from app.core.errors import PlatformError
from app.core.logging import get_logger
from app.db.guard import database_errors
from app.db.models import JobEvent

if TYPE_CHECKING:
    import asyncpg
    from sqlalchemy.ext.asyncio import AsyncEngine

CHANNEL = "vtp_events"
JOBS_A_NOTICE = 200
"""A notice may have 8,000 bytes."""
CHECK_SECONDS, ANSWER_SECONDS, AGAIN_SECONDS = 5.0, 5.0, 0.5
logger = get_logger(__name__)


class Notices:
    """Tells other backends of committed events, and hears of theirs."""

    def __init__(self, engine: "AsyncEngine", hear: Callable[[str, int], None], missed: Callable[[], None]) -> None:
        self.engine, self.hear, self.missed = engine, hear, missed
        self.me = uuid.uuid4().hex
        self._pending: dict[str, int] = {}
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._well = True
        self.connected = asyncio.Event()

    def start(self) -> None:
        """Begins to listen."""
        self._task = asyncio.create_task(self._run(), name="notices")

    async def stop(self) -> None:
        """Ends it."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def tell(self, events: Sequence[JobEvent]) -> None:
        """Has others told of committed events, soon."""
        for event in events:
            self._pending[event.job_id] = max(event.seq, self._pending.get(event.job_id, 0))
        self._news.set()

    async def _run(self) -> None:
        while True:
            try:
                with database_errors("listen"):
                    await self._listen()
            except PlatformError as error:
                if self._well:
                    logger.warning("live events of other backends interrupted", code=error.code, error=error.message)
                self._well = False
            await asyncio.sleep(AGAIN_SECONDS)

    async def _listen(self) -> None:
        connection = await self._connect()
        try:
            self._well = True
            await self._serve(connection)
        finally:
            self.connected.clear()
            connection.terminate()

    async def _connect(self) -> "asyncpg.Connection":
        import asyncpg

        _, options = self.engine.dialect.create_connect_args(self.engine.url)
        own = {"timeout": ANSWER_SECONDS, "command_timeout": ANSWER_SECONDS}
        connection = await asyncpg.connect(**{**options, **own, "server_settings": {"application_name": "vtp events"}})
        await connection.add_listener(CHANNEL, self._heard)
        return connection

    async def _serve(self, connection: "asyncpg.Connection") -> None:
        """Sends what there is to tell; a connection that is silent is asked now and then whether it still lives."""
        connection.add_termination_listener(lambda _: self._news.set())
        self.missed()
        self.connected.set()
        while not connection.is_closed():
            self._news.clear()
            if self._pending:
                await self._send(connection)
                continue
            try:
                async with asyncio.timeout(CHECK_SECONDS):
                    await self._news.wait()
            except TimeoutError:
                await connection.execute("select 1")

    async def _send(self, connection: "asyncpg.Connection") -> None:
        batch = dict(list(self._pending.items())[:JOBS_A_NOTICE])
        body = orjson.dumps({"from": self.me, "jobs": batch}).decode()
        await connection.execute("select pg_notify($1, $2)", CHANNEL, body)
        for job_id, seq in batch.items():
            if self._pending.get(job_id) == seq:
                del self._pending[job_id]

    def _heard(self, _connection: Any, _pid: int, _channel: str, payload: object) -> None:
        told = orjson.loads(str(payload))
        if told["from"] != self.me:
            for job_id, seq in told["jobs"].items():
                self.hear(job_id, seq)
