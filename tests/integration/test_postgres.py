"""What a user sees, and what becomes of the data, when the real PostgreSQL server fails in each of its ways."""

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.deps import Platform
from app.config import Settings
from app.core.errors import DatabaseError, PlatformError
from app.core.timing import TestTiming
from app.db.models import Counter
from app.db.repositories import jobs
from app.db.session import Database
from tests.core.servers import Postgres
from tests.integration.faults_table import Record
from tests.integration.proxy import FaultProxy
from tests.integration.servers import need_postgres, new_database

JOBS = "/api/v1/training-jobs"
SECONDS = 0.6


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[Postgres]:
    """A server that these tests may kill."""
    need_postgres()
    server = Postgres()
    yield server
    server.close()


@pytest.fixture
def proxy(own_postgres: Postgres, proxied: Callable[[int], FaultProxy]) -> FaultProxy:
    """What stands between the backend and its database."""
    return proxied(own_postgres.port)


@pytest.fixture
async def direct_url(own_postgres: Postgres) -> str:
    """The database's address past the proxy."""
    return await new_database(own_postgres)


@pytest.fixture
def settings(settings: Settings, direct_url: str, own_postgres: Postgres, proxy: FaultProxy) -> Settings:
    """The application on that database, with little patience."""
    url = direct_url.replace(f":{own_postgres.port}/", f":{proxy.port}/")
    return settings.model_copy(update={"database_url": url, "database_timeout_seconds": SECONDS, "database_pool": 4})


@dataclass(frozen=True, slots=True)
class Seen:
    """What a user was shown, and after how many seconds."""

    status: int
    code: str | None
    text: str
    seconds: float


class User:
    """Looks at the platform as the page does."""

    def __init__(self, client: httpx.AsyncClient, platform: Platform) -> None:
        self.client, self.platform = client, platform

    async def look(self) -> Seen:
        """Asks for the list of jobs; the breaker's opinion of earlier failures is not what is looked at."""
        self.platform.db.breaker.reset()
        return await self._seen(self.client.get(JOBS))

    async def look_at_once(self) -> Seen:
        """The same, with what the breaker thinks."""
        return await self._seen(self.client.get(JOBS))

    async def _seen(self, request: Any) -> Seen:
        began = time.monotonic()
        answer = await request
        seconds = time.monotonic() - began
        if answer.is_success:
            return Seen(answer.status_code, None, "the page", seconds)
        error = answer.json()["error"]
        return Seen(answer.status_code, error["code"], error["message"], seconds)


@pytest.fixture
async def user(client: httpx.AsyncClient, platform: Platform) -> User:
    """A user of a backend whose driver rests, so that nobody else meets the fault first."""
    await platform.driver.stop()
    return User(client, platform)


async def add(platform: Platform, name: str) -> int:
    """Counts one up; what comes back has been committed."""
    return await platform.db.write(lambda session: jobs.next_number(session, name))


