"""What Temporal kept of jobs, as files that a later version of the workflow must still be able to follow."""

import json
import re
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHistory

from app.api.deps import Platform

FOLDER = Path(__file__).parent / "histories"
_QUEUE, _BACKEND = re.compile(r"\bq\d+-\d+\b"), re.compile(r"\b\d+@[\w.-]+")


async def record(platform: Platform, job_id: str, name: str) -> None:
    """Writes the history of a job's workflow, without what only tells where it was recorded."""
    client = platform.driver.client  # type: ignore[attr-defined]
    handle = client._connection.get_workflow_handle(client.workflow_id(job_id))
    history = json.loads((await handle.fetch_history()).to_json())
    FOLDER.mkdir(exist_ok=True)
    text = _BACKEND.sub("backend", _QUEUE.sub("vtp", json.dumps(_plain(history), indent=1)))
    (FOLDER / f"{name.removeprefix('test_')}.json").write_text(text + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    """Stack traces show paths of the machine."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if key != "stackTrace"}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def recorded() -> list[WorkflowHistory]:
    """The recorded histories, by name."""
    return [WorkflowHistory.from_json(path.stem, path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))]
