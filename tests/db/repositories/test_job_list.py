"""Counts and groups over many jobs, on either database."""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Attempt
from app.db.repositories import job_list, jobs
from app.db.repositories.jobs import JobFilter
from app.db.session import Database
from tests.db.conftest import AT, add_job


async def some_jobs(session: AsyncSession) -> None:
    await add_job(session, status="failed", code="CUDA_OOM", retried_as="J-2")
    await add_job(session, status="succeeded", retry_of="J-1")
    await add_job(session, status="failed", code="CUDA_OOM", dataset_id="digits")
    await add_job(session, status="failed", code="DATASET_BROKEN")
    await add_job(session, status="failed", code="DATASET_BROKEN")
    await add_job(session, status="running", attempt=2)


async def test_groups_count_what_failed_and_what_was_not_tried_again(db: Database) -> None:
    await db.write(some_jobs)
    groups = await db.read(lambda session: job_list.by_code(session, JobFilter()))
    assert [(group.code, group.count, group.unresolved) for group in groups] == [
        ("DATASET_BROKEN", 2, 2),
        ("CUDA_OOM", 2, 1),
    ]
    digits = await db.read(lambda session: job_list.by_code(session, JobFilter(dataset_id="digits", code="DISK_FULL")))
    assert [(group.code, group.count) for group in digits] == [("CUDA_OOM", 1)]


async def test_states_are_counted_whatever_states_are_wanted(db: Database) -> None:
    await db.write(some_jobs)
    counts = await db.read(lambda session: job_list.by_status(session, JobFilter(status=["failed"], unresolved=True)))
    assert counts == {"failed": 4, "succeeded": 1, "running": 1}


async def test_a_failure_that_was_tried_again_is_resolved(db: Database) -> None:
    await db.write(some_jobs)
    rows, _, total = await db.read(
        lambda session: jobs.list_jobs(session, JobFilter(unresolved=True), limit=2, cursor=None, offset=1)
    )
    assert [job.id for job in rows] == ["J-4", "J-3"]
    assert total == 3
    assert await db.read(lambda session: job_list.states_of(session, ["J-2", "J-404"])) == {"J-2": "succeeded"}


async def test_when_a_job_was_heard_of_is_that_of_its_newest_attempt(db: Database) -> None:
    async def tx(session: AsyncSession) -> None:
        await some_jobs(session)
        common = {"job_id": "J-6", "config": {}, "last_agent_seq": 0, "created_at": AT}
        session.add(Attempt(number=1, status="failed", heard_at=AT, **common))
        session.add(Attempt(number=2, status="running", heard_at=AT + timedelta(seconds=5), **common))

    await db.write(tx)
    rows, _, _ = await db.read(lambda session: jobs.list_jobs(session, JobFilter(), limit=9, cursor=None))
    assert await db.read(lambda session: job_list.heard_of(session, rows)) == {"J-6": AT + timedelta(seconds=5)}
