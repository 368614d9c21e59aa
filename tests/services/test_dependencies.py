"""Whether integrations are there: asked rarely, waited for shortly, told as they are."""

import asyncio
from collections.abc import Callable

import pytest

from app.core import last_errors
from app.core.errors import NetworkError
from app.core.metrics import swallowed_total
from app.services import dependencies as module
from app.services.dependencies import AWAY_SECONDS, FRESH_SECONDS, Dependencies
from app.services.probes import PATIENCE, Probe, Told


class Other:
    """The other side: it answers, refuses, or hangs."""

    def __init__(self) -> None:
        self.asked = 0
        self.well = True
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def answer(self) -> Told:
        self.asked += 1
        await self.go_on.wait()
        if not self.well:
            raise NetworkError("it", ConnectionRefusedError())
        return Told("1.2")


class Watch:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def nothing_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """No failure is known, and nobody waits for long."""
    monkeypatch.setattr(last_errors, "_last", {})
    monkeypatch.setattr(module, "PATIENCE", 0.05)


def watching(other: Other, watch: Watch, off: Callable[[str], bool] = lambda _: False) -> Dependencies:
    return Dependencies([Probe("it", "server", other.answer), Probe("none", None, other.answer)], off, watch)


async def test_many_who_ask_share_one_answer_until_it_is_old() -> None:
    other, watch = Other(), Watch()
    found = watching(other, watch)
    looks = await asyncio.gather(*(found.look() for _ in range(20)))
    assert {look["it"].reachable for look in looks} == {True}
    assert looks[0]["it"].version == "1.2"
    assert other.asked == 1
    watch.now += FRESH_SECONDS
    await found.look()
    assert other.asked == 2


async def test_what_is_not_set_up_is_not_asked() -> None:
    other = Other()
    look = await watching(other, Watch()).look("none")
    assert (look["none"].kind, look["none"].reachable) == (None, None)


async def test_a_refusal_is_noted_once_an_outage_and_its_end_is_seen() -> None:
    other, watch = Other(), Watch()
    found = watching(other, watch)
    await found.look()
    other.well = False
    watch.now += FRESH_SECONDS
    look = await found.look()
    assert (look["it"].reachable, look["it"].version) == (False, "1.2")
    noted = last_errors.last("it")
    assert noted is not None
    assert noted.code == "NETWORK_ERROR"
    watch.now += FRESH_SECONDS
    await found.look()
    assert last_errors.last("it") is noted
    other.well = True
    watch.now += AWAY_SECONDS
    assert (await found.look())["it"].reachable is True
    assert last_errors.last("it") is noted


async def test_one_that_hangs_keeps_nobody_waiting_and_is_not_asked_again_meanwhile() -> None:
    other, watch = Other(), Watch()
    found = watching(other, watch)
    other.go_on.clear()
    # The first look knows nothing yet, which is not the same as being away.
    assert (await found.look())["it"].reachable is None
    watch.now += PATIENCE
    looks = [await found.look() for _ in range(3)]
    assert [look["it"].reachable for look in looks] == [False] * 3
    noted = last_errors.last("it")
    assert noted is not None
    assert noted.code == "OPERATION_TIMEOUT"
    watch.now += 10 * FRESH_SECONDS
    await found.look()
    assert other.asked == 1
    other.go_on.set()
    await asyncio.gather(*(one.task for one in found.watched.values() if one.task))
    assert (await found.look())["it"].reachable is True


async def test_one_that_a_person_has_switched_off_is_left_alone() -> None:
    other = Other()
    await watching(other, Watch(), lambda name: name == "it").look()
    assert other.asked == 0


async def test_whoever_needs_one_answer_does_not_wait_for_the_others() -> None:
    slow, quick, watch = Other(), Other(), Watch()
    slow.go_on.clear()
    found = Dependencies([Probe("slow", "x", slow.answer), Probe("quick", "x", quick.answer)], now=watch)
    async with asyncio.timeout(5):
        look = await found.look("quick")
    assert look["quick"].reachable is True
    assert slow.asked == 1
    await found.stop()
    assert not [one.task for one in found.watched.values() if one.task is not None and not one.task.done()]


async def test_a_probe_with_a_mistake_in_it_harms_nobody_and_is_counted() -> None:
    async def wrong() -> Told:
        raise KeyError("mistake")

    counted = swallowed_total.labels(component="probe it")
    before = counted._value.get()
    look = await Dependencies([Probe("it", "server", wrong)]).look()
    assert look["it"].reachable is None
    assert counted._value.get() == before + 1
