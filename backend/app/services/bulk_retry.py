"""Many failed jobs tried again at once, each with its own remedy."""

from typing import Any, Literal

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import PlatformError
from app.core.responses import public
from app.db.models import Job
from app.db.repositories import jobs
from app.db.session import Database
from app.schemas.training import RetryRequest
from app.services.callers import mine
from app.services.training import TrainingService
from app.services.views import shown_error

AT_ONCE = 100


class BulkRetry:
    """Tries jobs again that failed with one code. Who asks twice makes no job twice: what was tried again is resolved."""

    def __init__(self, db: Database, training: TrainingService) -> None:
        self.db, self.training = db, training

    async def retry(self, wanted: jobs.JobFilter, apply: Literal["safe"] | None) -> dict[str, Any]:
        """Up to `AT_ONCE` jobs, oldest first; what became of each, and how many are left.

        A full queue ends it early: the jobs that found no place are left.
        """

        async def look(session: AsyncSession) -> tuple[list[Job], int]:
            rows, _, total = await jobs.list_jobs(session, mine(wanted), limit=AT_ONCE, cursor=None)
            return list(reversed(rows)), total

        rows, total = await self.db.read(look)
        retried: list[dict[str, str]] = []
        refused: list[dict[str, Any]] = []
        for job in rows:
            try:
                new_id = await self.training.retry(job.id, _request(job, apply))
            except PlatformError as error:
                refused.append({"job_id": job.id, "error": public(error)})
                if error.code == "QUOTA_EXCEEDED":
                    break
            else:
                retried.append({"job_id": job.id, "retried_as": new_id})
        return {"retried": retried, "refused": refused, "left": total - len(retried) - len(refused)}


def _request(job: Job, apply: Literal["safe"] | None) -> RetryRequest:
    offered = (shown_error(job.error) or {}).get("fixes", []) if apply else []
    return RetryRequest(fix_id=next((fix["id"] for fix in offered if fix["applicability"] == apply), None))
