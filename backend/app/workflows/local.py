"""Drives jobs in this process: a loop over the database that may be killed at any moment and goes on at the next start.

Every round looks at what the rows say and does the next step of each job. Steps are idempotent, so a step that was cut
off is simply done again.
"""

import asyncio
from collections import Counter as Tally
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import PlatformError, UnexpectedError
from app.core.logging import get_logger
from app.core.metrics import track_error
from app.db.models import Agent, Attempt, Job
from app.db.repositories import agents, jobs
from app.db.states import ATTEMPT_ACTIVE, JOB_STATES, transition
from app.services.verdicts import cancel_job, fail_attempt, fail_job
from app.workflows.dispatch import Dispatcher
from app.workflows.lifecycle import Choice, allot, is_due, is_lost

logger = get_logger(__name__)


class LocalDriver:
    """The embedded orchestrator. `kick` makes it look at once; it looks by itself every `interval` seconds."""

    def __init__(self, dispatcher: Dispatcher, silence: timedelta, interval: float = 1.0) -> None:
        self.dispatcher = dispatcher
        self.db = dispatcher.db
        self.clock: Callable[[], datetime] = dispatcher.clock
        self.silence = silence
        self.interval = interval
        self.listening_since = self.clock()
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._under_way: dict[str, asyncio.Task[PlatformError | None]] = {}

    def start(self) -> None:
        """Begins to drive."""
        self.listening_since = self.clock()
        self._task = asyncio.create_task(self._run(), name="driver")

    async def stop(self) -> None:
        """Ends driving; what is under way is left to the next start."""
        tasks = [task for task in (self._task, *self._under_way.values()) if task is not None]
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task

    def kick(self, _job_id: str | None = None) -> None:
        """Something has changed: look now."""
        self._news.set()

    async def start_now(self, job_id: str, seconds: float) -> None:
        """Waits until the first try to start a job is over, at most `seconds`.

        Raises:
            PlatformError: TRAINER_UNREACHABLE where no agent could be reached; the job has failed with it then, so that
                nothing starts behind the back of a caller who was told no.
        """
        task = self._launch(job_id)
        done, _ = await asyncio.wait({task}, timeout=seconds)
        error = task.result() if done else None
        if error is not None and error.code == "TRAINER_UNREACHABLE" and await self._give_up(job_id, error):
            raise error

    async def _give_up(self, job_id: str, error: PlatformError) -> bool:
        """Fails a job that no agent has; False where one has it after all."""
        now = self.clock()

        async def tx(session: AsyncSession) -> bool:
            job = await jobs.get_job(session, job_id, lock=True)
            if job.status not in ("queued", "waiting"):
                return False
            await fail_job(session, job, error, now)
            return True

        return await self.db.write(tx)

    async def _run(self) -> None:
        while True:
            self._news.clear()
            try:
                await self.round()
            except PlatformError as error:
                logger.warning("driver round failed", code=error.code, error=error.message)
                track_error(error, "driver")
            except Exception as error:
                logger.exception("driver round failed")
                track_error(UnexpectedError(error), "driver")
            with suppress(TimeoutError):
                # Not `wait_for`: that may swallow the cancellation which ends this loop.
                async with asyncio.timeout(self.interval):
                    await self._news.wait()

    async def round(self) -> None:
        """One look at all jobs that have not ended."""
        await self._reap()
        active, queue, everyone, busy = await self.db.read(_standing)
        self.dispatcher.stuck.intersection_update(job.id for job in active)
        ready = [job for job in queue if job.id not in self.dispatcher.stuck]
        choices = allot(ready, everyone, busy, self.clock() - self.dispatcher.alive_for)
        for job in active:
            if is_due(job, self.clock()):
                await self._requeue(job.id)
                self._launch(job.id)
            elif job.status == "starting":
                self._launch(job.id)
            elif job.status == "queued":
                if not _knows(job, choices.get(job.id)):
                    self._launch(job.id)
            elif job.status == "cancelling":
                await self._ask_to_stop(job)

    def _launch(self, job_id: str) -> asyncio.Task[PlatformError | None]:
        """Dispatches a job beside this loop; a dispatch that is under way is joined."""
        running = self._under_way.get(job_id)
        if running is not None and not running.done():
            return running
        task = asyncio.create_task(self._dispatch(job_id), name=f"dispatch {job_id}")
        self._under_way[job_id] = task
        task.add_done_callback(lambda _: self._under_way.pop(job_id, None))
        return task

    async def _dispatch(self, job_id: str) -> PlatformError | None:
        stuck = self.dispatcher.stuck
        try:
            refused = await self.dispatcher.dispatch(job_id)
        except PlatformError as error:
            stuck.add(job_id)
            logger.warning("dispatch failed", job_id=job_id, code=error.code, error=error.message)
            track_error(error, "driver")
            return error
        except Exception as error:
            # The job stands where it stood; the next round tries again.
            stuck.add(job_id)
            logger.exception("dispatch failed", job_id=job_id)
            unexpected = UnexpectedError(error)
            track_error(unexpected, "driver")
            return unexpected
        stuck.discard(job_id)
        return refused

    async def _requeue(self, job_id: str) -> None:
        now = self.clock()

        async def tx(session: AsyncSession) -> None:
            job = await jobs.get_job(session, job_id, lock=True)
            if is_due(job, now):
                job.status = transition(JOB_STATES, job.status, "queued")
                job.retry_at = None
                jobs.append_event(session, job, "state", now, {"status": "queued"})

        await self.db.write(tx)

    async def _reap(self) -> None:
        """Gives up attempts whose agent is silent."""
        now = self.clock()
        silent = [
            (attempt.job_id, attempt.number)
            for attempt in await self.db.read(jobs.active_attempts)
            if attempt.status != "created" and is_lost(attempt, now, self.listening_since, self.silence)
        ]
        for job_id, number in silent:
            await self._lose(job_id, number)

    async def _lose(self, job_id: str, number: int) -> None:
        now = self.clock()

        async def tx(session: AsyncSession) -> None:
            job = await jobs.get_job(session, job_id, lock=True)
            attempt = await jobs.get_attempt(session, job_id, number)
            if attempt.status in ATTEMPT_ACTIVE and is_lost(attempt, now, self.listening_since, self.silence):
                heard = attempt.heard_at or attempt.created_at
                silent = (now - heard).total_seconds()
                message = f"no heartbeat for {silent:.0f} s"
                evidence = {
                    "heartbeat_age_s": silent,
                    "step_age_s": _age(attempt, now),
                    "error": {"type": None, "code": "TRAINER_LOST", "message": message, "details": {}},
                }
                await fail_attempt(session, job, attempt, evidence, now, self.dispatcher.rng)

        await self.db.write(tx)

    async def _ask_to_stop(self, job: Job) -> None:
        """Passes a cancellation on. An attempt that its agent does not have is over at once, unless it is just being handed
        over; a silent agent's is, when it is lost."""
        now = self.clock()

        async def find(session: AsyncSession) -> tuple[Attempt, Agent | None]:
            attempt = await jobs.get_attempt(session, job.id, job.attempt)
            return attempt, await session.get(Agent, attempt.agent_id) if attempt.agent_id else None

        attempt, agent = await self.db.read(find)
        if attempt.status in ATTEMPT_ACTIVE and agent is not None:
            try:
                known = await self.dispatcher.trainer.cancel(agent.url, job.id, attempt.number, "cancel")
            except PlatformError as error:
                logger.warning("cancel not delivered", job_id=job.id, agent_id=agent.id, code=error.code)
                track_error(error, "driver")
                return
            if known or job.id in self._under_way:
                return

        async def tx(session: AsyncSession) -> None:
            row = await jobs.get_job(session, job.id, lock=True)
            if row.status == "cancelling":
                await cancel_job(session, row, now)

        await self.db.write(tx)


async def _standing(session: AsyncSession) -> tuple[Sequence[Job], Sequence[Job], Sequence[Agent], Tally[str]]:
    """Jobs that have not ended, those of them that could start, all agents, and how busy these are."""
    active, queue = await jobs.active_jobs(session), await jobs.startable(session)
    return active, queue, await agents.all_agents(session), await agents.busy_slots(session)


def _knows(job: Job, choice: Choice | None) -> bool:
    """Whether a queued job can only wait, and says so already: a thousand of them cost a round next to nothing."""
    return choice is not None and choice.agent is None and (job.progress or {}).get("waiting_for") == choice.reason


def _age(attempt: Attempt, now: datetime) -> float | None:
    return (now - attempt.last_step_at).total_seconds() if attempt.last_step_at else None
