"""Did this help? What people say of what they were told of a failure, and the counts by code."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import Integer, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import PlatformError
from app.db.feedback import Feedback
from app.db.repositories import jobs
from app.db.session import Database, utcnow
from app.services.callers import Caller


class FeedbackService:
    """Keeps one word a person and job."""

    def __init__(self, db: Database, clock: Callable[[], datetime] = utcnow) -> None:
        self.db = db
        self.clock = clock

    async def give(self, job_id: str, caller: Caller, *, helped: bool) -> dict[str, Any]:
        """Keeps whether what a failed job shows has helped.

        Raises:
            PlatformError: NOT_FOUND; CONFLICT where the job has not failed.
        """
        now = self.clock()

        async def tx(session: AsyncSession) -> dict[str, Any]:
            job = await jobs.get_job(session, job_id)
            if job.code is None:
                raise PlatformError.from_code("CONFLICT", {"state": job.status, "wanted": "word on its failure"})
            word = Feedback(job_id=job_id, given_by=caller.name, code=job.code, helped=helped, given_at=now)
            await session.merge(word)
            return {"job_id": job_id, "code": job.code, "helped": helped}

        return await self.db.write(tx)

    async def given(self, job_id: str, caller: Caller) -> dict[str, Any]:
        """What the caller said of a job; `helped` is None where nothing was said of its present code."""

        async def look(session: AsyncSession) -> dict[str, Any]:
            job = await jobs.get_job(session, job_id)
            word = await session.get(Feedback, (job_id, caller.name))
            said = word.helped if word is not None and word.code == job.code else None
            return {"job_id": job_id, "code": job.code, "helped": said}

        return await self.db.read(look)

    async def counts(self) -> dict[str, Any]:
        """How often what is said of a code has helped and how often not, the least helpful first."""
        yes = func.sum(cast(Feedback.helped, Integer))
        query = select(Feedback.code, func.count(), yes).group_by(Feedback.code).order_by(yes - func.count(), Feedback.code)
        rows = (await self.db.read(lambda session: session.execute(query))).all()
        return {"items": [{"code": code, "helped": int(good), "did_not": total - int(good)} for code, total, good in rows]}
