"""Times keep their zone in either database."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from app.db.models import Job
from app.db.session import Database, utcnow
from tests.db.conftest import add_job


@pytest.mark.parametrize(
    "at", [datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=5)))]
)
async def test_a_time_comes_back_as_the_same_moment_in_utc(db: Database, at: datetime) -> None:
    job_id = (await db.write(lambda session: add_job(session, created_at=at, started_at=None))).id
    job = await db.read(lambda session: session.get(Job, job_id))
    assert job is not None
    assert job.created_at == at
    assert job.created_at.utcoffset() == timedelta(0)
    assert job.started_at is None


def test_now_has_a_zone() -> None:
    assert utcnow().tzinfo is UTC
