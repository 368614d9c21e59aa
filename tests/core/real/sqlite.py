"""Failures of SQLite, by SQLAlchemy and aiosqlite."""

import asyncio
import contextlib
import os
from collections.abc import Callable
from typing import Any

from tests.core.real.cases import DB_ANSWERED, DB_BROKEN, DB_CONTENDED, Servers, case


def _lite(*statements: str, file: str = "case.db", query: str = "") -> Callable[[Servers], Any]:
    async def run(servers: Servers) -> None:
        from sqlalchemy import text
        from sqlalchemy.ext.asyncio import create_async_engine

        path = servers("folder") / file
        engine = create_async_engine(f"sqlite+aiosqlite:///file:{path}?{query}&uri=true")
        try:
            async with engine.connect() as connection:
                for statement in statements:
                    await connection.execute(text(statement))
        finally:
            await engine.dispose()

    return run


LITE = "create temp table t (id integer primary key, n int not null)"
case("sqlite-unique", DB_ANSWERED)(_lite(LITE, "insert into t values (1, 1)", "insert into t values (1, 1)"))
case("sqlite-not-null", DB_ANSWERED)(_lite(LITE, "insert into t values (1, null)"))
case("sqlite-no-table", DB_ANSWERED)(_lite("select * from nothing_here"))
case("sqlite-read-only", DB_BROKEN)(
    lambda servers: _lite("create table x (i)", file=made(servers), query="mode=ro")(servers)
)
case("sqlite-no-folder", DB_BROKEN)(_lite("select 1", file="no/such/folder.db"))
case("sqlite-full", ("DISK_FULL", False, "failure"))(
    _lite("pragma max_page_count = 2", "create table a (x)", "create table b (x)", "create table c (x)", file="full.db")
)


def made(servers: Servers) -> str:
    import sqlite3

    path = servers("folder") / "made.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("create table if not exists y (i)")
    return path.name


@case("sqlite-no-database-at-all", DB_BROKEN)
async def _(servers: Servers) -> None:
    (servers("folder") / "text.db").write_text("This is a letter and no database. " * 100)
    await _lite("select * from x", file="text.db")(servers)


@case("sqlite-damaged", DB_BROKEN)
async def _(servers: Servers) -> None:
    import sqlite3

    path = servers("folder") / "damaged.db"
    path.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript("create table z (s); create index zi on z (s);")
        connection.executemany("insert into z values (?)", [("x" * 500,)] * 100)
        connection.commit()
    content = bytearray(path.read_bytes())
    content[4096:12288] = os.urandom(8192)
    path.write_bytes(content)
    await _lite("select count(*) from z where s > 'a'", "pragma integrity_check", "delete from z", file="damaged.db")(
        servers
    )


@case("sqlite-locked", DB_CONTENDED)
async def _(servers: Servers) -> None:
    import sqlite3

    made(servers)
    with contextlib.closing(sqlite3.connect(servers("folder") / "made.db")) as holder:
        holder.execute("begin exclusive")
        await _lite("insert into y values (1)", file="made.db", query="timeout=0")(servers)


@case("aiosqlite-interrupted", ("TRAINING_CANCELLED", False, "neutral"))
async def _(servers: Servers) -> None:
    import aiosqlite

    async with aiosqlite.connect(":memory:") as connection:
        forever = "with recursive r (i) as (select 1 union all select i + 1 from r) select count(*) from r"
        running = asyncio.ensure_future(connection.execute(forever))
        for _ in range(200):
            await asyncio.sleep(0.005)
            await connection.interrupt()
            if running.done():
                break
        await running


@case("aiosqlite-closed", ("SYSTEM_ERROR", False, "failure"))
async def _(servers: Servers) -> None:
    import aiosqlite

    connection = await aiosqlite.connect(":memory:")
    await connection.close()
    await connection.execute("select 1")
