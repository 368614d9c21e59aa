"""The database: connections, transactions, migrations.

Every change runs through `Database.write(fn)`: one transaction, tried again where the database says that is safe, its
events published only after the commit.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from app.core.retry import retry_database
from app.db.guard import database_errors

T = TypeVar("T")
Tx = Callable[[AsyncSession], Awaitable[T]]
MIGRATIONS = Path(__file__).parent / "migrations"


def utcnow() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own transaction control would begin lazily and deferred; BEGIN is sent by `_begin` instead.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=10000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    # A deferred transaction that reads first and writes later fails at once when another wrote in between.
    write = connection.get_execution_options().get("vtp_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


class Database:
    """One database, SQLite or PostgreSQL by its address.

    `on_commit` is called after each successful write with what the transaction put into ``session.info["events"]``.
    """

    def __init__(self, url: str, on_commit: Callable[[list[Any]], None] | None = None) -> None:
        self.sqlite = url.startswith("sqlite")
        if self.sqlite:
            Path(url.split("///", 1)[1]).parent.mkdir(parents=True, exist_ok=True)
        self.engine = create_async_engine(url, pool_size=8, max_overflow=8)
        self.on_commit = on_commit
        if self.sqlite:
            event.listen(self.engine.sync_engine, "connect", _prepare_sqlite)
            event.listen(self.engine.sync_engine, "begin", _begin)
        self._read = async_sessionmaker(self.engine, expire_on_commit=False)
        self._write = async_sessionmaker(self.engine.execution_options(vtp_write=True), expire_on_commit=False)
        # SQLite has one writer; queueing here is fair and costs no busy-waiting threads.
        self._writer = asyncio.Lock()

    async def read(self, fn: Tx[T]) -> T:
        """The result of `fn` in a transaction that changes nothing.

        Raises:
            DatabaseError: the database failed, also when tried again.
        """
        return await self._attempt(fn, self._read)

    async def write(self, fn: Tx[T]) -> T:
        """The result of `fn` in one transaction; `fn` may run twice, so it has no effect beyond its session.

        Raises:
            DatabaseError: the database failed, also when tried again.
        """
        if not self.sqlite:
            return await self._attempt(fn, self._write)
        async with self._writer:
            return await self._attempt(fn, self._write)

    @retry_database()
    async def _attempt(self, fn: Tx[T], sessions: async_sessionmaker[AsyncSession]) -> T:
        with database_errors():
            async with sessions() as session:
                async with session.begin():
                    result = await fn(session)
                events = session.info.pop("events", None)
        if events and self.on_commit is not None:
            self.on_commit(events)
        return result

    async def migrate(self) -> None:
        """Brings the tables to the newest form; safe to call at every start."""
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))

        def upgrade(connection: Connection) -> None:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

        with database_errors():
            async with self.engine.execution_options(vtp_write=True).begin() as connection:
                await connection.run_sync(upgrade)

    async def close(self) -> None:
        """Closes all connections."""
        await self.engine.dispose()
