"""The parts of the decision to try again that no call shows."""

import pytest

from app.core.errors import NetworkError
from app.core.turns import DEEPEST, RETRIED, _retried_within


def chained(depth: int) -> BaseException:
    """An exception whose cause of that depth was retried by layer 1."""
    error: BaseException = NetworkError("x", OSError())
    setattr(error, RETRIED, 1)
    for _ in range(depth):
        outer = ValueError()
        outer.__cause__ = error
        error = outer
    return error


@pytest.mark.parametrize("depth", [0, 1, DEEPEST - 1])
def test_a_mark_is_found_along_the_causes(depth: int) -> None:
    assert _retried_within(chained(depth), 2)
    assert not _retried_within(chained(depth), 1)


def test_the_search_ends_at_the_end_of_the_causes_and_at_its_depth() -> None:
    assert not _retried_within(ValueError(), 1)
    assert not _retried_within(chained(DEEPEST), 2)
    circle = ValueError()
    circle.__cause__ = circle
    assert not _retried_within(circle, 1)
