"""Transactions: all or nothing, tried again where that is safe, events only after the commit, whatever dies meanwhile."""

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import CircuitOpenError, DatabaseError, PlatformError
from app.core.timing import TestTiming
from app.db.models import Counter, Job, JobEvent
from app.db.repositories import jobs
from app.db.session import Database, async_url
from tests.core.servers import Postgres
from tests.db.conftest import AT, add_job

Open = Callable[[str], Database]


async def count(db: Database, table: type[Any]) -> int:
    return int(await db.read(lambda session: session.scalar(select(func.count()).select_from(table))) or 0)


async def test_events_are_published_after_the_commit_and_not_before(db: Database, published: list[Any]) -> None:
    async def tx(session: AsyncSession) -> str:
        job = await add_job(session)
        jobs.append_event(session, job, "state", AT, {"status": "queued"})
        await session.flush()
        assert published == []
        return job.id

    assert await db.write(tx) == "J-1"
    assert [(event.job_id, event.seq) for event in published] == [("J-1", 1)]
    assert await count(db, JobEvent) == 1


@pytest.mark.parametrize(
    "error", [PlatformError.from_code("NOT_FOUND"), PlatformError.from_code("NETWORK_ERROR"), KeyError("x")]
)
async def test_what_the_function_raises_rolls_back_and_is_neither_retried_nor_counted(
    db: Database, published: list[Any], error: Exception
) -> None:
    calls = []

    async def tx(session: AsyncSession) -> None:
        calls.append(1)
        job = await add_job(session)
        jobs.append_event(session, job, "state", AT, {})
        await session.flush()
        raise error

    for _ in range(5):
        with pytest.raises(type(error)) as caught:
            await db.write(tx)
        assert caught.value is error
    assert len(calls) == 5
    assert published == []
    assert await count(db, Job) == 0
    assert db.breaker.state == "CLOSED"
    assert db.breaker.failure_count == 0


async def test_a_cancelled_caller_leaves_a_whole_transaction_and_its_events(db: Database, published: list[Any]) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def tx(session: AsyncSession) -> None:
        job = await add_job(session)
        entered.set()
        await go_on.wait()
        jobs.append_event(session, job, "state", AT, {})

    caller = asyncio.create_task(db.write(tx))
    await entered.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    go_on.set()
    await db.write(lambda session: jobs.next_number(session, "other"))
    await db.close()  # waits for what is under way
    assert await count(db, Job) == await count(db, JobEvent) == len(published) == 1


async def test_a_failure_after_its_caller_left_is_no_forgotten_exception(db: Database) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def tx(session: AsyncSession) -> None:
        entered.set()
        await go_on.wait()
        await session.execute(text("select nothing from nowhere"))

    caller = asyncio.create_task(db.write(tx))
    await entered.wait()
    caller.cancel()
    go_on.set()
    await db.close()
    assert caller.cancelled()


async def test_numbers_of_events_have_no_gap_whoever_writes_at_once(db: Database) -> None:
    job_id = (await db.write(add_job)).id

    async def tx(session: AsyncSession) -> None:
        job = await jobs.get_job(session, job_id, lock=True)
        jobs.append_event(session, job, "log", AT, {})
        await asyncio.sleep(0)
        jobs.append_event(session, job, "log", AT, {})

    await asyncio.gather(*(db.write(tx) for _ in range(20)))
    events = await db.read(lambda session: jobs.events_since(session, job_id, 0))
    assert [event.seq for event in events] == list(range(1, 41))


async def test_numbers_of_two_processes_on_one_file_have_no_gap(empty_url: str, open_database: Open) -> None:
    first, second = open_database(empty_url), open_database(empty_url)
    await asyncio.gather(first.migrate(), second.migrate())
    taken = await asyncio.gather(
        *(db.write(lambda session: jobs.next_number(session, "job")) for _ in range(10) for db in (first, second))
    )
    assert sorted(taken) == list(range(1, 21))


async def test_a_number_of_a_transaction_that_failed_is_given_out_again(db: Database) -> None:
    async def tx(session: AsyncSession) -> None:
        await jobs.next_number(session, "job")
        raise KeyError

    with pytest.raises(KeyError):
        await db.write(tx)
    assert await db.write(lambda session: jobs.next_number(session, "job")) == 1


async def test_migrating_twice_changes_nothing(db: Database) -> None:
    await db.write(add_job)
    await db.migrate()
    assert await count(db, Job) == 1


async def test_a_wrong_statement_is_a_database_error_and_not_tried_again(db: Database) -> None:
    calls = []

    async def tx(session: AsyncSession) -> None:
        calls.append(1)
        await session.execute(text("select nothing from nowhere"))

    with pytest.raises(DatabaseError) as caught:
        await db.read(tx)
    assert caught.value.code == "DATABASE_ERROR"
    assert len(calls) == 1


async def test_a_deadlock_is_tried_again_and_both_writers_succeed(postgres_url: str, open_database: Open) -> None:
    db = open_database(postgres_url)
    await db.migrate()
    for name in "ab":
        await db.write(lambda session, name=name: jobs.next_number(session, name))
    both = asyncio.Barrier(2)
    first_try: set[str] = set()

    def writer(*order: str) -> Any:
        async def tx(session: AsyncSession) -> None:
            await session.get(Counter, order[0], with_for_update=True)
            if order[0] not in first_try:
                first_try.add(order[0])
                await both.wait()
            counter = await session.get(Counter, order[1], with_for_update=True)
            assert counter is not None
            counter.value += 1

        return tx

    await asyncio.gather(db.write(writer("a", "b")), db.write(writer("b", "a")))
    values = await db.read(lambda session: session.execute(select(Counter.name, Counter.value)))
    assert dict(values.all()) == {"a": 2, "b": 2}
    assert db.breaker.state == "CLOSED"


