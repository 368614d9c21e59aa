"""Evidence of attempts: the row keeps all but the log, whose tail lies in the object store."""

from typing import Any

from app.clients.storage import Storage
from app.core.errors import PlatformError
from app.core.logging import get_logger
from app.core.metrics import track_error
from app.db.models import Attempt

logger = get_logger(__name__)
KEPT_CHARACTERS = 16 * 1024
"""What the row keeps of a log that could not be put into the store."""


def log_key(job_id: str, attempt: int) -> str:
    """Where the log tail of an attempt lies."""
    return f"jobs/{job_id}/{attempt}/log-tail.txt"


async def keep_log(storage: Storage, job_id: str, attempt: int, evidence: dict[str, Any]) -> dict[str, Any]:
    """Puts the log of `evidence` into the store and returns the evidence, still with its log, marked as stored.

    A store that fails takes nothing from the verdict: the mark is missing then, and the row keeps the log's end.
    """
    marked = {name: value for name, value in evidence.items() if name != "log_stored"}
    log = marked.get("log")
    if not isinstance(log, str) or not log:
        return marked
    try:
        await storage.put_bytes(log_key(job_id, attempt), log.encode(errors="replace"))
    except PlatformError as error:
        logger.warning("log tail not stored", job_id=job_id, attempt=attempt, code=error.code)
        track_error(error, "evidence")
        return marked
    return {**marked, "log_stored": True}


def row_form(evidence: dict[str, Any] | None) -> dict[str, Any] | None:
    """Evidence as the attempt's row keeps it: without the log where that is stored, else with its end."""
    if evidence is None or not isinstance(evidence.get("log"), str):
        return evidence
    log = evidence["log"]
    kept = {name: value for name, value in evidence.items() if name != "log"}
    if evidence.get("log_stored") is True:
        return {**kept, "log_characters": len(log)}
    return {**kept, "log": log[-KEPT_CHARACTERS:]}


async def whole_evidence(storage: Storage, attempt: Attempt) -> dict[str, Any]:
    """The evidence of an attempt with its log, as it was diagnosed, to diagnose it again.

    Raises:
        PlatformError: NOT_FOUND or STORAGE_ERROR where the stored log cannot be read.
    """
    evidence = dict(attempt.evidence or {})
    if evidence.get("log_stored") is True:
        content = await storage.read_bytes(log_key(attempt.job_id, attempt.number))
        evidence["log"] = content.decode(errors="replace")
    return evidence
