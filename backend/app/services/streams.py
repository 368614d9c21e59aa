"""Streams of contents on their way in."""

from collections.abc import AsyncIterator

from app.core.errors import PlatformError


async def limited(content: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
    """`content`, as long as it has no more than `limit` bytes.

    Raises:
        PlatformError: PAYLOAD_TOO_LARGE, before the piece that is too much.
    """
    total = 0
    async for chunk in content:
        total += len(chunk)
        if total > limit:
            raise PlatformError.from_code("PAYLOAD_TOO_LARGE", {"limit_bytes": limit})
        yield chunk
