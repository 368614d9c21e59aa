"""Hangs are told from slow steps by what the training itself has shown."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainers.agent.watch import HangLimits, StepWatch

START = datetime(2026, 11, 25, tzinfo=UTC)
LIMITS = HangLimits(warm_up=1800, first=600, least=60)


def update(at: float, **body: Any) -> dict[str, Any]:
    return {"at": (START + timedelta(seconds=at)).isoformat(), "status": "running", **body}


def step(at: float, epoch: int, number: int) -> dict[str, Any]:
    return update(at, progress={"epoch": epoch, "step": number, "epoch_end": False})


def steps(count: int, seconds: float, epoch: int = 1, begin: float = 0.0) -> list[dict[str, Any]]:
    return [step(begin + seconds * number, epoch, number) for number in range(1, count + 1)]


def watching(*updates: dict[str, Any]) -> StepWatch:
    watch = StepWatch(LIMITS)
    watch.feed(updates)
    return watch


def test_before_the_first_steps_loading_may_take_long() -> None:
    assert watching().limit() == 1800
    assert watching(update(0, phase="data"), update(900, phase="training")).limit() == 1800


def test_in_the_first_epoch_steps_are_known_but_validation_is_not() -> None:
    watch = watching(update(0, phase="training"), *steps(30, 1.0))
    assert watch.limit() == 600
    watch.feed([update(31, phase="validating")])
    assert watch.limit() == 1800


def test_after_an_epoch_the_limit_is_learned_from_steps_and_the_longest_pause() -> None:
    watch = watching(update(0, phase="training"), *steps(30, 1.0), update(90, progress={"epoch": 1, "epoch_end": True}))
    # The pause before the epoch's end, 60 s, was its validation.
    assert watch.limit() == pytest.approx(300)
    quick = watching(*steps(30, 0.1), update(3.5, progress={"epoch": 1, "epoch_end": True}))
    assert quick.limit() == 60
    slow = watching(*steps(30, 10.0), update(301, progress={"epoch": 1, "epoch_end": True}))
    assert slow.limit() == pytest.approx(200)


def test_a_step_time_is_counted_per_step_where_not_every_step_is_told() -> None:
    watch = watching(*[step(10.0 * number, 1, 100 * number) for number in range(1, 30)])
    watch.feed([update(291, progress={"epoch": 1, "epoch_end": True})])
    assert watch.limit() == 60  # a step takes 0.1 s, the longest pause was 10 s


def test_saving_at_the_end_may_take_as_long_as_loading() -> None:
    watch = watching(*steps(30, 0.1), update(4, progress={"epoch": 1, "epoch_end": True}), update(5, phase="saving"))
    assert watch.limit() == 1800


def test_what_cannot_be_read_is_no_sign() -> None:
    watch = watching({"phase": "training"}, {"at": "yesterday"}, step(3, 1, 1))
    assert watch.last_at == step(3, 1, 1)["at"]


@given(st.lists(st.floats(0.001, 500), min_size=25, max_size=60))
def test_no_run_that_goes_on_as_it_did_is_called_hung(pauses: list[float]) -> None:
    """The limit is above every pause that was seen."""
    watch, at = StepWatch(LIMITS), 0.0
    for number, pause in enumerate(pauses, 1):
        at += pause
        watch.feed([step(at, 1, number)])
    watch.feed([update(at + 0.001, progress={"epoch": 1, "epoch_end": True})])
    assert watch.limit() >= max(60, *pauses[1:])
