"""Rows as the API shows them."""

from datetime import datetime
from typing import Any

from app.core.error_messages import REGISTRY
from app.core.errors import Fix, PlatformError
from app.core.redact import redact
from app.core.responses import public
from app.db.models import Agent, Artifact, Attempt, Job, JobEvent
from app.services.causes import causes

PREFIX = "/api/v1"
CHARGED = ("user", "data")
"""Whose faults cost the user compute time."""


def stamp(at: datetime | None) -> str | None:
    """RFC 3339 in UTC with milliseconds, None for none."""
    return None if at is None else at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def stored_error(error: PlatformError, at: datetime, trace_id: str | None = None) -> dict[str, Any]:
    """An error as a row keeps it: all that is needed to show it again."""
    return {
        "code": error.code,
        "params": error.params,
        "fixes": [
            {"id": fix.id, "label": fix.label, "applicability": fix.applicability, "patch": list(fix.patch)}
            for fix in error.fixes
        ],
        "at": stamp(at),
        "trace_id": trace_id,
    }


def error_again(stored: dict[str, Any]) -> PlatformError:
    """The error that `stored_error` kept; UNKNOWN_FAILURE where nothing was kept."""
    fixes = tuple(Fix(**fix) for fix in stored.get("fixes") or ())
    return PlatformError.from_code(stored.get("code") or "UNKNOWN_FAILURE", stored.get("params") or {}, fixes=fixes)


def shown_error(stored: dict[str, Any] | None, attempts_url: str | None = None) -> dict[str, Any] | None:
    """The public form of an error that `stored_error` kept."""
    if stored is None:
        return None
    error = error_again(stored)
    return public(error, at=stored.get("at"), trace_id=stored.get("trace_id"), attempts_url=attempts_url)


def job_view(job: Job, heard_at: datetime | None = None, retried_status: str | None = None) -> dict[str, Any]:
    """A job as list and page show it."""
    return {
        "job_id": job.id,
        "name": job.name,
        "status": job.status,
        "framework": job.framework,
        "model": job.model,
        "task": job.task,
        "dataset_id": job.dataset_id,
        "config": job.config,
        "created_by": job.created_by,
        "created_at": stamp(job.created_at),
        "started_at": stamp(job.started_at),
        "finished_at": stamp(job.finished_at),
        "attempt": job.attempt,
        "progress": job.progress,
        "result": job.result,
        "error": shown_error(job.error, f"{PREFIX}/training-jobs/{job.id}/attempts"),
        "retry_at": stamp(job.retry_at),
        "heard_at": stamp(heard_at),
        "retry_of": job.retry_of,
        "retried_as": job.retried_as,
        "retried_status": retried_status,
        "begins_at": job.begins_with["epoch"] if job.begins_with else None,
        "last_seq": job.last_seq,
        "signs": [],
    }


def _exit(evidence: dict[str, Any] | None) -> dict[str, Any] | None:
    if not evidence or (evidence.get("exit_code") is None and evidence.get("signal") is None):
        return None
    return {"code": evidence.get("exit_code"), "signal": evidence.get("signal")}


def seconds_of(attempt: Attempt) -> float | None:
    """How long an attempt ran; None where it never did or has not ended."""
    if attempt.started_at is None or attempt.finished_at is None:
        return None
    return round(max(0.0, (attempt.finished_at - attempt.started_at).total_seconds()), 3)


def _resumed(file: dict[str, Any] | None) -> dict[str, Any] | None:
    return {key: file[key] for key in ("job_id", "attempt", "epoch") if key in file} if file else None


def charged(attempt: Attempt) -> bool | None:
    """Whether an attempt's time counts against the user: not where the platform, a machine or nobody known made it fail."""
    if attempt.finished_at is None:
        return None
    if attempt.status != "failed":
        return attempt.started_at is not None
    row = REGISTRY.get((attempt.diagnosis or {}).get("code") or "")
    return row is not None and row.causer in CHARGED


def attempt_view(attempt: Attempt) -> dict[str, Any]:
    """An attempt with what explains how it ended."""
    diagnosis = attempt.diagnosis
    shown = ("code", "confidence", "entity", "evidence", "fingerprint")
    compared = ("same_failure", "same_entity", "progress", "best_epoch")
    decided = ("action", "reason", "patch", "wait_s", "budget")
    return {
        "attempt": attempt.number,
        "status": attempt.status,
        "agent_id": attempt.agent_id,
        "config": attempt.config,
        "epoch": attempt.epoch,
        "created_at": stamp(attempt.created_at),
        "started_at": stamp(attempt.started_at),
        "finished_at": stamp(attempt.finished_at),
        "seconds": seconds_of(attempt),
        "wait_s": attempt.wait_s,
        "resumed_from": _resumed(attempt.resumed_from),
        "exit": _exit(attempt.evidence),
        "causes": redact(causes(attempt.evidence or {})),
        "charged": charged(attempt),
        "error": shown_error(attempt.error),
        # Evidence is lines of the training's own log; what looks like a secret in them is not shown.
        "diagnosis": redact({key: diagnosis.get(key) for key in shown}) if diagnosis else None,
        "history": {key: attempt.history.get(key) for key in compared} if attempt.history else None,
        "verdicts": redact(list((attempt.history or {}).get("verdicts") or ())),
        "decision": {key: attempt.decision.get(key) for key in decided} if attempt.decision else None,
    }


def artifact_view(artifact: Artifact) -> dict[str, Any]:
    """A file of a job and where to get it."""
    return {
        "name": artifact.name,
        "attempt": artifact.attempt,
        "bytes": artifact.bytes,
        "sha256": artifact.sha256,
        "media_type": artifact.media_type,
        "role": artifact.role,
        "epoch": artifact.epoch,
        "url": f"{PREFIX}/training-jobs/{artifact.job_id}/artifacts/{artifact.name}",
    }


def epoch_view(event: JobEvent) -> dict[str, Any]:
    """The figures of one epoch."""
    keys = ("epoch", "epochs", "losses", "metrics", "lr", "images_per_s", "memory", "disk")
    return {"attempt": event.attempt, "at": stamp(event.at), **{key: event.body.get(key) for key in keys}}


def log_view(event: JobEvent) -> dict[str, Any]:
    """A piece of log."""
    body = event.body
    return {
        "seq": event.seq,
        "attempt": event.attempt,
        "offset": body["offset"],
        "text": body["text"],
        "dropped_bytes": body.get("dropped_bytes", 0),
    }


def agent_view(agent: Agent, busy: int, alive: bool) -> dict[str, Any]:
    """An agent as the system page shows it."""
    return {
        "agent_id": agent.id,
        "name": agent.name,
        "url": agent.url,
        "slots": agent.slots,
        "busy": busy,
        "alive": alive,
        "version": agent.version,
        "resources": agent.resources,
        "frameworks": [
            {key: descriptor.get(key) for key in ("framework", "version", "available", "reason")}
            for descriptor in agent.frameworks
        ],
        "registered_at": stamp(agent.registered_at),
        "last_seen_at": stamp(agent.last_seen_at),
        "state": agent_state(agent, alive),
        "drained_at": stamp(agent.drained_at),
        "excluded_until": stamp(agent.excluded_until),
        "excluded_reason": agent.excluded_reason if agent.excluded_until else None,
    }


def agent_state(agent: Agent, alive: bool) -> str:
    """Whether an agent is given trainings: ready; drained by a person; excluded for what fails on it; silent."""
    if agent.drained_at is not None:
        return "drained"
    if not alive:
        return "silent"
    return "excluded" if agent.excluded_until is not None else "ready"
