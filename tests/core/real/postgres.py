"""Failures of PostgreSQL, by SQLAlchemy and asyncpg."""

import asyncio
from collections.abc import Callable
from typing import Any

from tests.core.real.cases import (
    BRIEF,
    DB_ANSWERED,
    DB_AWAY,
    DB_BROKEN,
    DB_CONTENDED,
    LATE,
    MISUSED,
    NETWORK,
    OWN_POOL,
    Servers,
    case,
)


def _pg(*statements: str, **more: Any) -> Callable[[Servers], Any]:
    async def run(servers: Servers) -> None:
        from sqlalchemy import text
        from sqlalchemy.ext.asyncio import create_async_engine

        engine = create_async_engine(more.get("url", servers("postgres").url), connect_args=more.get("connect_args", {}))
        try:
            async with engine.begin() as connection:
                for statement in statements:
                    await connection.execute(text(statement))
        finally:
            await engine.dispose()

    return run


TABLE = "create temp table t (id int primary key, n int not null check (n > 0), s varchar(2))"
case("pg-unique", DB_ANSWERED)(_pg(TABLE, "insert into t values (1, 1)", "insert into t values (1, 1)"))
case("pg-not-null", DB_ANSWERED)(_pg(TABLE, "insert into t values (1, null)"))
case("pg-check", DB_ANSWERED)(_pg(TABLE, "insert into t values (1, 0)"))
case("pg-too-long", DB_ANSWERED)(_pg(TABLE, "insert into t values (1, 1, 'abc')"))
case("pg-no-table", DB_ANSWERED)(_pg("select * from nothing_here"))
case("pg-syntax", DB_ANSWERED)(_pg("selec 1"))
case("pg-division", DB_ANSWERED)(_pg("select 1/0"))
case("pg-aborted-transaction", DB_ANSWERED)(_pg("do $$ begin raise exception using errcode = '25P02'; end $$"))
case("pg-read-only", DB_AWAY)(_pg("set transaction read only", "create table x (i int)"))
case("pg-statement-timeout", LATE)(_pg("set statement_timeout = 50", "select pg_sleep(5)"))
case("pg-command-timeout", LATE)(_pg("select pg_sleep(5)", connect_args={"command_timeout": BRIEF}))
case("pg-shut-down", DB_AWAY)(_pg("do $$ begin raise exception using errcode = '57P01'; end $$"))
case("pg-starting-up", DB_AWAY)(_pg("do $$ begin raise exception using errcode = '57P03'; end $$"))
case("pg-disk-full", ("DISK_FULL", False, "failure"))(_pg("do $$ begin raise exception using errcode = '53100'; end $$"))
case("pg-corrupt", DB_BROKEN)(_pg("do $$ begin raise exception using errcode = 'XX001'; end $$"))
case("pg-killed-by-itself", DB_AWAY)(_pg("select pg_terminate_backend(pg_backend_pid())"))
case("pg-refused", NETWORK)(
    lambda servers: _pg("select 1", url=f"postgresql+asyncpg://postgres@127.0.0.1:{servers('nobody')}/x")(servers)
)
case("pg-hang", LATE)(
    lambda servers: _pg(
        "select 1", url=f"postgresql+asyncpg://postgres@127.0.0.1:{servers('full')}/x", connect_args={"timeout": BRIEF}
    )(servers)
)
case("pg-no-such-database", DB_BROKEN)(
    lambda servers: _pg("select 1", url=servers("postgres").url.replace("/postgres", "/nothing"))(servers)
)
case("pg-no-such-role", DB_BROKEN)(
    lambda servers: _pg("select 1", url=servers("postgres").url.replace("//postgres@", "//nobody@"))(servers)
)


@case("pg-wrong-password", DB_BROKEN)
async def _(servers: Servers) -> None:
    await _pg("drop role if exists guarded", "create role guarded login password 'right'")(servers)
    await _pg("select 1", url=servers("postgres").url.replace("//postgres@", "//guarded:wrong@"))(servers)


@case("pg-too-many-connections", DB_AWAY)
async def _(servers: Servers) -> None:
    await _pg("drop role if exists crowded", "create role crowded login connection limit 0")(servers)
    await _pg("select 1", url=servers("postgres").url.replace("//postgres@", "//crowded@"))(servers)


async def _engine_pair(servers: Servers, isolation: str | None = None) -> Any:
    from sqlalchemy.ext.asyncio import create_async_engine

    return create_async_engine(servers("postgres").url, **({"isolation_level": isolation} if isolation else {}))


