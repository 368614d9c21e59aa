"""The database: connections, transactions, migrations.

Every change runs through `Database.write(fn)`: one transaction, tried again where the database says that is safe, its
events published only after the commit.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, ExceptionContext, NullPool, event, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from app.core import spans
from app.core.circuit_breaker import CircuitBreaker
from app.core.logging import get_logger
from app.core.policies import DATABASE
from app.core.retry import protect
from app.db.guard import GONE, CommitUnknownError, database_errors, is_database_error, is_settled, sqlstate
from app.db.spans import trace_statements

T = TypeVar("T")
Tx = Callable[[AsyncSession], Awaitable[T]]
MIGRATIONS = Path(__file__).parent / "migrations"
MIGRATION_LOCK = 7_410_221
"""Number of the lock that lets only one backend migrate at a time."""
CONNECT_SECONDS, ANSWER_SECONDS, POOL_SECONDS, POOL = 5.0, 10.0, 10.0, 16
GRACE = 0.2
"""By what share this side waits longer than the server works: so the server's own answer comes, and the connection lives."""
IDLE_FACTOR, LOCK_FACTOR = 6, 0.5
BUSY_MILLISECONDS = 10_000
logger = get_logger(__name__)


def utcnow() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own transaction control would begin lazily and deferred; BEGIN is sent by `_begin` instead.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", f"busy_timeout={BUSY_MILLISECONDS}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    # A deferred transaction that reads first and writes later fails at once when another wrote in between.
    write = connection.get_execution_options().get("vtp_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def async_url(url: str) -> str:
    """The address with the driver that this backend uses, where it names none."""
    for scheme, driver in (("postgresql", "asyncpg"), ("postgres", "asyncpg"), ("sqlite", "aiosqlite")):
        if url.startswith(f"{scheme}://"):
            return url.replace(f"{scheme}://", f"{'sqlite' if scheme == 'sqlite' else 'postgresql'}+{driver}://", 1)
    return url


def _server_settings(seconds: float) -> dict[str, str]:
    """Time-outs that PostgreSQL itself keeps, also where this side is dead or hangs: no lock is held for ever."""
    return {
        "application_name": "vtp",
        "statement_timeout": str(round(seconds * 1000)),
        "lock_timeout": str(round(seconds * LOCK_FACTOR * 1000)),
        "idle_in_transaction_session_timeout": str(round(seconds * IDLE_FACTOR * 1000)),
        "tcp_keepalives_idle": "30",
        "tcp_user_timeout": str(round(seconds * 2000)),
        "client_connection_check_interval": "5s",
    }


def _drop_if_gone(context: ExceptionContext) -> None:
    # A server that stepped down answers for ever; only a new connection finds the one that took over.
    if context.original_exception is not None and sqlstate(context.original_exception) in GONE:
        context.is_disconnect = True


@dataclass(frozen=True, slots=True)
class _Refused:
    """What a transaction's function raised; the database itself did its part."""

    error: Exception


def _result(outcome: T | _Refused) -> T:
    if isinstance(outcome, _Refused):
        raise outcome.error
    return outcome


class Database:
    """One database, SQLite or PostgreSQL by its address.

    `on_commit` is called after each successful write with what the transaction put into ``session.info["events"]``, and
    `on_doubt` where it is unknown whether that took place. `seconds` is the longest a statement may take on PostgreSQL,
    half of it the longest wait for a lock; `pool` is the most connections.
    """

    def __init__(
        self,
        url: str,
        on_commit: Callable[[list[Any]], None] | None = None,
        breaker: CircuitBreaker | None = None,
        *,
        on_doubt: Callable[[list[Any]], None] | None = None,
        seconds: float = ANSWER_SECONDS,
        pool: int = POOL,
    ) -> None:
        self.url = url = async_url(url)
        self.sqlite = url.startswith("sqlite")
        self.on_commit, self.on_doubt = on_commit, on_doubt
        kept = (pool + 1) // 2
        options: dict[str, Any] = {"pool_size": kept, "max_overflow": pool - kept, "pool_timeout": POOL_SECONDS}
        if self.sqlite:
            Path(url.split("///", 1)[1]).parent.mkdir(parents=True, exist_ok=True)
        else:
            # The driver waits for ever by default; a connection that died in the pool is found before it is used.
            options |= {"pool_pre_ping": True}
            waits = {"timeout": min(CONNECT_SECONDS, seconds), "command_timeout": seconds * (1 + GRACE)}
            options["connect_args"] = {**waits, "server_settings": _server_settings(seconds)}
        self.engine = create_async_engine(url, **options)
        if self.sqlite:
            event.listen(self.engine.sync_engine, "connect", _prepare_sqlite)
            event.listen(self.engine.sync_engine, "begin", _begin)
        else:
            event.listen(self.engine.sync_engine, "handle_error", _drop_if_gone)
        if spans.active():
            trace_statements(self.engine.sync_engine, "sqlite" if self.sqlite else "postgresql")
        self._read = async_sessionmaker(self.engine, expire_on_commit=False)
        self._write = async_sessionmaker(self.engine.execution_options(vtp_write=True), expire_on_commit=False)
        # SQLite has one writer; queueing here is fair and costs no busy-waiting threads.
        self._writer = asyncio.Lock()
        self._under_way: set[asyncio.Task[Any]] = set()
        self.breaker = breaker or DATABASE.breaker()
        self._attempt = protect(DATABASE, breaker=self.breaker)(self._once)

    async def read(self, fn: Tx[T]) -> T:
        """The result of `fn` in a transaction that changes nothing. A caller that is cancelled leaves its connection whole.

        Raises:
            DatabaseError: the database failed, also when tried again.
            CircuitOpenError: it has failed so often that it is left alone for a while.
        """
        return await self._to_its_end(self._attempt(fn, self._read))

    async def write(self, fn: Tx[T]) -> T:
        """The result of `fn` in one transaction; `fn` may run twice, so it has no effect beyond its session.

        A caller that is cancelled leaves; the transaction goes on to its end, and its events are published.

        Raises:
            DatabaseError: the database failed, also when tried again.
            CircuitOpenError: it has failed so often that it is left alone for a while.
        """
        return await self._to_its_end(self._write_whole(fn))

    async def _to_its_end(self, work: Coroutine[Any, Any, T | _Refused]) -> T:
        """The result of `work`, which goes on where the caller is cancelled: a connection cut off half-way is lost."""
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return _result(await asyncio.shield(task))

    async def _write_whole(self, fn: Tx[T]) -> T | _Refused:
        if not self.sqlite:
            return await self._attempt(fn, self._write)
        async with self._writer:
            return await self._attempt(fn, self._write)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.info("transaction failed", error=str(task.exception()))

    async def _once(self, fn: Tx[T], sessions: async_sessionmaker[AsyncSession]) -> T | _Refused:
        with database_errors():
            async with sessions() as session:
                try:
                    result = await fn(session)
                except Exception as error:
                    await session.rollback()
                    if is_database_error(error):
                        raise
                    # Not the database's failure: neither its breaker nor its retries are meant.
                    return _Refused(error)
                events = session.info.pop("events", None)
                await session.flush()
                await self._commit(session, events, safe=self.sqlite or sessions is self._read)
        if events and self.on_commit is not None:
            self.on_commit(events)
        return result

    async def _commit(self, session: AsyncSession, events: list[Any] | None, *, safe: bool) -> None:
        """Commits. A failure that leaves open whether anything was changed is no reason to do it again, unless `safe`."""
        try:
            await session.commit()
        except Exception as error:
            if safe or not is_database_error(error) or is_settled(error):
                raise
            if events and self.on_doubt is not None:
                self.on_doubt(events)
            message = "the connection was lost during the commit; whether it took place is unknown"
            raise CommitUnknownError(message) from error

    async def version(self) -> str:
        """The version of a database that answers, asked once and beside the breaker.

        Raises:
            DatabaseError: it does not.
        """
        return await self._to_its_end(self._version())

    async def _version(self) -> str:
        question = "select sqlite_version()" if self.sqlite else "show server_version"
        with database_errors("version"):
            async with self.engine.connect() as connection:
                # Debian's servers add where they were made.
                return str(await connection.scalar(text(question))).split()[0]

    async def migrate(self) -> None:
        """Brings the tables to the newest form; safe to call at every start."""
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))

        def upgrade(connection: Connection) -> None:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

        with database_errors("migration"):
            if self.sqlite:
                async with self.engine.execution_options(vtp_write=True).begin() as connection:
                    await connection.run_sync(upgrade)
                return
            # On a connection of its own: a change to a large table may take longer than any statement otherwise may.
            engine = create_async_engine(self.url, poolclass=NullPool, connect_args={"timeout": CONNECT_SECONDS})
            async with engine.begin() as connection:
                await connection.execute(text("select pg_advisory_xact_lock(:number)"), {"number": MIGRATION_LOCK})
                await connection.run_sync(upgrade)

    async def close(self) -> None:
        """Lets transactions under way end and closes all connections."""
        if self._under_way:
            await asyncio.wait(self._under_way)
        await self.engine.dispose()
