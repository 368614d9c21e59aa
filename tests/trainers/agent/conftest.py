"""What the agent's tests share."""

import time
from collections.abc import Iterator

import pytest

from trainers.agent import process


@pytest.fixture(autouse=True)
def no_shim_is_left() -> Iterator[None]:
    """Shims end a moment after their training; none is left to another test."""
    yield
    deadline = time.monotonic() + 5
    while process._shims and time.monotonic() < deadline:
        process.reap()
        time.sleep(0.005)
