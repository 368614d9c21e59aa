"""Drives jobs through Temporal: a workflow a job, its steps carried out by any backend of the platform.

What stands in the database counts; Temporal keeps who does the next step and when. So a job's workflow that is missing, or
waits where the rows have moved on, is only started or woken: rounds over the database see to that, and to the queue, whose
order concerns all jobs and no single one.
"""

import asyncio
import time
from contextlib import suppress
from datetime import timedelta

from app.clients.temporal import TemporalClient
from app.core import timing
from app.core.errors import PlatformError, UnexpectedError
from app.core.logging import get_logger
from app.core.metrics import track_error
from app.core.monitoring import report
from app.core.policies import TEMPORAL
from app.db.models import Job
from app.db.repositories import jobs
from app.workflows.dispatch import HAND_OVER_SECONDS, Dispatcher
from app.workflows.lifecycle import is_due, knows
from app.workflows.steps import Steps
from app.workflows.temporal_activities import Activities
from app.workflows.temporal_workflow import FIRST_TRY, NAME, NEWS, OVER, Step, TrainingJob

logger = get_logger(__name__)
WAKE_AGAIN_SECONDS = 5.0
COMPARE_SECONDS = 30.0
"""How often the workflows that run are compared with the jobs that have not ended."""
MORE_STEPS = 100
AWAY = "the workflow engine cannot be reached"


