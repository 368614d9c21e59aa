"""Outcomes of recent calls: what a breaker and a retry budget count."""

from collections import deque

Window = deque[bool | None]
"""True a success, False a failure, None a retry that was begun. Adding one is atomic, so no call takes a lock."""
SIZE = 200


def new_window(at_least: int = 0) -> Window:
    """An empty window that holds `SIZE` outcomes, or `at_least`."""
    return deque(maxlen=max(SIZE, at_least))


def in_a_row(window: Window) -> int:
    """Failures since the last success."""
    failures = 0
    for outcome in reversed(list(window)):
        if outcome is True:
            break
        failures += outcome is False
    return failures


def is_bad(window: Window, rate: float, minimum: int) -> bool:
    """Whether at least `rate` of the calls failed, of at least `minimum` calls."""
    failures = window.count(False)
    calls = failures + window.count(True)
    return calls >= minimum and failures >= rate * calls
