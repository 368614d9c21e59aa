"""A job's life as a Temporal workflow: what follows what, and how long is waited. Importing this module does nothing else.

The workflow decides nothing about trainings: what happened and what follows from it stands in the platform's database, where
the activities look. Only names, numbers and states pass through Temporal; no configuration, no user's data, no secret.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from app.core.error_messages import REGISTRY
    from app.core.policies import TEMPORAL

NEWS, FIRST_TRY = "news", "first-try"
NAME = "training-job"
TRAINING, WAITING, OVER = "training", "waiting", "over"
STEP_TIME = timedelta(hours=6)
"""A start may wait for the check of a large data set."""
LONGEST_TRAINING = timedelta(days=3650)
"""A job's own time limit is the agent's to keep."""
RETRY = RetryPolicy(
    **TEMPORAL.temporal(), non_retryable_error_types=sorted(code for code, row in REGISTRY.items() if not row.retryable)
)


@dataclass
class Step:
    """What the rows say after a step. `what`: an agent has the attempt, the job waits (for `wait_s`, or for news where that
    is None), or it is over; `code` is what kept it from starting."""

    what: str
    status: str
    attempt: int = 0
    wait_s: float | None = None
    code: str | None = None
    retry_after: float | None = None


@workflow.defn(name=NAME)
class TrainingJob:
    """One job, from the queue to its end."""

    def __init__(self) -> None:
        self._news = False
        self._first: Step | None = None
        self._silence = timedelta()

    @workflow.signal(name=NEWS)
    def news(self) -> None:
        """The rows have changed: look now."""
        self._news = True

    @workflow.update(name=FIRST_TRY)
    async def first_try(self) -> Step:
        """How the first try to start the job ended, as soon as it has."""
        await workflow.wait_condition(lambda: self._first is not None)
        return cast("Step", self._first)

    @workflow.run
    async def run(self, job_id: str, silence_s: float) -> str:
        """Drives the job until it is over; its last state. `silence_s`: a backend that carries out a step and was not heard
        of for so long is taken for dead."""
        self._silence = timedelta(seconds=silence_s)
        while True:
            self._news = False
            step = await self._dispatch(job_id)
            self._first = self._first or step
            if step.what == TRAINING:
                step = await self._train(job_id, step.attempt)
            if step.what == OVER:
                return step.status
            if step.what == WAITING:
                await self._wait(step.wait_s)
            if workflow.info().is_continue_as_new_suggested():
                await workflow.wait_condition(workflow.all_handlers_finished)
                workflow.continue_as_new(args=[job_id, silence_s])

    async def _dispatch(self, job_id: str) -> Step:
        """Starts the next attempt where an agent is free. What cannot help to try again ends the job."""
        try:
            return await workflow.execute_activity(
                "dispatch",
                job_id,
                result_type=Step,
                start_to_close_timeout=STEP_TIME,
                heartbeat_timeout=self._silence,
                retry_policy=RETRY,
            )
        except ActivityError as failure:
            code = _code(failure)
            if code not in (RETRY.non_retryable_error_types or ()):
                return _again(code)
        return await workflow.execute_activity(
            "fail", args=[job_id, code], result_type=Step, start_to_close_timeout=STEP_TIME, retry_policy=RETRY
        )

    async def _train(self, job_id: str, attempt: int) -> Step:
        """Stays with an attempt until it has ended: one activity, whose heartbeat carries the last checkpoint.

        That nobody could look at the attempt says nothing of the attempt: it is looked at again."""
        try:
            return await workflow.execute_activity(
                "train",
                args=[job_id, attempt],
                result_type=Step,
                start_to_close_timeout=LONGEST_TRAINING,
                heartbeat_timeout=self._silence,
                retry_policy=RETRY,
            )
        except ActivityError as failure:
            return _again(_code(failure))

    async def _wait(self, seconds: float | None) -> None:
        """Until there is news, at most `seconds`; the timer outlives every process."""
        try:
            await workflow.wait_condition(lambda: self._news, timeout=seconds)
        except TimeoutError:
            return


def _again(code: str | None) -> Step:
    """Another look, later than any try that the policy allows."""
    return Step(WAITING, "unknown", wait_s=TEMPORAL.longest_wait, code=code)


def _code(failure: ActivityError) -> str | None:
    """The code that a failed step was given; None where it was not heard of any more."""
    return failure.cause.type if isinstance(failure.cause, ApplicationError) else None