class TemporalDriver:
    """The orchestrator on a Temporal server. `kick` makes it look at once; it looks by itself every `interval` seconds."""

    def __init__(
        self, dispatcher: Dispatcher, client: TemporalClient, silence: timedelta, at_once: int, interval: float = 1.0
    ) -> None:
        self.dispatcher, self.client, self.silence = dispatcher, client, silence
        self.steps = Steps(dispatcher)
        self.interval = interval
        self.activities = Activities(dispatcher, silence, interval)
        self.activities.settled = self._settled
        self.at_once = at_once + MORE_STEPS
        self.away: PlatformError | None = None
        """Why the server cannot be used now."""
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._driven: set[str] = set()
        """Jobs whose workflow is known to run."""
        self._compared: float | None = None
        self._woken: dict[str, float] = {}

    def start(self) -> None:
        """Begins to drive, as soon as the server can be reached."""
        self.activities.listening_since = self.dispatcher.clock()
        self._tasks = [
            asyncio.create_task(self._run(), name="driver"),
            asyncio.create_task(self._work(), name="temporal worker"),
        ]

    async def stop(self) -> None:
        """Ends driving; what is under way is left to other backends or the next start."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
        self._compared = None

    def kick(self, job_id: str | None = None) -> None:
        """Something has changed, with job `job_id` or in general: look now."""
        if job_id is not None:
            self.activities.ring(job_id)
        self._news.set()

    async def start_now(self, job_id: str, seconds: float) -> None:
        """Waits until the first try to start a job is over, at most `seconds`.

        Raises:
            PlatformError: TEMPORAL_ERROR where nothing can be started, TRAINER_UNREACHABLE where no agent could be reached;
                the job has failed with it then, so that nothing starts behind the back of a caller who was told no.
        """
        until = time.monotonic() + min(seconds, HAND_OVER_SECONDS)
        try:
            with timing.deadline(max(0.0, until - time.monotonic())):
                await self._wake(job_id, again=True)
        except PlatformError as error:
            self._told_away(error)
            self._news.set()
            if await self.steps.give_up(job_id, error):
                raise
            return
        try:
            told = await self.client.asked(job_id, FIRST_TRY, max(0.0, until - time.monotonic()))
        except PlatformError as error:
            logger.warning("first try not heard of", job_id=job_id, code=error.code, error=error.message)
            return
        if told is None or told.get("code") != "TRAINER_UNREACHABLE":
            return
        wait = told.get("retry_after")
        error = PlatformError.from_code("TRAINER_UNREACHABLE", {"retry_after": wait} if wait else {})
        if await self.steps.give_up(job_id, error):
            raise error

    async def _run(self) -> None:
        while True:
            self._news.clear()
            try:
                await self.round()
            except PlatformError as error:
                track_error(error, "driver")
                if error.code == "TEMPORAL_ERROR":
                    await self._until_back(error)
                    continue
                report(error, "driver", "driver round failed", level="warning")
            except Exception as error:  # noqa: BLE001 - reported; the loop goes on
                report(error, "driver", "driver round failed")
                track_error(UnexpectedError(error), "driver")
            with suppress(TimeoutError):
                # Not `wait_for`: that may swallow the cancellation which ends this loop.
                async with asyncio.timeout(self.interval):
                    await self._news.wait()

    async def _until_back(self, error: PlatformError) -> None:
        """Waits until the server answers; it is asked every few seconds, which costs it nothing. Cancellations are passed on
        all the while."""
        self._told_away(error)
        while self.away is not None:
            left = self._pause(1)
            while left > 0:
                await self._meanwhile()
                await timing.current().async_sleep(min(left, self.interval))
                left -= self.interval
            try:
                version = await self.client.version()
            except PlatformError as still:
                self.away = still
                continue
            self.away = self._compared = None
            logger.info("temporal is back", version=version)

    async def _meanwhile(self) -> None:
        """What does not need the server: asks agents to stop what users have cancelled, where no step that does is under way
        here; tells what queued jobs wait for."""
        try:
            for job in await self.dispatcher.db.read(jobs.active_jobs):
                if job.status == "cancelling" and not self.activities.is_with(job.id):
                    await self.steps.ask_to_stop(job, handing_over=True)
                elif job.status == "queued" and (job.progress or {}).get("waiting_for") != AWAY:
                    await self.steps.tell_waiting(job.id, AWAY)
        except PlatformError as error:
            logger.warning("not done while temporal is away", code=error.code, error=error.message)
            track_error(error, "driver")

    def _pause(self, tries: int) -> float:
        return self.dispatcher.rng.uniform(*TEMPORAL.bounds(tries))

    def _told_away(self, error: PlatformError) -> None:
        if self.away is None:
            logger.warning("temporal is away, jobs go on where they are and no new one starts", error=repr(error.__cause__))
        self.away = error

    async def _work(self) -> None:
        """Carries out steps, as long as this backend runs."""
        tries = 0
        steps = [self.activities.dispatch, self.activities.train, self.activities.fail]
        while True:
            began = time.monotonic()
            try:
                await self.client.work([TrainingJob], steps, self.at_once)
            except PlatformError as error:
                track_error(error, "driver")
                self._told_away(error)
            tries = 1 if time.monotonic() - began > TEMPORAL.longest_wait else tries + 1
            await timing.current().async_sleep(self._pause(tries))

    async def round(self) -> None:
        """One look at all jobs that have not ended: wakes the workflows that have something to do, starts those that lack.

        Raises:
            PlatformError: TEMPORAL_ERROR, DATABASE_ERROR.
        """
        if self.away is not None:
            raise self.away
        active, choices = await self.steps.look()
        await self._compare()
        for job in active:
            waits = job.status == "queued" and not knows(job, choices.get(job.id))
            if job.status == "cancelling":
                self.activities.ring(job.id)
            if job.id not in self._driven or ((waits or self._is_due(job)) and self._may_wake(job.id)):
                await self._wake(job.id, again=False)
        for job_id in self._driven.difference(job.id for job in active):
            # Its end was decided without its workflow.
            await self.client.signal(job_id, NEWS)
            self._forget(job_id)

    def _is_due(self, job: Job) -> bool:
        return is_due(job, self.dispatcher.clock())

    async def _compare(self) -> None:
        """Learns which workflows run. One that ended too early, or that a new server does not know, is started again."""
        now = time.monotonic()
        if self._compared is None or now - self._compared > COMPARE_SECONDS:
            self._driven = await self.client.running()
            self._compared = now

    def _may_wake(self, job_id: str) -> bool:
        """Whether a wake-up call would not only repeat one that is still being followed."""
        if self.activities.is_starting(job_id):
            return False
        return time.monotonic() - self._woken.get(job_id, -WAKE_AGAIN_SECONDS) >= WAKE_AGAIN_SECONDS

    async def _wake(self, job_id: str, *, again: bool) -> None:
        self._woken[job_id] = time.monotonic()
        await self.client.start(NAME, job_id, self.silence.total_seconds(), signal=NEWS, again=again)
        self._driven.add(job_id)

    def _settled(self, job_id: str, step: Step) -> None:
        """A step is over: what has changed by it may concern other jobs, too."""
        self._woken.pop(job_id, None)
        if step.what == OVER:
            self._forget(job_id)
        self._news.set()

    def _forget(self, job_id: str) -> None:
        self._driven.discard(job_id)
        self._woken.pop(job_id, None)
