"""A dependency that failed for one backend is left alone by all, and probed by one at a time."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text

from app.core import budget
from app.core.circuit_breaker import CLOSED, OPEN, CircuitBreaker
from app.core.errors import CircuitOpenError, PlatformError
from app.db.session import Database
from app.services.cluster import Cluster

WINDOW = 0.4


class Side:
    """A backend with its own breaker for the machine that all share."""

    def __init__(self, url: str) -> None:
        self.db = Database(url)
        self.cluster = Cluster(self.db, lambda *_: None, lambda: None)
        self.breaker = CircuitBreaker(3, WINDOW, name="trainer http://m", clock=time.monotonic)
        self.cluster.breakers.share(self.breaker)

    async def call(self, machine: "Machine") -> str:
        """How a call ended."""
        try:
            await self.breaker.call(machine.answer)
        except CircuitOpenError:
            return "refused"
        except ConnectionError:
            return "failed"
        return "well"

    async def told(self) -> None:
        """Waits until this side has told what it has to tell."""
        await self.cluster.breakers.stop()


class Machine:
    """What they call."""

    def __init__(self) -> None:
        self.well, self.calls = False, 0

    async def answer(self) -> None:
        self.calls += 1
        if not self.well:
            raise ConnectionError


@pytest.fixture
async def sides(postgres_url: str) -> AsyncIterator[list[Side]]:
    """Three backends on one database."""
    found = [Side(postgres_url) for _ in range(3)]
    await found[0].db.migrate()
    for side in found:
        await side.cluster.start()
    yield found
    for side in found:
        await side.told()
        await side.cluster.stop()
        await side.db.close()
    budget.share_among(1)


async def everyone(sides: list[Side], work: Any) -> list[Any]:
    return list(await asyncio.gather(*(work(side) for side in sides)))


async def test_all_leave_it_alone_one_probes_a_window_and_all_come_back(sides: list[Side]) -> None:
    machine, first = Machine(), sides[0]
    assert [await first.call(machine) for _ in range(3)] == ["failed"] * 3
    await first.told()
    await everyone(sides, lambda side: side.cluster.beat())
    assert [side.breaker.state for side in sides] == [OPEN] * 3
    assert await everyone(sides, lambda side: side.call(machine)) == ["refused"] * 3
    assert machine.calls == 3

    began = time.monotonic()
    while time.monotonic() - began < 4 * WINDOW:
        await everyone(sides, lambda side: side.call(machine))
        await everyone(sides, lambda side: side.cluster.beat())
        await asyncio.sleep(0.01)
    windows = (time.monotonic() - began) / WINDOW
    assert 1 <= machine.calls - 3 <= windows + 1

    machine.well = True
    async with asyncio.timeout(10):
        while {side.breaker.state for side in sides} != {CLOSED}:
            await everyone(sides, lambda side: side.call(machine))
            await everyone(sides, lambda side: side.told())
            await everyone(sides, lambda side: side.cluster.beat())
    assert await everyone(sides, lambda side: side.call(machine)) == ["well"] * 3


async def test_a_backend_that_cannot_ask_the_others_decides_alone(sides: list[Side]) -> None:
    machine, side = Machine(), sides[0]
    for _ in range(3):
        await side.call(machine)
    await side.told()
    side.db.breaker.isolate()
    machine.well = True
    async with asyncio.timeout(10):
        while await side.call(machine) != "well":
            await asyncio.sleep(0.01)
    assert side.breaker.state == CLOSED


async def test_what_a_person_has_switched_off_is_off_for_all_until_it_is_reset(sides: list[Side]) -> None:
    machine, (one, other, third) = Machine(), sides
    machine.well = True
    await one.cluster.breakers.switch("trainer", off=True)
    assert await one.call(machine) == "refused"
    assert await other.call(machine) == "well"
    await everyone(sides, lambda side: side.cluster.beat())
    assert await everyone(sides, lambda side: side.call(machine)) == ["refused"] * 3
    assert [side.cluster.breakers.is_off("trainer") for side in sides] == [True] * 3

    # What comes later is off as well: a machine that is new, a backend that has just begun.
    new = CircuitBreaker(3, WINDOW, name="trainer http://new", clock=time.monotonic)
    other.cluster.breakers.share(new)
    assert new.isolated
    late = Side(one.db.url)
    await late.cluster.start()
    assert await late.call(machine) == "refused"
    await late.cluster.stop()
    await late.db.close()

    # Any of them lets it in again for all.
    await third.cluster.breakers.switch("trainer", off=False)
    await everyone(sides, lambda side: side.cluster.beat())
    assert await everyone(sides, lambda side: side.call(machine)) == ["well"] * 3
    assert not new.isolated


async def test_one_machine_alone_can_be_switched_off_for_all(sides: list[Side]) -> None:
    one, other = sides[:2]
    spared = CircuitBreaker(3, WINDOW, name="trainer http://m2", clock=time.monotonic)
    other.cluster.breakers.share(spared)
    await one.cluster.breakers.switch("trainer http://m", off=True)
    await other.cluster.beat()
    assert (other.breaker.isolated, spared.isolated) == (True, False)
    await other.cluster.breakers.switch("trainer", off=False)
    await one.cluster.beat()
    assert not one.breaker.isolated


async def test_a_reset_closes_what_failures_have_opened_elsewhere(sides: list[Side]) -> None:
    machine, (one, other, _) = Machine(), sides
    for _ in range(3):
        await one.call(machine)
    await one.told()
    # The other has not heard of it yet, and is asked to reset it all the same.
    assert other.breaker.state == CLOSED
    await other.cluster.breakers.switch("trainer", off=False)
    await one.cluster.beat()
    assert one.breaker.state == CLOSED


async def test_the_database_is_switched_off_for_one_backend_only_as_the_others_could_never_learn_of_its_end(
    sides: list[Side],
) -> None:
    one, other = sides[:2]
    for side in (one, other):
        side.cluster.breakers.follow(side.db.breaker)
    await one.cluster.breakers.switch("database", off=True)
    assert one.db.breaker.isolated
    await other.cluster.beat()
    assert not other.db.breaker.isolated
    await one.cluster.breakers.switch("database", off=False)
    await one.cluster.beat()
    assert not one.db.breaker.isolated


async def test_a_switch_that_cannot_be_told_is_not_thrown(sides: list[Side]) -> None:
    one = sides[0]
    one.db.breaker.isolate()
    with pytest.raises(PlatformError):
        await one.cluster.breakers.switch("trainer", off=True)
    assert (one.breaker.isolated, one.cluster.breakers.is_off("trainer")) == (False, False)


async def test_a_claim_is_one_backends_until_it_gives_it_back_or_is_gone(sides: list[Side]) -> None:
    one, other = sides[0].cluster, sides[1].cluster
    async with one.claim("work") as mine:
        assert mine
        assert await other.is_claimed("work")
        async with other.claim("work") as theirs:
            assert not theirs
        async with one.claim("other work") as more:
            assert more
    async with other.claim("work") as mine:
        assert mine
        await die(other)
        async with one.claim("work") as taken_over:
            assert taken_over


async def die(one: Cluster) -> None:
    """Ends a backend's signs of life, six seconds ago."""
    assert one._task is not None
    one._task.cancel()
    await asyncio.wait([one._task])
    await one.db.write(lambda session: _forget(session, one.me))


async def _forget(session: Any, backend: str) -> None:
    await session.execute(text("update backends set seen_at = now() - interval '6 seconds' where id = :id"), {"id": backend})


async def test_all_that_ask_at_once_get_a_claim_once(sides: list[Side]) -> None:
    got: list[int] = []
    all_have_asked = asyncio.Barrier(30)

    async def attempt(number: int) -> None:
        async with sides[number % 3].cluster.claim(f"work {number // 3}") as mine:
            if mine:
                got.append(number // 3)
            await all_have_asked.wait()

    await asyncio.gather(*(attempt(number) for number in range(30)))
    assert sorted(got) == list(range(10))


async def test_a_dead_backend_is_noticed_and_its_work_taken_over(sides: list[Side]) -> None:
    one, other = sides[0].cluster, sides[1].cluster
    await one.beat()
    assert len(one.peers) == 3
    noticed: list[str] = []
    one.gone.append(lambda: noticed.append("gone"))
    await die(other)
    await one.beat()
    assert noticed == ["gone"]
    assert len(one.peers) == 2
