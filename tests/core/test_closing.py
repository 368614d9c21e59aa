"""The close frame of a WebSocket that ends with an error."""

import pytest

from app.core.closing import close_code, close_reason
from app.core.errors import PlatformError


@pytest.mark.parametrize(
    ("code", "frame"),
    [("NOT_FOUND", 1008), ("INVALID_TOKEN", 1008), ("SERVICE_UNAVAILABLE", 1013), ("SYSTEM_ERROR", 1011)],
)
def test_a_close_code_says_whether_to_come_again(code: str, frame: int) -> None:
    assert close_code(PlatformError.from_code(code)) == frame


def test_a_close_reason_is_cut_at_a_whole_character() -> None:
    assert close_reason("short") == "short"
    assert close_reason("x" * 200) == "x" * 123
    assert close_reason("ü" * 200) == "ü" * 61
