"""The time of retries and breakers, real and told; the deadline."""

import asyncio
import threading
import time

import pytest

from app.core import timing


@pytest.fixture(autouse=True)
def real_time() -> None:
    """These tests choose their time themselves."""
    timing._timing.set(timing.REAL)


def test_the_real_time_is_monotonic_and_really_waits() -> None:
    before = time.monotonic()
    timing.current().sleep(0.002)
    asyncio.run(timing.current().async_sleep(0.002))
    assert timing.current().monotonic() - before >= 0.004
    assert timing.current().scoped is None


async def test_in_a_test_waiting_only_moves_the_clock() -> None:
    with timing.testing() as clock:
        begun = time.monotonic()
        clock.sleep(3600)
        await clock.async_sleep(60)
        clock.advance(5)
        assert clock.waits == [3600, 60]
        assert clock.now == clock.monotonic() == 1000 + 3665
        assert time.monotonic() - begun < 5


async def test_test_mode_holds_for_its_context_and_its_tasks_not_for_others() -> None:
    async def look() -> timing.Timing:
        return timing.current()

    elsewhere: list[timing.Timing] = []
    with timing.testing() as clock:
        assert await asyncio.create_task(look()) is clock
        thread = threading.Thread(target=lambda: elsewhere.append(timing.current()))
        thread.start()
        thread.join(10)
        with timing.testing() as inner:
            assert timing.current() is inner
        assert timing.current() is clock
    assert elsewhere == [timing.REAL]
    assert timing.current() is timing.REAL


def test_test_mode_ends_with_an_error_too() -> None:
    with pytest.raises(KeyError), timing.testing():
        raise KeyError
    assert timing.current() is timing.REAL


def test_an_outer_deadline_that_comes_first_stays() -> None:
    with timing.testing() as clock:
        assert timing.remaining() is None
        with timing.deadline(10):
            clock.advance(2)
            assert timing.remaining() == 8
            with timing.deadline(3):
                assert timing.remaining() == 3
            with timing.deadline(100):
                assert timing.remaining() == 8
            clock.advance(100)
            assert timing.remaining() == 0
        assert timing.remaining() is None


def test_a_client_gets_its_own_limit_or_what_the_deadline_leaves_and_never_none_at_all() -> None:
    with timing.testing() as clock:
        assert timing.within(30) == 30
        with timing.deadline(10):
            assert timing.within(30) == 10
            assert timing.within(4) == 4
            clock.advance(50)
            assert timing.within(30) == 0.001