async def value(url: str, name: str) -> int:
    """What the database itself says, past the backend."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        return int(await connection.fetchval("select coalesce(max(value), 0) from counters where name = $1", name))
    finally:
        await connection.close()


def tell(record: Record, fault: str, seen: Seen, did: str) -> None:
    """Puts what was seen into the table."""
    record("PostgreSQL", fault, seen.code, f"{seen.status}: {seen.text}", did, seen.seconds)


async def test_a_refused_connection_is_told_then_told_at_once_and_forgotten_when_it_is_back(
    user: User, proxy: FaultProxy, record_fault: Record, no_waiting: TestTiming
) -> None:
    proxy.refuse()
    seen = await user.look()
    assert (seen.status, seen.code) == (500, "DATABASE_ERROR")
    tell(record_fault, "refused", seen, "asked twice; after three failures in a row nobody is kept waiting: 503 at once")
    await user.look_at_once()
    at_once = await user.look_at_once()
    assert (at_once.status, at_once.code) == (503, "SERVICE_UNAVAILABLE")
    assert at_once.seconds < 1
    proxy.heal()
    no_waiting.advance(60)
    assert (await user.look_at_once()).status == 200


async def test_a_black_hole_and_a_stopped_server_are_waited_for_no_longer_than_set(
    user: User, proxy: FaultProxy, own_postgres: Postgres, record_fault: Record, platform: Platform, direct_url: str
) -> None:
    did = "waited as long as set, twice, then gave up; what is committed stays"
    for fault, begin, end in (
        ("black hole", proxy.hold, proxy.heal),
        ("hung (SIGSTOP)", own_postgres.freeze, lambda: own_postgres.freeze(yes=False)),
    ):
        number = await add(platform, "a")
        begin()
        try:
            seen = await user.look()
        finally:
            end()
        assert (seen.status, seen.code) == (500, "DATABASE_ERROR")
        assert seen.seconds < 15
        tell(record_fault, fault, seen, did)
        assert (await user.look()).status == 200
        assert await value(direct_url, "a") == number


async def test_a_connection_cut_before_the_commit_costs_one_more_try_and_nothing_else(
    user: User, proxy: FaultProxy, record_fault: Record, platform: Platform, direct_url: str
) -> None:
    # The name goes along each time, the statement's text only the first time on a connection.
    await add(platform, "cut here")
    proxy.faults.cut_at = b"cut here"
    began = time.monotonic()
    assert await add(platform, "cut here") == 2
    seconds = time.monotonic() - began
    assert proxy.faults.cut_at is None
    assert await value(direct_url, "cut here") == 2
    assert (await user.look()).status == 200
    did = "the transaction had not been committed: carried out again on a new connection, once"
    record_fault("PostgreSQL", "reset in mid-answer", None, "nothing", did, seconds)


async def test_a_connection_cut_within_the_commit_is_told_and_not_done_twice(
    user: User, proxy: FaultProxy, record_fault: Record, platform: Platform, direct_url: str
) -> None:
    await add(platform, "a")
    doubtful: list[Any] = []
    platform.db.on_doubt = doubtful.extend
    calls = []

    async def tx(session: AsyncSession) -> int:
        calls.append(1)
        session.info["events"] = ["told"]
        return await jobs.next_number(session, "a")

    proxy.faults.cut_at = b"COMMIT"
    began = time.monotonic()
    with pytest.raises(DatabaseError) as caught:
        await platform.db.write(tx)
    seen = Seen(500, caught.value.code, caught.value.user_message or "", time.monotonic() - began)
    assert calls == [1]
    assert doubtful == ["told"]
    assert await value(direct_url, "a") == 2  # it did take place, once
    assert (await user.look()).status == 200
    tell(
        record_fault, "cut off within the commit", seen,
        "not done again: it may have taken place; agents' reports and requests with an Idempotency-Key may be sent again",
    )  # fmt: skip


async def test_a_slow_database_is_a_slow_answer(user: User, proxy: FaultProxy, record_fault: Record) -> None:
    proxy.faults.latency = 0.05
    seen = await user.look()
    assert seen.status == 200
    record_fault("PostgreSQL", "slow", None, "the page, later", "waited: each round trip took 0.1 s longer", seen.seconds)


async def test_an_answer_that_is_not_postgresqls_is_told(user: User, proxy: FaultProxy, record_fault: Record) -> None:
    proxy.reset()
    proxy.faults.garbage = b"HTTP/1.1 400 Bad Request\r\n\r\n"
    seen = await user.look()
    assert (seen.status, seen.code) == (500, "DATABASE_ERROR")
    tell(record_fault, "garbage answer", seen, "gave up; the log has what came")


async def test_a_wrong_password_is_told_and_not_tried_again(own_postgres: Postgres, record_fault: Record) -> None:
    connection = await asyncpg.connect(own_postgres.url.replace("+asyncpg", ""))
    await connection.execute("create role guarded login password 'right'")
    await connection.close()
    db = Database(own_postgres.url.replace("//postgres@", "//guarded:wrong@"))
    began = time.monotonic()
    with pytest.raises(DatabaseError) as caught:
        await db.read(lambda session: session.execute(text("select 1")))
    await db.close()
    assert not any("tries" in note for note in getattr(caught.value, "__notes__", []))
    seen = Seen(500, caught.value.code, caught.value.user_message or "", time.monotonic() - began)
    tell(record_fault, "wrong credentials", seen, "did not try again: that would not help")


async def test_whatever_was_answered_for_survives_kills_under_load(
    user: User, own_postgres: Postgres, record_fault: Record, platform: Platform, direct_url: str
) -> None:
    answered: list[int] = []
    under_way = asyncio.Event()
    go_on = True

    async def writer() -> None:
        while go_on:
            try:
                answered.append(await add(platform, "a"))
            except PlatformError:
                platform.db.breaker.reset()
            if len(answered) > 20:
                under_way.set()
            await asyncio.sleep(0)

    writers = [asyncio.create_task(writer()) for _ in range(3)]
    await asyncio.wait_for(under_way.wait(), 20)
    own_postgres.kill()
    seen = await user.look()
    began = time.monotonic()
    await asyncio.to_thread(own_postgres.start)
    count = len(answered)
    while len(answered) < count + 20:
        await asyncio.sleep(0.01)
    seconds = time.monotonic() - began
    go_on = False
    await asyncio.gather(*writers)
    assert seen.code in ("DATABASE_ERROR", "SERVICE_UNAVAILABLE")
    assert len(set(answered)) == len(answered)  # no number was given out twice
    assert await value(direct_url, "a") >= max(answered)  # and none of them was lost
    assert (await user.look()).status == 200
    record_fault(
        "PostgreSQL", "killed and restarted", "DATABASE_ERROR", "500 while it was away",
        "went on by itself when it was back; nothing that was answered for was lost, nothing was done twice", seconds,
    )  # fmt: skip


async def test_a_standby_that_takes_no_changes_is_told_and_left_for_the_new_primary(
    user: User, record_fault: Record, platform: Platform, direct_url: str
) -> None:
    await add(platform, "a")

    async def alter(how: str) -> None:
        connection = await asyncpg.connect(direct_url.replace("+asyncpg", ""))
        await connection.execute("set default_transaction_read_only = off")
        await connection.execute(f"alter database {direct_url.rpartition('/')[2]} {how}")
        await connection.close()

    await alter("set default_transaction_read_only = on")
    await platform.db.engine.dispose()
    began = time.monotonic()
    with pytest.raises(DatabaseError) as caught:
        await add(platform, "a")
    seen = Seen(500, caught.value.code, caught.value.user_message or "", time.monotonic() - began)
    assert (await user.look()).status == 200  # reading goes on
    await alter("reset default_transaction_read_only")
    # Nobody cleared the pool: the connections that were refused were dropped.
    platform.db.breaker.reset()
    assert await add(platform, "a") == 2
    tell(record_fault, "read-only", seen, "pages go on; what changes something is refused, each time on a new connection")


@pytest.fixture
def small_disk(own_postgres: Postgres) -> Iterator[Path]:
    """A disk of two megabytes that PostgreSQL may write to."""
    folder = own_postgres.folder / "small"
    folder.mkdir()
    owner = f"uid={own_postgres.owner['user']},gid={own_postgres.owner['group']}," if own_postgres.owner else ""
    mount = ["mount", "-t", "tmpfs", "-o", f"{owner}size=2m,mode=0700", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small tmpfs needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


async def test_a_full_disk_is_told_and_what_was_there_stays(
    user: User, small_disk: Path, record_fault: Record, platform: Platform, direct_url: str
) -> None:
    connection = await asyncpg.connect(direct_url.replace("+asyncpg", ""))
    await connection.execute(f"create tablespace small location '{small_disk}'")
    await connection.execute("alter table counters set tablespace small")
    await add(platform, "kept")

    async def fill(session: AsyncSession) -> None:
        for number in range(2000):
            session.add_all(Counter(name=f"{number}-{more}".ljust(40, "x"), value=0) for more in range(100))
            await session.flush()

    began = time.monotonic()
    with pytest.raises(PlatformError) as caught:
        await platform.db.write(fill)
    assert caught.value.code == "DISK_FULL"
    seen = Seen(500, caught.value.code, caught.value.user_message or "", time.monotonic() - began)
    names = await platform.db.read(lambda session: session.scalars(select(Counter.name).where(Counter.value > 0)))
    assert "kept" in names.all()
    await asyncio.to_thread(subprocess.run, ["mount", "-o", "remount,size=64m", small_disk], check=True)
    assert await add(platform, "kept") == 2  # there is room again
    await connection.execute("alter table counters set tablespace pg_default")
    await connection.execute("drop tablespace small")
    await connection.close()
    tell(record_fault, "full", seen, "did not try again; the transaction left nothing, what was there stays")


async def test_a_server_that_takes_no_more_connections_is_told_and_asked_again_by_the_next(
    user: User, record_fault: Record, platform: Platform, direct_url: str
) -> None:
    await platform.db.engine.dispose()
    async with AsyncExitStack() as taken:

        async def take_all() -> None:
            while True:
                connection = await asyncpg.connect(direct_url.replace("+asyncpg", ""))
                taken.push_async_callback(connection.close)

        with pytest.raises(asyncpg.TooManyConnectionsError):
            await take_all()
        seen = await user.look()
        assert (seen.status, seen.code) == (500, "DATABASE_ERROR")
    assert (await user.look()).status == 200
    tell(record_fault, "too many connections", seen, "tried twice; served again as soon as others had left")


async def test_a_pool_that_is_used_up_makes_callers_wait_and_then_says_so(
    user: User, record_fault: Record, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = platform.db.engine.pool
    monkeypatch.setattr(pool, "_timeout", 0.3)
    held = [await platform.db.engine.connect() for _ in range(4)]
    seen = await user.look()
    assert (seen.status, seen.code) == (500, "DATABASE_ERROR")
    for connection in held:
        await connection.close()
    assert (await user.look()).status == 200
    assert pool.checkedout() == 0  # type: ignore[attr-defined]
    tell(record_fault, "pool exhausted", seen, "waited for a free connection as long as set; did not add to the load")


async def test_the_server_itself_ends_what_takes_too_long(platform: Platform, direct_url: str, user: User) -> None:
    async def states(session: AsyncSession) -> list[str]:
        names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
        return [str(await session.scalar(text(f"show {name}"))) for name in names]

    assert await platform.db.read(states) == ["600ms", "300ms", "3600ms"]
    with pytest.raises(DatabaseError):
        await platform.db.read(lambda session: session.execute(text("select pg_sleep(5)")))
    await add(platform, "a")
    holder = await asyncpg.connect(direct_url.replace("+asyncpg", ""))
    transaction = holder.transaction()
    await transaction.start()
    await holder.execute("select * from counters for update")
    platform.db.breaker.reset()
    with pytest.raises(DatabaseError) as caught:
        await add(platform, "a")
    assert any("2 of 2" in note for note in caught.value.__notes__)  # a wait for a lock changes nothing: tried again
    await transaction.rollback()
    await holder.close()
    platform.db.breaker.reset()
    assert await add(platform, "a") == 2


@pytest.fixture(autouse=True)
async def quiet(user: User, proxy: FaultProxy) -> AsyncIterator[None]:
    """The proxy is well again when the application closes its connections."""
    yield
    proxy.heal()
