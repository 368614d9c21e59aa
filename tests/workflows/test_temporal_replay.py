"""The workflow goes on with what earlier versions of it left on a server.

The histories were recorded by `test_both_drivers.py`. After a change of the workflow on purpose (see
``docs/how-to/run-on-temporal.md``) they are recorded again with ``make histories``.
"""

import subprocess
import sys
from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner
from temporalio.workflow import NondeterminismError

from app.workflows.temporal_workflow import NAME, Step, TrainingJob
from tests.workflows.histories import recorded

HISTORIES = {history.workflow_id: history for history in recorded()}


@pytest.mark.parametrize("name", HISTORIES)
async def test_a_recorded_history_is_followed_to_its_end(name: str) -> None:
    """In the sandbox, which also shows that importing the module does nothing."""
    await Replayer(workflows=[TrainingJob]).replay_workflow(HISTORIES[name])


def test_every_way_that_a_job_can_go_is_recorded() -> None:
    """One history of each scenario of the common suite."""
    suite = (Path(__file__).parent / "test_both_drivers.py").read_text(encoding="utf-8")
    scenarios = {
        line.partition("(")[0].removeprefix("async def test_") for line in suite.splitlines() if "def test_" in line
    }
    assert set(HISTORIES) == scenarios


@workflow.defn(name=NAME)
class Changed:
    """A version that forgets to stay with the training."""

    @workflow.signal(name="news")
    def news(self) -> None:
        """As before."""

    @workflow.update(name="first-try")
    async def first_try(self) -> None:
        """As before."""

    @workflow.run
    async def run(self, job_id: str, silence_s: float) -> str:
        from datetime import timedelta

        step = await workflow.execute_activity(
            "dispatch", job_id, result_type=Step, start_to_close_timeout=timedelta(seconds=silence_s)
        )
        await workflow.sleep(60)
        return str(step.status)


async def test_a_change_that_running_workflows_cannot_follow_is_noticed() -> None:
    replayer = Replayer(workflows=[Changed], workflow_runner=UnsandboxedWorkflowRunner())
    with pytest.raises(NondeterminismError):
        await replayer.replay_workflow(HISTORIES["a_training_goes_through"])


def test_no_users_data_is_kept_by_temporal() -> None:
    """Not the configuration, the data set, the token, the callback; only names of jobs, numbers and states."""
    import base64
    import json

    def payloads(value: object) -> list[str]:
        if isinstance(value, dict):
            mine = [base64.b64decode(value["data"]).decode()] if isinstance(value.get("data"), str) else []
            return mine + [text for item in value.values() for text in payloads(item)]
        return [text for item in value for text in payloads(item)] if isinstance(value, list) else []

    keys = {"what", "status", "attempt", "wait_s", "code", "retry_after", "epoch", "checkpoint"}
    found = [text for history in HISTORIES.values() for text in payloads(json.loads(history.to_json()))]
    assert found
    for text in found:
        told = json.loads(text)
        assert set(told) <= keys if isinstance(told, dict) else isinstance(told, int | float | str), text
        assert not isinstance(told, str) or len(told) < 40, text


def test_the_module_of_the_workflow_loads_nothing_that_acts() -> None:
    """No database, no HTTP, no store: those are the activities'."""
    code = (
        "import sys, threading; import app.workflows.temporal_workflow\n"
        "acting = [name for name in sys.modules if name.split('.')[0] in ('sqlalchemy', 'httpx2', 'obstore', 'fastapi')]\n"
        "assert not acting, acting\n"
        "assert threading.active_count() == 1"
    )
    backend = Path(__file__).parents[2] / "backend"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(backend)}, timeout=60)


def test_histories_name_no_machine() -> None:
    for history in HISTORIES.values():
        assert isinstance(history, WorkflowHistory)
        text = history.to_json()
        assert "@" not in text
        assert "Traceback" not in text
