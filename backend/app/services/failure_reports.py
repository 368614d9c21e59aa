"""Failures of trainings and of agents on their way to the log and to Sentry: once each, and only after the commit."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import PlatformError
from app.core.logging import get_logger
from app.core.metrics import contained
from app.core.monitoring import capture_error_with_context, fingerprint_of
from app.core.tracing import get_trace_id, trace_id_of
from app.db.after import after_commit
from app.db.models import Attempt, Job
from app.diagnosis.evidence import Diagnosis
from app.diagnosis.recovery import Decision
from app.schemas.wire import AgentProblem

logger = get_logger(__name__)
SHOWN = ("exit_code", "signal", "killed_by", "oom_kill_delta", "where", "memory", "disk_free_bytes", "step_age_s")
"""What of the evidence goes along; the log itself stays here."""


def trace_of(job: Job) -> str:
    """The trace id of the request that made a job: its errors carry it, whoever is the first to tell of them."""
    return trace_id_of((job.traceparent or "").encode()) or get_trace_id()


def report_attempt(
    session: AsyncSession,
    job: Job,
    attempt: Attempt,
    error: PlatformError,
    diagnosis: Diagnosis,
    decision: Decision,
    evidence: Mapping[str, Any],
) -> None:
    """Tells that an attempt has failed, and what is done about it."""
    where = {"job_id": job.id, "attempt": attempt.number, "agent_id": attempt.agent_id, "action": decision.action}
    contexts = {
        "job": {**_job(job), "trace_id": trace_of(job)},
        "attempt": {"number": attempt.number, "agent": attempt.agent_id, "epoch": attempt.epoch, **dict(attempt.config)},
        "diagnosis": {"entity": diagnosis.entity, "confidence": diagnosis.confidence, "lines": list(diagnosis.evidence)},
        "evidence": {name: evidence[name] for name in SHOWN if evidence.get(name) is not None},
    }
    told = evidence.get("exceptions")
    exceptions = [item for item in told if isinstance(item, Mapping)] if isinstance(told, list) else []
    where["reason"] = decision.reason
    tell = partial(_tell, "attempt failed", error, diagnosis.fingerprint, trace_of(job), where, contexts, exceptions)
    after_commit(session, tell, "failure report")


def report_job(session: AsyncSession, job: Job, error: PlatformError) -> None:
    """Tells that a job has failed without an attempt of its own to blame."""
    where = {"job_id": job.id, "attempt": job.attempt}
    tell = partial(_tell, "job failed", error, fingerprint_of(error, "job"), trace_of(job), where, {"job": _job(job)}, [])
    after_commit(session, tell, "failure report")


def _job(job: Job) -> dict[str, Any]:
    return {"id": job.id, "framework": job.framework, "model": job.model, "dataset": job.dataset_id}


def _tell(
    what: str,
    error: PlatformError,
    fingerprint: str,
    trace_id: str,
    where: dict[str, Any],
    contexts: dict[str, Any],
    exceptions: list[Any],
) -> None:
    logger.warning(
        what,
        component="trainer",
        trace_id=trace_id,
        code=error.code,
        causer=error.causer,
        fingerprint=fingerprint,
        error=error.user_message,
        **where,
    )
    capture_error_with_context(
        error,
        where,
        component="trainer",
        fingerprint=fingerprint,
        trace_id=trace_id,
        exceptions=exceptions,
        contexts=contexts,
    )


def report_agent(agent_id: str, problem: AgentProblem) -> None:
    """Tells of a failure of an agent itself, which it has reported."""
    error = PlatformError.from_code("SYSTEM_ERROR", {"details": f"{problem.type}: {problem.message}"})
    exception = problem.model_dump(include={"type", "message", "module", "frames"})
    places = [f"{frame.get('file', '')}:{frame.get('function', '')}".rpartition("/")[2] for frame in problem.frames[-2:]]
    fingerprint = fingerprint_of(error, "\n".join((problem.type, *places)))
    where = {"agent_id": agent_id, "job_id": problem.job_id, "attempt": problem.attempt}
    logger.error(
        "agent failed",
        component="agent",
        code=error.code,
        causer=error.causer,
        fingerprint=fingerprint,
        error=f"{problem.type}: {problem.message}",
        **where,
    )
    with contained("failure report"):
        capture_error_with_context(error, where, component="agent", fingerprint=fingerprint, exceptions=[exception])
