"""Work that is done every hour."""

import asyncio

import pytest

from app.services import hourly
from app.services.hourly import Hourly


@pytest.mark.parametrize("at_once", [True, False])
async def test_work_is_done_again_and_again_whatever_it_raises(at_once: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hourly, "EVERY_SECONDS", 0.001)
    done, thrice = 0, asyncio.Event()

    async def work() -> None:
        nonlocal done
        done += 1
        if done == 3:
            thrice.set()
        raise RuntimeError("not this time")

    hours = Hourly("test", work, at_once=at_once)
    hours.start()
    await asyncio.wait_for(thrice.wait(), 10)
    await hours.stop()
    assert done >= 3


async def test_the_first_hour_may_have_to_pass_first() -> None:
    begun = asyncio.Event()

    async def work() -> None:
        begun.set()

    waiting, at_once = Hourly("test", begun.wait), Hourly("test", work, at_once=True)
    waiting.start()
    at_once.start()
    await asyncio.wait_for(begun.wait(), 10)
    await waiting.stop()
    await at_once.stop()


async def test_what_was_never_begun_can_be_ended() -> None:
    await Hourly("test", asyncio.Event().wait).stop()
