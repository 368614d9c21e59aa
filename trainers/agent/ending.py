"""The last word on an attempt: how its training ended, as an update for the backend."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trainers.agent import evidence
from trainers.agent.process import AttemptProcess
from trainers.agent.shim import NOT_STARTED_FILE

EXIT_CANCELLED = 20
TOLD_KILLS = ("timeout", "cancel", "shutdown")
"""Reasons to stop a training that the evidence names; others (a hang, an attempt nobody wants) are told otherwise."""


def stamp() -> str:
    """The time now: RFC 3339 in UTC with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def last_update(process: AttemptProcess, result: dict[str, Any] | None, outside: dict[str, Any]) -> dict[str, Any]:
    """What is told of a training that has ended: succeeded, cancelled or failed, the last two with all evidence.

    `result` is what the training reached by its own account, `outside` what the supervisor saw.
    """
    if (why := evidence.read_json(process.folder / NOT_STARTED_FILE)) is not None:
        code = "DISK_FULL" if why.get("errno") in evidence.NO_ROOM else "SYSTEM_ERROR"
        return not_started(process.folder, code, f"the training could not be started: {why['message']}")
    ended = process.exit_facts()
    process.keep_exit(ended)
    at = str(ended.get("at") or stamp())
    # The result is a training's last act; where nobody saw the exit code, it decides.
    done = ended.get("exit_code") == 0 or (ended["told_by"] == "inferred" and outside.get("killed_by") is None)
    if done and result is not None:
        return {"status": "succeeded", "at": at, "result": result}
    found = evidence.collect(process.folder, ended, outside)
    if process.killed_by == "cancel" and (ended.get("exit_code") == EXIT_CANCELLED or ended.get("signal")):
        return {"status": "cancelled", "at": at, "evidence": found}
    update = {"status": "failed", "at": at, "evidence": found}
    error = evidence.claimed_error(evidence.root_record(process.folder))
    return {**update, "error": error} if error else update


def not_started(folder: Path, code: str, message: str) -> dict[str, Any]:
    """What is told of an attempt whose training could not be started."""
    error = {"type": None, "code": code, "message": message[:2000], "details": {}}
    found = {"disk_free_bytes": evidence.free_bytes(folder), "log": evidence.tail(folder / "log.txt")}
    told = {key: value for key, value in found.items() if value not in (None, "")}
    return {"status": "failed", "at": stamp(), "error": error, "evidence": told}