def _two(first: list[str], second: list[str], then: list[str], isolation: str | None = None) -> Callable[[Servers], Any]:
    """Two transactions: each runs its statements, then the second runs more, then the first commits, then the second."""

    async def run(servers: Servers) -> None:
        from sqlalchemy import text

        engine = await _engine_pair(servers, isolation)
        try:
            async with engine.begin() as setup:
                await setup.execute(text("drop table if exists two"))
                await setup.execute(text("create table two as select i as id, 0 as n from generate_series(1, 2) i"))
            async with engine.connect() as one, engine.connect() as other:
                for statement in first:
                    await one.execute(text(statement))
                for statement in second:
                    await other.execute(text(statement))
                waiting = asyncio.create_task(one.execute(text(then[0]))) if len(then) == 2 else None
                try:
                    if waiting is not None:
                        await asyncio.sleep(0.02)
                        ends = await asyncio.gather(waiting, other.execute(text(then[1])), return_exceptions=True)
                        raise next(end for end in ends if isinstance(end, BaseException))
                    await one.commit()
                    await other.execute(text(then[0]))
                    await other.commit()
                finally:
                    if waiting is not None:
                        await asyncio.gather(waiting, return_exceptions=True)
        finally:
            await engine.dispose()

    return run


case("pg-serialization", DB_CONTENDED)(
    _two(
        ["update two set n = 1 where id = 1"],
        ["select * from two"],
        ["update two set n = 2 where id = 1"],
        "REPEATABLE READ",
    )
)
case("pg-deadlock", DB_CONTENDED)(
    _two(
        ["update two set n = 1 where id = 1"],
        ["update two set n = 1 where id = 2"],
        ["update two set n = 2 where id = 2", "update two set n = 2 where id = 1"],
    )
)


async def _locked(servers: Servers, *statements: str) -> None:
    from sqlalchemy import text

    engine = await _engine_pair(servers)
    try:
        async with engine.begin() as setup:
            await setup.execute(text("create table if not exists locked as select 1 as id"))
        async with engine.connect() as holder, engine.connect() as other:
            await holder.execute(text("lock table locked"))
            for statement in statements:
                await other.execute(text(statement))
    finally:
        await engine.dispose()


case("pg-lock-nowait", DB_CONTENDED)(lambda servers: _locked(servers, "lock table locked nowait"))
case("pg-lock-timeout", DB_CONTENDED)(lambda servers: _locked(servers, "set lock_timeout = 30", "lock table locked"))


@case("pg-idle-in-transaction", DB_AWAY)
async def _(servers: Servers) -> None:
    from sqlalchemy import text

    engine = await _engine_pair(servers)
    try:
        async with engine.connect() as connection:
            await connection.execute(text("set idle_in_transaction_session_timeout = 30"))
            await asyncio.sleep(0.2)
            await connection.execute(text("select 1"))
    finally:
        await engine.dispose()


@case("pg-own-pool", OWN_POOL)
async def _(servers: Servers) -> None:
    from sqlalchemy import text
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine(servers("postgres").url, pool_size=1, max_overflow=0, pool_timeout=0.05)
    try:
        async with engine.connect() as held, engine.connect() as other:
            await held.execute(text("select 1"))
            await other.execute(text("select 1"))
    finally:
        await engine.dispose()


@case("pg-killed-in-a-transaction", DB_AWAY)
async def _(servers: Servers) -> None:
    from sqlalchemy import text

    server = servers("postgres")
    engine = await _engine_pair(servers)
    try:
        async with engine.connect() as connection:
            await connection.execute(text("select 1"))
            server.kill()
            try:
                await connection.execute(text("select 2"))
            finally:
                server.start()
    finally:
        await engine.dispose()


async def _asyncpg(servers: Servers) -> Any:
    import asyncpg

    return await asyncpg.connect(host="127.0.0.1", port=servers("postgres").port, user="postgres", database="postgres")


@case("asyncpg-unique", DB_ANSWERED)
async def _(servers: Servers) -> None:
    connection = await _asyncpg(servers)
    try:
        await connection.execute("create temp table u (i int unique); insert into u values (1); insert into u values (1)")
    finally:
        await connection.close()


@case("asyncpg-two-at-once", MISUSED)
async def _(servers: Servers) -> None:
    connection = await _asyncpg(servers)
    try:
        first = asyncio.ensure_future(connection.execute("select pg_sleep(0.1)"))
        await asyncio.sleep(0)
        try:
            await connection.execute("select 1")
        finally:
            await first
    finally:
        await connection.close()


@case("asyncpg-closed", DB_AWAY)
async def _(servers: Servers) -> None:
    connection = await _asyncpg(servers)
    await connection.close()
    await connection.execute("select 1")


@case("asyncpg-wrong-argument", DB_ANSWERED)
async def _(servers: Servers) -> None:
    connection = await _asyncpg(servers)
    try:
        await connection.fetch("select $1::int", "no number")
    finally:
        await connection.close()


@case("asyncpg-terminated", DB_AWAY)
async def _(servers: Servers) -> None:
    connection = await _asyncpg(servers)
    await connection.execute("select pg_terminate_backend(pg_backend_pid())")


@case("database-error-around-a-lost-connection", DB_AWAY)
async def _(servers: Servers) -> None:
    from app.db.guard import database_errors

    with database_errors():
        await _pg("select 1", url=f"postgresql+asyncpg://postgres@127.0.0.1:{servers('nobody')}/x")(servers)


@case("database-error-around-an-answer", DB_ANSWERED)
async def _(servers: Servers) -> None:
    from app.db.guard import database_errors

    with database_errors():
        await _pg("select * from nothing_here")(servers)
