"""The steps that every driver takes on a job's rows: begin again, give up, lose, stop. Each is one transaction that looks
first, so that a step which was cut off is simply done again, and one done twice is one."""

from collections import Counter as Tally
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import PlatformError
from app.core.logging import get_logger
from app.core.metrics import track_error
from app.db.models import Agent, Attempt, Job
from app.db.repositories import agents, jobs
from app.db.states import ATTEMPT_ACTIVE, JOB_STATES, transition
from app.services.verdicts import cancel_job, fail_attempt, fail_job
from app.workflows.dispatch import Dispatcher, tell_waiting
from app.workflows.lifecycle import Choice, allot, is_due, is_lost

logger = get_logger(__name__)


async def _standing(session: AsyncSession) -> tuple[Sequence[Job], Sequence[Job], Sequence[Agent], Tally[str]]:
    """Jobs that have not ended, those of them that could start, all agents, and how busy these are."""
    active, queue = await jobs.active_jobs(session), await jobs.startable(session)
    return active, queue, await agents.all_agents(session), await agents.busy_slots(session)


@dataclass(frozen=True, slots=True)
class Steps:
    """Steps on the rows that `dispatcher` knows."""

    dispatcher: Dispatcher

    async def look(self) -> tuple[Sequence[Job], dict[str, Choice]]:
        """All jobs that have not ended, oldest first, and by id what each that could start now would get."""
        dispatcher = self.dispatcher
        active, queue, everyone, busy = await dispatcher.db.read(_standing)
        dispatcher.stuck.intersection_update(job.id for job in active)
        ready = [job for job in queue if job.id not in dispatcher.stuck]
        return active, allot(ready, everyone, busy, dispatcher.clock() - dispatcher.alive_for)

    async def requeue(self, job_id: str) -> None:
        """Ends the wait of a job whose next attempt is due."""
        now = self.dispatcher.clock()

        async def tx(session: AsyncSession) -> None:
            job = await jobs.get_job(session, job_id, lock=True)
            if is_due(job, now):
                job.status = transition(JOB_STATES, job.status, "queued")
                job.retry_at = None
                jobs.append_event(session, job, "state", now, {"status": "queued"})

        await self.dispatcher.db.write(tx)

    async def tell_waiting(self, job_id: str, reason: str) -> None:
        """Says what a queued job waits for."""
        now = self.dispatcher.clock()

        async def tx(session: AsyncSession) -> None:
            job = await jobs.get_job(session, job_id, lock=True)
            if job.status == "queued":
                tell_waiting(session, job, reason, now)

        await self.dispatcher.db.write(tx)

    async def give_up(self, job_id: str, error: PlatformError) -> bool:
        """Fails a job that no agent has; False where one has it after all."""
        now = self.dispatcher.clock()

        async def tx(session: AsyncSession) -> bool:
            job = await jobs.get_job(session, job_id, lock=True)
            if not await _nobody_has(session, job):
                return False
            await fail_job(session, job, error, now)
            return True

        return await self.dispatcher.db.write(tx)

    async def lose(self, job_id: str, number: int, listening_since: datetime, silence: timedelta) -> None:
        """Gives up an attempt whose agent is silent."""
        now = self.dispatcher.clock()

        async def tx(session: AsyncSession) -> None:
            job = await jobs.get_job(session, job_id, lock=True)
            attempt = await jobs.get_attempt(session, job_id, number)
            if attempt.status in ATTEMPT_ACTIVE and is_lost(attempt, now, listening_since, silence):
                heard = attempt.heard_at or attempt.created_at
                silent = (now - heard).total_seconds()
                message = f"no heartbeat for {silent:.0f} s"
                evidence = {
                    "heartbeat_age_s": silent,
                    "step_age_s": _age(attempt, now),
                    "error": {"type": None, "code": "TRAINER_LOST", "message": message, "details": {}},
                }
                await fail_attempt(session, job, attempt, evidence, now, self.dispatcher.rng)

        await self.dispatcher.db.write(tx)

    async def ask_to_stop(self, job: Job, *, handing_over: bool) -> None:
        """Passes a cancellation on. An attempt that its agent does not have is over at once, unless it is just being handed
        over; a silent agent's is, when it is lost."""
        now = self.dispatcher.clock()

        async def find(session: AsyncSession) -> tuple[Attempt, Agent | None]:
            attempt = await jobs.get_attempt(session, job.id, job.attempt)
            return attempt, await session.get(Agent, attempt.agent_id) if attempt.agent_id else None

        attempt, agent = await self.dispatcher.db.read(find)
        if attempt.status in ATTEMPT_ACTIVE and agent is not None:
            try:
                known = await self.dispatcher.trainer.cancel(agent.url, job.id, attempt.number, "cancel")
            except PlatformError as error:
                logger.warning("cancel not delivered", job_id=job.id, agent_id=agent.id, code=error.code)
                track_error(error, "driver")
                return
            if known or handing_over:
                return

        async def tx(session: AsyncSession) -> None:
            row = await jobs.get_job(session, job.id, lock=True)
            if row.status == "cancelling":
                await cancel_job(session, row, now)

        await self.dispatcher.db.write(tx)


async def _nobody_has(session: AsyncSession, job: Job) -> bool:
    """Whether no agent was given the job's next attempt."""
    if job.status in ("queued", "waiting"):
        return True
    return job.status == "starting" and (await jobs.get_attempt(session, job.id, job.attempt)).status == "created"


def _age(attempt: Attempt, now: datetime) -> float | None:
    return (now - attempt.last_step_at).total_seconds() if attempt.last_step_at else None
