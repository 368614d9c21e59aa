"""Drives jobs in this process: a loop over the database that may be killed at any moment and goes on at the next start.

Every round looks at what the rows say and does the next step of each job. Steps are idempotent, so a step that was cut
off is simply done again.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from app.core.errors import PlatformError, UnexpectedError
from app.core.metrics import track_error
from app.core.monitoring import report
from app.db.repositories import jobs
from app.workflows.dispatch import Dispatcher, claim_of
from app.workflows.lifecycle import is_due, is_lost, knows
from app.workflows.steps import Steps


class LocalDriver:
    """The embedded orchestrator. `kick` makes it look at once; it looks by itself every `interval` seconds."""

    client = None
    away: PlatformError | None = None
    """Nothing that this driver needs can be away but the database."""

    def __init__(self, dispatcher: Dispatcher, silence: timedelta, interval: float = 1.0) -> None:
        self.dispatcher = dispatcher
        self.steps = Steps(dispatcher)
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
        if error is not None and error.code == "TRAINER_UNREACHABLE" and await self.steps.give_up(job_id, error):
            raise error

    async def _run(self) -> None:
        while True:
            self._news.clear()
            try:
                await self.round()
            except PlatformError as error:
                report(error, "driver", "driver round failed", level="warning")
                track_error(error, "driver")
            except Exception as error:  # noqa: BLE001 - reported; the loop goes on
                report(error, "driver", "driver round failed")
                track_error(UnexpectedError(error), "driver")
            with suppress(TimeoutError):
                # Not `wait_for`: that may swallow the cancellation which ends this loop.
                async with asyncio.timeout(self.interval):
                    await self._news.wait()

    async def round(self) -> None:
        """One look at all jobs that have not ended."""
        await self._reap()
        active, choices = await self.steps.look()
        for job in active:
            if is_due(job, self.clock()):
                await self.steps.requeue(job.id)
                self._launch(job.id)
            elif job.status == "starting":
                self._launch(job.id)
            elif job.status == "queued":
                if not knows(job, choices.get(job.id)):
                    self._launch(job.id)
            elif job.status == "cancelling":
                await self.steps.ask_to_stop(job, handing_over=await self._handing_over(job.id))

    async def _handing_over(self, job_id: str) -> bool:
        """Whether this or another backend is giving the job to an agent right now."""
        cluster = self.dispatcher.cluster
        return job_id in self._under_way or (cluster is not None and await cluster.is_claimed(claim_of(job_id)))

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
            report(error, "driver", "dispatch failed", level="warning", job_id=job_id)
            track_error(error, "driver")
            return error
        except Exception as error:  # noqa: BLE001 - reported
            # The job stands where it stood; the next round tries again.
            stuck.add(job_id)
            report(error, "driver", "dispatch failed", job_id=job_id)
            unexpected = UnexpectedError(error)
            track_error(unexpected, "driver")
            return unexpected
        stuck.discard(job_id)
        return refused

    async def _reap(self) -> None:
        """Gives up attempts whose agent is silent."""
        now = self.clock()
        silent = [
            (attempt.job_id, attempt.number)
            for attempt in await self.db.read(jobs.active_attempts)
            if attempt.status != "created" and is_lost(attempt, now, self.listening_since, self.silence)
        ]
        for job_id, number in silent:
            await self.steps.lose(job_id, number, self.listening_since, self.silence)
