"""The same tests on SQLite and on a real PostgreSQL, each with a database of its own."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Job
from app.db.repositories import jobs
from app.db.session import Database

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database of either kind."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'vtp.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def published() -> list[Any]:
    """Events in the order in which they were published."""
    return []


@pytest.fixture
async def open_database(published: list[Any]) -> AsyncIterator[Callable[[str], Database]]:
    """Opens databases that are closed after the test."""
    opened: list[Database] = []

    def opener(url: str) -> Database:
        opened.append(Database(url, on_commit=published.extend))
        return opened[-1]

    yield opener
    for database in opened:
        await database.close()


@pytest.fixture
async def db(empty_url: str, open_database: Callable[[str], Database]) -> Database:
    """A migrated database of either kind."""
    database = open_database(empty_url)
    await database.migrate()
    return database


async def add_job(session: AsyncSession, **values: Any) -> Job:
    """A job with its number and id."""
    number = await jobs.next_number(session, "job")
    defaults: dict[str, Any] = {
        "id": f"J-{number}", "number": number, "status": "queued", "framework": "ultralytics", "model": "yolo11n",
        "dataset_id": "d", "config": {}, "attempt": 0, "last_seq": 0, "excluded_agents": [], "created_at": AT,
        "updated_at": AT,
    }  # fmt: skip
    job = Job(**{**defaults, **values})
    session.add(job)
    await session.flush()
    return job
