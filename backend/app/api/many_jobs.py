"""Many training jobs at once over HTTP: counts by state and code, and trying a group of failed ones again."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.api.answer import Answer, shown
from app.api.deps import PlatformDep, UserDep
from app.db.repositories.jobs import JobFilter
from app.schemas.many_jobs import BulkRetryAnswer, BulkRetryRequest, JobSummary

router = APIRouter(prefix="/api/v1/training-jobs", tags=["training jobs"])


@router.get("/summary", dependencies=[UserDep], responses=shown(JobSummary))
async def summarise_training_jobs(
    platform: PlatformDep,
    q: Annotated[str | None, Query(max_length=200)] = None,
    dataset_id: str | None = None,
    model: str | None = None,
    code: str | None = None,
) -> Answer:
    """How many jobs there are in each state, and how many failed with each code; narrowed like the list."""
    return Answer(await platform.reader.summary(JobFilter(None, code, q, dataset_id, model)))


@router.post("/retry", dependencies=[UserDep], responses=shown(BulkRetryAnswer))
async def retry_training_jobs(wanted: BulkRetryRequest, platform: PlatformDep) -> Answer:
    """Tries every job again that failed with a code and was not tried again yet, up to 100 at once, oldest first."""
    narrowed = JobFilter(None, wanted.code, wanted.q, wanted.dataset_id, wanted.model, unresolved=True)
    answer = await platform.bulk_retry.retry(narrowed, wanted.apply)
    platform.driver.kick()
    return Answer(answer)
