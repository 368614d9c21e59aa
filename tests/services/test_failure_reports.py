"""Failures of trainings are told once, after the commit, under the trace id of the request that made the job."""

import json
from typing import Any

import httpx
import pytest

from app.api.deps import Platform
from app.core import logging, sentry
from app.core.errors import PlatformError
from app.db.repositories import jobs
from app.schemas.wire import AgentProblem
from app.services.failure_reports import report_agent, report_job

EVIDENCE = {
    "exit_code": None, "signal": 11, "log": "password=hunter2",
    "exceptions": [{"type": "RuntimeError", "message": "boom", "frames": [{"file": "t.py", "line": 1, "function": "f"}]}],
}  # fmt: skip


@pytest.fixture
def captured(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What would go to Sentry."""
    found: list[dict[str, Any]] = []

    def keep(error: PlatformError, event: dict[str, Any], exceptions: Any, component: str) -> bool:
        found.append({**event, "exceptions": exceptions})
        return True

    monkeypatch.setattr(sentry, "active", lambda: True)
    monkeypatch.setattr(sentry, "send_later", keep)
    return found


def lines(capsys: pytest.CaptureFixture[str], event: str) -> list[dict[str, Any]]:
    """The lines of the log about an event."""
    found = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    return [line for line in found if line["event"] == event]


def test_a_failure_of_an_agent_is_one_line_and_one_event_without_secrets(
    captured: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    logging.configure(json=True)
    frames = [{"file": "/x/trainers/agent/outbox.py", "function": "append", "line": 1, "code": "x"}]
    problem = AgentProblem(type="OSError", message="password=hunter2", job_id="J-1", attempt=1, frames=frames)
    report_agent("agent-1", problem)
    report_agent("agent-1", problem.model_copy(update={"message": "another text"}))
    told = lines(capsys, "agent failed")
    assert [line["component"] for line in told] == ["agent", "agent"]
    assert told[0]["fingerprint"] == told[1]["fingerprint"] == captured[0]["fingerprint"][0]
    assert "hunter2" not in json.dumps(told)
    assert captured[0]["exceptions"][0]["frames"][0]["function"] == "append"
    assert captured[0]["contexts"]["additional_context"]["agent_id"] == "agent-1"


async def test_a_transaction_that_is_rolled_back_tells_nothing(
    client: httpx.AsyncClient, platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    logging.configure(json=True)
    body = {"framework": "ultralytics", "model": "yolo11n", "dataset_id": "test-dataset", "epochs": 1}
    answer = await client.post("/api/v1/training-jobs", json=body, headers={"Prefer": "respond-async"})
    job_id, trace_id = answer.json()["job_id"], answer.headers["server-timing"].split("-")[1]
    error = PlatformError.from_code("DATASET_NOT_FOUND", {"dataset_id": "x"})

    async def fail(session: Any, *, whole: bool) -> None:
        report_job(session, await jobs.get_job(session, job_id), error)
        if not whole:
            raise ValueError("rolled back")

    with pytest.raises(ValueError, match="rolled back"):
        await platform.db.write(lambda session: fail(session, whole=False))
    assert lines(capsys, "job failed") == []
    await platform.db.write(lambda session: fail(session, whole=True))
    (line,) = lines(capsys, "job failed")
    assert (line["job_id"], line["code"], line["causer"], line["trace_id"]) == (
        job_id,
        "DATASET_NOT_FOUND",
        "user",
        trace_id,
    )
    assert line["fingerprint"].startswith("e1:")
