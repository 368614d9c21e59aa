"""The bound on retries: a share of the recent calls and a burst, by cost."""

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from app.core import budget, timing
from app.core.budget import BURST, SHARE, THROTTLED, RetryBudget, budget_of, cost_of
from app.core.classify import VERDICTS
from app.core.window import new_window


def test_the_burst_is_three_and_comes_back_in_ten_seconds() -> None:
    with timing.testing() as clock:
        mine, window = RetryBudget(), new_window()
        assert [mine.take(window) for _ in range(4)] == [True, True, True, False]
        clock.advance(3.3)
        assert not mine.take(window)
        clock.advance(0.1)
        assert mine.take(window)
        assert not mine.take(window)
        clock.advance(1000)
        assert [mine.take(window) for _ in range(4)] == [True, True, True, False]


def test_a_tenth_of_the_recent_calls_may_be_retries_without_touching_the_burst() -> None:
    mine, window = RetryBudget(), new_window()
    window.extend([True] * 100)
    assert [mine.take(window) for _ in range(14)] == [True] * 12 + [False] * 2 or mine._tokens < 1
    fresh, window = RetryBudget(burst=0), new_window()
    window.extend([True] * 100)
    granted = sum(fresh.take(window) for _ in range(50))
    assert granted == pytest.approx(SHARE * (100 - granted), abs=1)


def test_an_answer_that_asks_for_patience_costs_less_of_the_burst() -> None:
    assert cost_of(VERDICTS["network"]) == 1
    assert cost_of(VERDICTS["limited"]) == THROTTLED == 5 / 14
    with timing.testing():
        mine, window = RetryBudget(), new_window()
        granted = [mine.take(window, THROTTLED) for _ in range(9)]
    assert granted == [True] * 8 + [False]


def test_a_retry_that_is_refused_leaves_no_mark() -> None:
    mine, window = RetryBudget(burst=0), new_window()
    assert not mine.take(window)
    assert list(window) == []


def test_a_clock_that_went_back_gives_nothing() -> None:
    with timing.testing() as clock:
        mine, window = RetryBudget(), new_window()
        for _ in range(3):
            mine.take(window)
        clock.advance(-500)
        assert not mine.take(window)


def test_a_dependency_has_one_budget_and_testing_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "_shared", {})
    outside = timing._timing.set(timing.REAL)
    try:
        real = budget_of("one")
        assert budget_of("one") is real
        assert budget_of("two") is not real
        with timing.testing():
            scoped = budget_of("one")
            assert scoped is not real
            assert budget_of("one") is scoped
        assert budget_of("one") is real
    finally:
        timing._timing.reset(outside)


@seed(20261125)
@settings(max_examples=300, deadline=None, database=None)
@given(steps=st.lists(st.tuples(st.sampled_from(["ok", "fail", "retry"]), st.floats(0, 3)), max_size=300))
def test_retries_never_exceed_the_share_of_calls_and_the_burst(steps: list[tuple[str, float]]) -> None:
    with timing.testing() as clock:
        mine, window = RetryBudget(), new_window()
        calls = retries = 0
        for what, seconds in steps:
            clock.advance(seconds)
            if what == "retry":
                if mine.take(window):
                    retries += 1
                    window.append(False)
            else:
                calls += 1
                window.append(what == "ok")
            assert retries <= SHARE * calls + BURST + BURST * (clock.now - 1000) / 10 + 1e-9


def test_processes_that_share_a_dependency_retry_together_no_more_than_one_would() -> None:
    with timing.testing() as clock:
        budget.share_among(4)
        try:
            budgets = [RetryBudget() for _ in range(4)]
            windows = [new_window() for _ in budgets]
            for mine, window in zip(budgets, windows, strict=True):
                while mine.take(window):
                    pass
            granted = 0
            for _ in range(600):
                clock.advance(1)
                granted += sum(mine.take(window) for mine, window in zip(budgets, windows, strict=True))
                for window in windows:
                    window.clear()
        finally:
            budget.share_among(1)
    assert BURST * 50 < granted <= BURST * 60
