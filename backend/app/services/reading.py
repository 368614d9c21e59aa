"""Looking at jobs: rows in, what the API shows out."""

from dataclasses import asdict
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import PlatformError
from app.db.mlflow import OPEN, MlflowRun
from app.db.models import Attempt, Job
from app.db.repositories import job_list, jobs, mlflow_runs
from app.db.session import Database
from app.db.states import JOB_ACTIVE
from app.diagnosis.early_signs import early_signs
from app.services.callers import mine
from app.services.going_on import checkpoint_of, goes_on
from app.services.mlflow_points import mlflow_view
from app.services.views import artifact_view, attempt_view, epoch_view, job_view, log_view

LOOKED_AT = 200
"""Epochs in which early signs are looked for."""


class JobReader:
    """Everything that can be asked about jobs. Asking for an unknown job raises NOT_FOUND."""

    def __init__(self, db: Database) -> None:
        self.db = db

    async def check_owner(self, job_id: str, user: str) -> None:
        """Lets a user pass to a job of theirs; that there is none, or another's, makes no difference to them.

        Raises:
            PlatformError: INSUFFICIENT_PERMISSIONS.
        """
        job = await self.db.read(lambda session: session.get(Job, job_id))
        if job is None or job.created_by != user:
            details = {"action": "see this job", "required_role": "operator"}
            raise PlatformError.from_code("INSUFFICIENT_PERMISSIONS", details)

    async def job(self, job_id: str) -> dict[str, Any]:
        """One job."""

        async def look(session: AsyncSession) -> dict[str, Any]:
            job = await jobs.get_job(session, job_id)
            attempt = await session.get(Attempt, (job_id, job.attempt)) if job.attempt else None
            states = await job_list.states_of(session, [job.retried_as] if job.retried_as else [])
            shown = job_view(job, attempt.heard_at if attempt else None, states.get(job.retried_as or ""))
            if job.status in JOB_ACTIVE and job.attempt:
                shown["signs"] = await self._signs(session, job)
            if job.status in ("waiting", "failed", "cancelled"):
                shown["goes_on"] = goes_on(await checkpoint_of(session, job))
            run = await session.get(MlflowRun, job_id)
            if run is not None:
                waiting = await mlflow_runs.waiting(session, job_id, run.sent_seq) if run.state in OPEN else 0
                shown["mlflow"] = mlflow_view(run, waiting)
            return shown

        return await self.db.read(look)

    @staticmethod
    async def _signs(session: AsyncSession, job: Job) -> list[dict[str, Any]]:
        epochs = [event.body for event in await jobs.epoch_events(session, job.id, newest=LOOKED_AT)]
        return [sign.to_dict() for sign in early_signs(epochs, job.progress or {}, job.next_config or job.config)]

    async def page(self, wanted: jobs.JobFilter, limit: int, cursor: str | None, offset: int = 0) -> dict[str, Any]:
        """One page of jobs, newest first."""

        async def look(session: AsyncSession) -> dict[str, Any]:
            rows, following, total = await jobs.list_jobs(session, mine(wanted), limit=limit, cursor=cursor, offset=offset)
            heard = await job_list.heard_of(session, rows)
            states = await job_list.states_of(session, [job.retried_as for job in rows if job.retried_as])
            items = [job_view(job, heard.get(job.id), states.get(job.retried_as or "")) for job in rows]
            return {"items": items, "next_cursor": following, "total": total}

        return await self.db.read(look)

    async def summary(self, wanted: jobs.JobFilter) -> dict[str, Any]:
        """How many jobs there are in each state, and failed ones of each code."""

        async def look(session: AsyncSession) -> dict[str, Any]:
            own = mine(wanted)
            states, codes = await job_list.by_status(session, own), await job_list.by_code(session, own)
            return {
                "by_status": states,
                "by_code": [asdict(group) for group in codes],
                "unresolved": sum(group.unresolved for group in codes),
                "total": sum(states.values()),
            }

        return await self.db.read(look)

    async def attempts(self, job_id: str) -> dict[str, Any]:
        """All attempts of a job, oldest first."""

        async def look(session: AsyncSession) -> dict[str, Any]:
            await jobs.get_job(session, job_id)
            return {"items": [attempt_view(attempt) for attempt in await jobs.attempts_of(session, job_id)]}

        return await self.db.read(look)

    async def logs(self, job_id: str, attempt: int | None, after: int, limit: int) -> dict[str, Any]:
        """Up to `limit` pieces of log after sequence number `after`; `next` continues, None at the present end."""

        async def look(session: AsyncSession) -> dict[str, Any]:
            await jobs.get_job(session, job_id)
            found = await jobs.log_events(session, job_id, attempt=attempt, after=after, limit=limit)
            following = found[-1].seq if len(found) == limit else None
            return {"items": [log_view(event) for event in found], "next": following}

        return await self.db.read(look)

    async def metrics(self, job_id: str) -> dict[str, Any]:
        """The figures of every finished epoch, each once: of an epoch that was trained again, those of the last time."""

        async def look(session: AsyncSession) -> dict[str, Any]:
            await jobs.get_job(session, job_id)
            newest = {event.epoch: event for event in await jobs.epoch_events(session, job_id)}
            return {"items": [epoch_view(newest[epoch]) for epoch in sorted(newest)]}

        return await self.db.read(look)

    async def artifacts(self, job_id: str) -> dict[str, Any]:
        """The newest version of every file of a job."""

        async def look(session: AsyncSession) -> dict[str, Any]:
            await jobs.get_job(session, job_id)
            return {"items": [artifact_view(artifact) for artifact in await jobs.artifacts_of(session, job_id)]}

        return await self.db.read(look)
