"""Queries on jobs, attempts, events and artifacts, on either database."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import PlatformError
from app.db.models import Artifact, Attempt, Idempotency
from app.db.repositories import jobs
from app.db.repositories.jobs import JobFilter
from app.db.session import Database
from tests.db.conftest import AT, add_job


def attempt(job_id: str, number: int = 1, **values: Any) -> Attempt:
    defaults = {"status": "running", "config": {}, "last_agent_seq": 0, "created_at": AT}
    return Attempt(job_id=job_id, number=number, **{**defaults, **values})


async def ids(db: Database, **wanted: Any) -> list[str]:
    page = await db.read(lambda session: jobs.list_jobs(session, JobFilter(**wanted), limit=50, cursor=None))
    return [job.id for job in page[0]]


async def test_a_list_is_narrowed_by_every_filter(db: Database) -> None:
    async def tx(session: AsyncSession) -> None:
        await add_job(session, name="100%_sure", model="yolo11n", code="CUDA_OOM", status="failed")
        await add_job(session, name="Ärger", model="yolo11m-cls", dataset_id="digits", status="running")
        await add_job(session, name=None, model="random-forest", status="failed", code="HOST_OOM")

    await db.write(tx)
    assert await ids(db) == ["J-3", "J-2", "J-1"]
    assert await ids(db, status=["failed"]) == ["J-3", "J-1"]
    assert await ids(db, status=["failed", "running"]) == ["J-3", "J-2", "J-1"]
    assert await ids(db, code="CUDA_OOM") == ["J-1"]
    assert await ids(db, dataset_id="digits", status=["running"]) == ["J-2"]
    assert await ids(db, model="random-forest") == ["J-3"]
    assert await ids(db, q="YOLO") == ["J-2", "J-1"]
    assert await ids(db, q=" j-3 ") == ["J-3"]
    assert await ids(db, q="oom") == ["J-3", "J-1"]
    assert await ids(db, q="%") == ["J-1"]
    assert await ids(db, q="0%_s") == ["J-1"]
    assert await ids(db, q="nothing like it") == []


async def test_paging_shows_every_job_once_also_while_new_ones_come(db: Database) -> None:
    for _ in range(7):
        await db.write(add_job)
    seen: list[str] = []
    cursor: str | None = None
    while True:
        rows, following, total = await db.read(
            lambda session, cursor=cursor: jobs.list_jobs(session, JobFilter(), limit=3, cursor=cursor)
        )
        seen += [job.id for job in rows]
        assert total >= 7
        if following is None:
            break
        cursor = following
        await db.write(add_job)
    assert seen == [f"J-{number}" for number in range(7, 0, -1)]


@given(st.integers(0, 2**60))
def test_a_cursor_marks_its_place(number: int) -> None:
    assert jobs.decode_cursor(jobs.encode_cursor(number)) == number


@given(st.text(max_size=30))
def test_a_foreign_cursor_is_refused_with_its_field(cursor: str) -> None:
    try:
        jobs.decode_cursor(cursor)
    except PlatformError as error:
        refusal = error
    else:
        return
    assert refusal.code == "VALIDATION_FAILED"
    assert refusal.errors[0].pointer == "#/cursor"


async def test_unknown_jobs_and_attempts_are_not_found(db: Database) -> None:
    job_id = (await db.write(add_job)).id
    for look in (
        lambda session: jobs.get_job(session, "J-9"),
        lambda session: jobs.get_job(session, "J-9", lock=True),
        lambda session: jobs.get_attempt(session, job_id, 1),
    ):
        with pytest.raises(PlatformError) as caught:
            await db.read(look)
        assert caught.value.code == "NOT_FOUND"


async def test_events_are_read_in_order_by_kind_and_place(db: Database) -> None:
    async def tx(session: AsyncSession) -> str:
        job = await add_job(session)
        for number in range(6):
            job.attempt = 1 + number // 3
            kind = ("log", "progress", "state")[number % 3]
            jobs.append_event(session, job, kind, AT, {"n": number}, epoch=1 if number == 4 else None)
        return job.id

    job_id = await db.write(tx)

    async def seqs(query: Any) -> list[int]:
        return [event.seq for event in await db.read(query)]

    assert await seqs(lambda s: jobs.events_since(s, job_id, 0)) == [1, 2, 3, 4, 5, 6]
    assert await seqs(lambda s: jobs.events_since(s, job_id, 4)) == [5, 6]
    assert await seqs(lambda s: jobs.events_since(s, job_id, 1, limit=2)) == [2, 3]
    assert await seqs(lambda s: jobs.events_since(s, "J-9", 0)) == []
    assert await seqs(lambda s: jobs.log_events(s, job_id, attempt=None, after=0, limit=10)) == [1, 4]
    assert await seqs(lambda s: jobs.log_events(s, job_id, attempt=2, after=0, limit=10)) == [4]
    assert await seqs(lambda s: jobs.log_events(s, job_id, attempt=None, after=1, limit=10)) == [4]
    assert await seqs(lambda s: jobs.epoch_events(s, job_id)) == [5]


async def test_the_newest_version_of_each_artifact_is_listed(db: Database) -> None:
    async def tx(session: AsyncSession) -> str:
        job = await add_job(session)
        for name, number in (("best.pt", 1), ("best.pt", 2), ("curve.png", 1)):
            session.add(
                Artifact(
                    job_id=job.id, name=name, attempt=number, bytes=1, sha256="0" * 64, media_type="x/y", role="weights",
                    created_at=AT,
                )
            )  # fmt: skip
        return job.id

    job_id = await db.write(tx)
    found = await db.read(lambda session: jobs.artifacts_of(session, job_id))
    assert [(artifact.name, artifact.attempt) for artifact in found] == [("best.pt", 2), ("curve.png", 1)]


async def test_only_open_jobs_use_a_dataset(db: Database) -> None:
    async def tx(session: AsyncSession) -> None:
        for status in ("queued", "running", "waiting", "cancelling", "succeeded", "failed", "cancelled"):
            await add_job(session, status=status, dataset_id="used")
        await add_job(session, dataset_id="other")

    await db.write(tx)
    assert sorted(await db.read(lambda session: jobs.jobs_using(session, "used"))) == ["J-1", "J-2", "J-3", "J-4"]
    assert len(await db.read(jobs.active_jobs)) == 5
    assert [job.id for job in await db.read(lambda session: jobs.active_jobs(session, "running"))] == ["J-2"]


async def test_an_answer_is_remembered_for_its_time_and_then_forgotten(db: Database) -> None:
    async def tx(session: AsyncSession) -> None:
        session.add(Idempotency(key="k", request_hash="h", job_id="J-1", created_at=AT))

    await db.write(tx)
    hour = timedelta(hours=1)
    found = await db.write(lambda session: jobs.remembered(session, "k", AT - hour))
    assert found is not None
    assert found.job_id == "J-1"
    assert await db.write(lambda session: jobs.remembered(session, "other", AT - hour)) is None
    assert await db.write(lambda session: jobs.remembered(session, "k", AT + hour)) is None
    assert await db.write(lambda session: jobs.remembered(session, "k", AT - hour)) is None  # it is gone for good


async def test_only_attempts_under_way_are_active(db: Database) -> None:
    async def tx(session: AsyncSession) -> None:
        job = await add_job(session)
        session.add_all([attempt(job.id, 1, status="failed"), attempt(job.id, 2), attempt(job.id, 3, status="created")])

    await db.write(tx)
    assert [row.number for row in await db.read(jobs.active_attempts)] == [2, 3]