async def test_a_lost_serialization_is_tried_again(postgres_url: str, open_database: Open) -> None:
    db = open_database(postgres_url)
    await db.migrate()
    await db.write(lambda session: jobs.next_number(session, "a"))
    calls = []

    async def tx(session: AsyncSession) -> None:
        calls.append(1)
        await session.execute(text("set transaction isolation level serializable"))
        counter = await session.get(Counter, "a")
        assert counter is not None
        if len(calls) == 1:
            await db.write(lambda other: jobs.next_number(other, "a"))
        counter.value += 10

    await db.write(tx)
    assert len(calls) == 2
    assert await db.write(lambda session: jobs.next_number(session, "a")) == 13


async def test_a_database_killed_within_a_transaction_leaves_nothing_half_done(
    open_database: Open, published: list[Any]
) -> None:
    server = Postgres()
    try:
        db = open_database(server.url)
        await db.migrate()
        kept = (await db.write(add_job)).id

        async def tx(session: AsyncSession) -> None:
            job = await add_job(session, id="J-lost")
            jobs.append_event(session, job, "state", AT, {})
            await session.flush()
            server.kill()
            await session.execute(text("select 1"))

        with pytest.raises(DatabaseError) as caught:
            await db.write(tx)
        assert caught.value.code == "DATABASE_ERROR"
        assert published == []
        server.start()
        db.breaker.reset()
        assert (await db.read(lambda session: jobs.get_job(session, kept))).id == kept
        assert await count(db, Job) == 1
    finally:
        server.close()


async def test_a_connection_that_died_in_the_pool_is_replaced_without_an_error(
    postgres_url: str, open_database: Open
) -> None:
    db = open_database(postgres_url)
    await db.migrate()
    other = open_database(postgres_url)
    await other.write(lambda session: jobs.next_number(session, "a"))
    mine = "datname = current_database() and pid <> pg_backend_pid()"
    kill_others = text(f"select pg_terminate_backend(pid) from pg_stat_activity where {mine}")
    await db.write(lambda session: session.execute(kill_others))
    assert await other.write(lambda session: jobs.next_number(session, "a")) == 2


async def test_an_absent_database_opens_the_breaker_and_answers_at_once_with_the_time_left(
    open_database: Open, no_waiting: TestTiming
) -> None:
    db = open_database("postgresql://postgres@127.0.0.1:1/none")
    for _ in range(2):
        with pytest.raises(DatabaseError) as caught:
            await db.read(lambda session: session.execute(text("select 1")))
        assert isinstance(caught.value.__cause__, OSError)
    assert db.breaker.state == "OPEN"
    with pytest.raises(CircuitOpenError) as refused:
        await db.read(lambda session: session.execute(text("select 1")))
    assert refused.value.retry_after is not None
    assert 0 < refused.value.retry_after <= 40
    no_waiting.advance(60)
    with pytest.raises(DatabaseError):
        await db.read(lambda session: session.execute(text("select 1")))


HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("begin immediate")
connection.execute("insert into counters values ('foreign', 1)")
print("held", flush=True)
sys.stdin.readline()
connection.execute("commit")
print("released", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def other_process(tmp_path: Path) -> Any:
    """Starts another process that holds SQLite's write lock until it is told to let go."""
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(tmp_path / "vtp.db")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.communicate("\n\n", timeout=10)


async def test_a_write_waits_while_another_process_writes(tmp_path: Path, open_database: Open, other_process: Any) -> None:
    db = open_database(f"sqlite:///{tmp_path / 'vtp.db'}")
    await db.migrate()
    process = other_process()
    writing = asyncio.create_task(db.write(lambda session: jobs.next_number(session, "job")))
    assert await count(db, Counter) == 0  # readers are not held up, and see nothing unfinished
    assert not writing.done()
    process.stdin.write("\n")
    process.stdin.flush()
    assert await writing == 1
    assert await count(db, Counter) == 2


async def test_a_lock_that_stays_is_tried_again_and_then_told(
    tmp_path: Path, open_database: Open, other_process: Any
) -> None:
    db = open_database(f"sqlite:///{tmp_path / 'vtp.db'}")
    await db.migrate()
    await db.engine.dispose()
    event.listen(db.engine.sync_engine, "connect", lambda raw, _: raw.execute("pragma busy_timeout=20"))
    process = other_process()
    with pytest.raises(DatabaseError) as caught:
        await db.write(lambda session: jobs.next_number(session, "job"))
    assert isinstance(caught.value.__cause__.orig, sqlite3.OperationalError)  # type: ignore[union-attr]
    assert any("2 of 2" in note for note in caught.value.__notes__)
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == "released\n"
    assert await db.write(lambda session: jobs.next_number(session, "job")) == 1


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("postgres://u:p@h/d", "postgresql+asyncpg://u:p@h/d"),
        ("postgresql://h/d", "postgresql+asyncpg://h/d"),
        ("postgresql+asyncpg://h/d", "postgresql+asyncpg://h/d"),
        ("sqlite:///x.db", "sqlite+aiosqlite:///x.db"),
    ],
)
def test_an_address_without_a_driver_gets_the_async_one(given: str, meant: str) -> None:
    assert async_url(given) == meant
