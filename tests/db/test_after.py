"""What is told only after a commit."""

import pytest
from prometheus_client import REGISTRY
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.deps import Platform
from app.core.errors import PlatformError
from app.db.after import after_commit


async def test_it_is_told_once_and_after_the_commit(platform: Platform) -> None:
    told: list[str] = []

    async def tx(session: AsyncSession) -> int:
        after_commit(session, lambda: told.append("done"), "test")
        return len(told)

    assert await platform.db.write(tx) == 0
    assert told == ["done"]


async def test_what_is_rolled_back_has_not_happened(platform: Platform) -> None:
    told: list[str] = []

    async def tx(session: AsyncSession) -> None:
        after_commit(session, lambda: told.append("done"), "test")
        raise PlatformError.from_code("CONFLICT")

    with pytest.raises(PlatformError):
        await platform.db.write(tx)
    assert told == []


async def test_an_error_in_it_does_no_harm_and_is_counted(platform: Platform) -> None:
    def count() -> float:
        return REGISTRY.get_sample_value("platform_errors_contained_total", {"component": "test after"}) or 0.0

    async def tx(session: AsyncSession) -> str:
        after_commit(session, lambda: 1 / 0, "test after")
        return "kept"

    before = count()
    assert await platform.db.write(tx) == "kept"
    assert count() == before + 1
