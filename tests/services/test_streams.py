"""Contents that may have a certain size only."""

from collections.abc import AsyncIterator

import pytest

from app.core.errors import PlatformError
from app.services.streams import limited


async def pieces() -> AsyncIterator[bytes]:
    for piece in (b"abc", b"def"):
        yield piece


async def test_contents_within_the_limit_pass_as_they_are() -> None:
    assert [piece async for piece in limited(pieces(), 6)] == [b"abc", b"def"]


async def test_the_piece_that_is_too_much_does_not_pass() -> None:
    passing = limited(pieces(), 5)
    assert await anext(passing) == b"abc"
    with pytest.raises(PlatformError) as caught:
        await anext(passing)
    assert (caught.value.code, caught.value.context["limit_bytes"]) == ("PAYLOAD_TOO_LARGE", 5)
