"""Word of events from backend to backend: it arrives, survives lost connections, and says when it may have missed some."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import pytest

from app.db.models import JobEvent
from app.db.notices import Notices
from app.db.session import Database
from tests.core.servers import Postgres
from tests.integration.proxy import FaultProxy

AT = datetime(2026, 11, 25, tzinfo=UTC)


def event(job_id: str, seq: int) -> JobEvent:
    return JobEvent(job_id=job_id, seq=seq, type="log", attempt=1, at=AT, body={})


class Side:
    """One backend's part: what it heard, and how often it may have missed something."""

    def __init__(self, url: str) -> None:
        self.heard: dict[str, int] = {}
        self.missed = 0
        self.news = asyncio.Event()
        self.db = Database(url)
        self.notices = Notices(self.db.engine, self.hear, self.miss)

    def hear(self, job_id: str, seq: int) -> None:
        self.heard[job_id] = seq
        self.news.set()

    def miss(self) -> None:
        self.missed += 1
        self.news.set()

    async def until(self, check: Callable[[], bool]) -> None:
        """Waits until what it heard is what is wanted."""
        async with asyncio.timeout(15):
            while not check():
                self.news.clear()
                await self.news.wait()


@pytest.fixture
def proxy(postgres: Postgres, proxied: Callable[[int], FaultProxy]) -> FaultProxy:
    return proxied(postgres.port)


@pytest.fixture
async def sides(postgres: Postgres, postgres_url: str, proxy: FaultProxy) -> AsyncIterator[tuple[Side, Side]]:
    """Two backends; the second reaches the database through the proxy."""
    pair = Side(postgres_url), Side(postgres_url.replace(f":{postgres.port}/", f":{proxy.port}/"))
    for side in pair:
        side.notices.start()
        await side.notices.connected.wait()
    yield pair
    proxy.heal()
    for side in pair:
        await side.notices.stop()
        await side.db.close()


async def test_the_other_hears_the_newest_number_of_each_job_and_nobody_hears_themselves(sides: tuple[Side, Side]) -> None:
    one, other = sides
    one.notices.tell([event(f"J-{number}", seq) for number in range(500) for seq in (1, 2)])
    await other.until(lambda: len(other.heard) == 500)
    assert set(other.heard.values()) == {2}
    other.notices.tell([event("J-1", 9)])
    await one.until(lambda: one.heard == {"J-1": 9})


async def test_a_lost_connection_is_made_anew_all_look_and_nothing_that_was_to_be_told_is_lost(
    sides: tuple[Side, Side], proxy: FaultProxy
) -> None:
    one, other = sides
    assert other.missed == 1
    proxy.refuse()
    one.notices.tell([event("J-1", 1)])
    other.notices.tell([event("J-2", 2)])
    proxy.heal()
    await other.until(lambda: other.missed == 2)
    await one.until(lambda: one.heard == {"J-2": 2})
    one.notices.tell([event("J-1", 3)])
    await other.until(lambda: other.heard.get("J-1") == 3)


async def test_a_connection_that_hangs_is_found_out(
    sides: tuple[Side, Side], proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = sides
    monkeypatch.setattr("app.db.notices.CHECK_SECONDS", 0.1)
    monkeypatch.setattr("app.db.notices.ANSWER_SECONDS", 0.3)
    other.notices.tell([event("J-1", 1)])  # wakes it, so that the shorter times hold
    await one.until(lambda: one.heard == {"J-1": 1})
    proxy.reset()
    await other.until(lambda: other.missed == 2)
    proxy.hold()
    async with asyncio.timeout(15):
        while other.notices.connected.is_set():
            await asyncio.sleep(0.02)
    proxy.heal()
    await other.until(lambda: other.missed >= 3)
    one.notices.tell([event("J-1", 2)])
    await other.until(lambda: other.heard.get("J-1") == 2)
