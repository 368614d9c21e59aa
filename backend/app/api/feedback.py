"""Did this help? One word a person and failed job, and the counts by code."""

from fastapi import APIRouter

from app.api.answer import Answer, shown
from app.api.deps import CallerDep, PlatformDep, UserDep
from app.schemas.feedback import FeedbackCounts, FeedbackRequest, FeedbackView

router = APIRouter(prefix="/api/v1", tags=["errors"])


@router.get("/errors/feedback", dependencies=[UserDep], responses=shown(FeedbackCounts))
async def count_feedback(platform: PlatformDep) -> Answer:
    """How often what is said of each code has helped."""
    return Answer(await platform.feedback.counts())


@router.get("/training-jobs/{job_id}/feedback", responses=shown(FeedbackView))
async def get_feedback(job_id: str, platform: PlatformDep, caller: CallerDep) -> Answer:
    """What the caller said of a failed job."""
    return Answer(await platform.feedback.given(job_id, caller))


@router.put("/training-jobs/{job_id}/feedback", responses=shown(FeedbackView))
async def give_feedback(job_id: str, said: FeedbackRequest, platform: PlatformDep, caller: CallerDep) -> Answer:
    """Keeps whether what a failed job shows has helped; a later word replaces an earlier one."""
    return Answer(await platform.feedback.give(job_id, caller, helped=said.helped))
