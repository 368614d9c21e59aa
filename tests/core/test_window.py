"""What is read off the outcomes of recent calls."""

import pytest

from app.core.window import SIZE, in_a_row, is_bad, new_window


@pytest.mark.parametrize(
    ("outcomes", "count"),
    [
        ([], 0),
        ([False], 1),
        ([False, True], 0),
        ([True, False, None, False], 2),
        ([False, True, False, False], 2),
        ([None], 0),
    ],
)
def test_failures_in_a_row_are_those_since_the_last_success(outcomes: list[bool | None], count: int) -> None:
    window = new_window()
    window.extend(outcomes)
    assert in_a_row(window) == count


def test_a_window_is_bad_from_its_rate_on_and_only_with_calls_enough() -> None:
    window = new_window()
    window.extend([False] * 5 + [None] * 20 + [True] * 4)
    assert not is_bad(window, 0.5, 10)
    window.append(True)
    assert is_bad(window, 0.5, 10)
    assert not is_bad(window, 0.51, 10)
    assert is_bad(window, 0.5, 9)


def test_a_window_keeps_its_size_or_more() -> None:
    assert new_window().maxlen == SIZE
    assert new_window(SIZE - 1).maxlen == SIZE
    assert new_window(SIZE + 1).maxlen == SIZE + 1
