"""The steps of a job as Temporal activities: what the local driver does, on the same rows; each tells what they say now."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from app.core.errors import PlatformError, UnexpectedError
from app.core.logging import get_logger
from app.core.metrics import track_error
from app.core.monitoring import report
from app.core.responses import public
from app.core.spans import continue_trace
from app.core.tracing import get_trace_id
from app.db.models import Attempt, Job
from app.db.repositories import jobs
from app.db.states import ATTEMPT_FINAL, JOB_FINAL
from app.workflows.dispatch import Dispatcher
from app.workflows.lifecycle import is_due, is_lost
from app.workflows.steps import Steps
from app.workflows.temporal_workflow import OVER, TRAINING, WAITING, Step

P = ParamSpec("P")
R = TypeVar("R")
BEATS = 4
"""Heartbeats in the time after which a silent backend is taken for dead."""
STOPPED, SOON = "BACKEND_STOPPED", timedelta(seconds=0.1)
LOGGED = ApplicationErrorCategory.BENIGN
"""Logged and counted here; the SDK would do it again, with a stack."""
logger = get_logger(__name__)


def told(step: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    """A step whose errors Temporal is told by their code, so that its retry policy can go by that."""

    @wraps(step)
    async def carried_out(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await step(*args, **kwargs)
        except asyncio.CancelledError:
            if not activity.is_worker_shutdown():
                raise
            # This backend ends: another one, or the next here, takes over at once.
            raise ApplicationError("the backend was stopped", type=STOPPED, next_retry_delay=SOON, category=LOGGED) from None
        except PlatformError as error:
            report(error, "driver", "step failed", level="warning", step=step.__name__)
            raise _for_temporal(error) from None
        except Exception as error:  # noqa: BLE001 - reported, and told to Temporal by its code
            report(error, "driver", "step failed", step=step.__name__)
            raise _for_temporal(UnexpectedError(error)) from None

    return carried_out


def _for_temporal(error: PlatformError) -> ApplicationError:
    track_error(error, "driver")
    wait = error.retry_after if error.retryable else None
    return ApplicationError(
        public(error)["message"],
        type=error.code,
        non_retryable=not error.retryable,
        category=LOGGED,
        next_retry_delay=timedelta(seconds=wait) if wait else None,
    )


class Activities:
    """The steps, for one backend. `silence` is how long an agent may be silent, and a backend that carries out a step."""

    def __init__(self, dispatcher: Dispatcher, silence: timedelta, interval: float) -> None:
        self.dispatcher, self.steps = dispatcher, Steps(dispatcher)
        self.silence, self.interval = silence, interval
        self.listening_since = dispatcher.clock()
        self.settled: Callable[[str, Step], None] = lambda _job_id, _step: None
        """Called with every job's standing after a step."""
        self._starting: set[str] = set()
        self._bells: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        # More than one a job where a server has lost its data: the old step has not heard of it yet.

    def ring(self, job_id: str) -> None:
        """The rows of a job have changed: whoever is with its attempt looks now."""
        for bell in self._bells.get(job_id, ()):
            bell.set()

    def is_starting(self, job_id: str) -> bool:
        """Whether this backend is just starting the job's next attempt; the check of a large data set may take hours."""
        return job_id in self._starting

    def is_with(self, job_id: str) -> bool:
        """Whether this backend is with an attempt of the job."""
        return bool(self._bells.get(job_id))

    @activity.defn(name="dispatch")
    @told
    async def dispatch(self, job_id: str) -> Step:
        """Starts a job's next attempt where an agent is free."""
        stuck = self.dispatcher.stuck
        self._starting.add(job_id)
        try:
            async with self._beating({}):
                await self.steps.requeue(job_id)
                refused = await self.dispatcher.dispatch(job_id)
                step = await self._standing(job_id, refused)
        except Exception:
            # No slot is kept for it before it has got further.
            stuck.add(job_id)
            raise
        finally:
            self._starting.discard(job_id)
        stuck.discard(job_id)
        return step

    @activity.defn(name="train")
    @told
    async def train(self, job_id: str, number: int) -> Step:
        """Stays with an attempt until it has ended: passes a cancellation on, and gives it up when its agent is silent."""
        since = self.listening_since
        seen: dict[str, Any] = {"attempt": number}
        bell = asyncio.Event()
        self._bells[job_id].add(bell)
        if activity.info().heartbeat_details:
            logger.info("training taken over", job_id=job_id, last_heard=activity.info().heartbeat_details[0])
        try:
            async with self._beating(seen):
                while True:
                    bell.clear()
                    job, attempt = await self._rows(job_id, number)
                    seen.update(epoch=attempt.epoch, checkpoint=attempt.checkpoint)
                    if attempt.status in ATTEMPT_FINAL or job.status in JOB_FINAL:
                        break
                    if job.status == "cancelling":
                        await self.steps.ask_to_stop(job, handing_over=False)
                    if is_lost(attempt, self.dispatcher.clock(), since, self.silence):
                        await self.steps.lose(job_id, number, since, self.silence)
                        continue
                    with suppress(TimeoutError):
                        async with asyncio.timeout(self.interval):
                            await bell.wait()
        finally:
            self._bells[job_id].discard(bell)
            if not self._bells[job_id]:
                del self._bells[job_id]
        return await self._standing(job_id)

    @activity.defn(name="fail")
    @told
    async def fail(self, job_id: str, code: str) -> Step:
        """Ends a job whose start cannot help to try again; one that an agent has after all goes on."""
        try:
            job = await self.dispatcher.db.read(lambda session: jobs.get_job(session, job_id))
            # The user is told the id under which the log has what went wrong.
            continue_trace(job.traceparent)
            await self.steps.give_up(job_id, PlatformError.from_code(code, {"trace_id": get_trace_id()}))
            return await self._standing(job_id)
        except PlatformError as error:
            if error.code != "NOT_FOUND":
                raise
            return Step(OVER, "gone", code=error.code)

    async def _rows(self, job_id: str, number: int) -> tuple[Job, Attempt]:
        async def look(session: AsyncSession) -> tuple[Job, Attempt]:
            return await jobs.get_job(session, job_id), await jobs.get_attempt(session, job_id, number)

        return await self.dispatcher.db.read(look)

    async def _standing(self, job_id: str, refused: PlatformError | None = None) -> Step:
        async def look(session: AsyncSession) -> tuple[Job, Attempt | None]:
            job = await jobs.get_job(session, job_id)
            return job, await session.get(Attempt, (job_id, job.attempt)) if job.attempt else None

        job, attempt = await self.dispatcher.db.read(look)
        now = self.dispatcher.clock()
        step = Step(WAITING, job.status, job.attempt)
        if job.status in JOB_FINAL:
            step.what = OVER
        elif job.status in ("running", "cancelling") or (attempt is not None and attempt.status == "starting"):
            step.what = TRAINING
        elif job.status == "waiting":
            step.wait_s = 0.0 if is_due(job, now) or job.retry_at is None else (job.retry_at - now).total_seconds()
        elif job.status == "starting":
            # Recorded, and then the agent was gone: the next look hands it over.
            step.wait_s = self.interval
        if refused is not None:
            step.code, step.retry_after = refused.code, refused.retry_after
        self.settled(job_id, step)
        return step

    @asynccontextmanager
    async def _beating(self, seen: dict[str, Any]) -> AsyncIterator[None]:
        """Heartbeats that carry what `seen` holds at the time."""

        async def beat() -> None:
            while True:
                activity.heartbeat(seen)
                await asyncio.sleep(self.silence.total_seconds() / BEATS)

        task = asyncio.create_task(beat(), name="heartbeat")
        try:
            yield
        finally:
            task.cancel()
