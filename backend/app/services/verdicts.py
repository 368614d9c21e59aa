"""How attempts and jobs end: evidence, diagnosis, history and decision in the caller's one transaction."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import PlatformError
from app.core.logging import get_logger
from app.core.metrics import training_job_failures
from app.db.models import Attempt, Job, OperatorRule
from app.db.repositories import jobs
from app.db.states import ATTEMPT_ACTIVE, ATTEMPT_STATES, JOB_STATES, transition
from app.diagnosis.diagnose import diagnose
from app.diagnosis.evidence import Diagnosis, Evidence
from app.diagnosis.history import AttemptRecord
from app.diagnosis.operator_rules import RuleHit, matches, ruled
from app.diagnosis.recovery import Decision, Failure, decide
from app.schemas.wire import Result
from app.services.evidence import row_form
from app.services.failure_reports import report_attempt, report_job, trace_of
from app.services.training_counts import count_attempt, count_failure, count_job, count_recovery
from app.services.views import shown_error, stamp, stored_error

logger = get_logger(__name__)
UNHEARD = ("TRAINER_LOST", "TRAINER_UNREACHABLE")
"""Ends of which not everything can have been told."""


def _close(session: AsyncSession, job: Job, status: str, at: datetime, body: dict[str, Any]) -> None:
    job.status = transition(JOB_STATES, job.status, status)
    job.finished_at = job.updated_at = at
    job.retry_at = None
    jobs.append_event(session, job, "state", at, {"status": status, **body})
    count_job(session, job, status, body.get("code"))


async def _drop_open_attempt(session: AsyncSession, job: Job, at: datetime) -> None:
    """Ends an attempt that no agent will ever speak of, so that it holds no slot."""
    attempt = await session.get(Attempt, (job.id, job.attempt)) if job.attempt else None
    if attempt is not None and attempt.status in ATTEMPT_ACTIVE:
        attempt.status = transition(ATTEMPT_STATES, attempt.status, "cancelled")
        attempt.finished_at = at


async def cancel_job(session: AsyncSession, job: Job, at: datetime) -> None:
    """Ends a job as cancelled, and an attempt that has not ended with it."""
    await _drop_open_attempt(session, job, at)
    if job.status not in ("queued", "waiting", "cancelling"):
        job.status = transition(JOB_STATES, job.status, "cancelling")
    _close(session, job, "cancelled", at, {})


async def fail_job(session: AsyncSession, job: Job, error: PlatformError, at: datetime, *, reported: bool = False) -> None:
    """Ends a job as failed with `error`: stored, counted, told to watchers, reported (unless its attempt was)."""
    await _drop_open_attempt(session, job, at)
    stored = stored_error(error, at, trace_of(job))
    job.error, job.code = stored, error.code
    shown = shown_error(stored, f"/api/v1/training-jobs/{job.id}/attempts")
    jobs.append_event(session, job, "error", at, {"fatal": True, "error": shown})
    _close(session, job, "failed", at, {"code": error.code})
    training_job_failures.labels(error_code=error.code, framework=job.framework).inc()
    if not reported:
        report_job(session, job, error)


async def end_attempt(session: AsyncSession, job: Job, attempt: Attempt, result: Result | None, at: datetime) -> None:
    """Ends a job whose attempt `attempt` has succeeded."""
    metrics = dict(result.metrics) if result else {}
    job.result = {
        "metrics": metrics,
        "primary": _primary(metrics),
        "epochs": result.epochs if result and result.epochs is not None else attempt.epoch,
        "duration_s": result.duration_s if result else None,
    }
    _close(session, job, "succeeded", at, {"result": job.result})
    count_attempt(session, job, attempt, "succeeded")
    before = await session.get(Attempt, (job.id, attempt.number - 1)) if attempt.number > 1 else None
    count_recovery(session, record_of(before).action if before else None, "succeeded")
    logger.info("job succeeded", job_id=job.id, attempt=attempt.number)


def _primary(metrics: dict[str, Any]) -> dict[str, Any] | None:
    # The harness lists the metric by which it chose the best weights first.
    return next(({"name": name, "value": value} for name, value in metrics.items()), None)


async def cancel_attempt(
    session: AsyncSession, job: Job, attempt: Attempt, evidence: dict[str, Any] | None, at: datetime
) -> None:
    """Ends an attempt as cancelled, with its evidence and what the diagnosis makes of it, and its job."""
    attempt.status = transition(ATTEMPT_STATES, attempt.status, "cancelled")
    attempt.finished_at = at
    count_attempt(session, job, attempt, "cancelled")
    if evidence:
        attempt.evidence = row_form(evidence)
        attempt.diagnosis = diagnose(Evidence.from_dict(evidence, config=attempt.config)).to_dict()
    await cancel_job(session, job, at)


async def fail_attempt(
    session: AsyncSession, job: Job, attempt: Attempt, evidence: dict[str, Any], at: datetime, rng: random.Random
) -> None:
    """Ends an attempt as failed and does what the decision says: another attempt, or the end of the job."""
    past = [record_of(row) for row in await jobs.attempts_of(session, job.id) if row.number < attempt.number]
    config = {**attempt.config, "phase": phase_of(job, evidence)}
    read = Evidence.from_dict(evidence, config=config)
    rules = await rules_of(session)
    hits = matches(rules, read)
    diagnosis = ruled(diagnose(read, failed=True), hits)
    note_hits(rules, hits, attempt, at)
    failure = Failure(
        diagnosis,
        epochs_of(attempt),
        exact=diagnosis.code not in UNHEARD,
        agent_id=attempt.agent_id,
        resumed=attempt.resumed_from is not None,
    )
    history, decision = decide(failure, past, attempt.config, rng=rng)
    decision = as_ruled(decision, hits)
    error = error_of(diagnosis, attempt.config)
    attempt.status = transition(ATTEMPT_STATES, attempt.status, "failed")
    attempt.finished_at = at
    attempt.evidence, attempt.diagnosis = row_form(evidence), diagnosis.to_dict()
    attempt.decision = decision.to_dict()
    attempt.history = {"considered": [record.number for record in past], **history.to_dict()}
    attempt.error = stored_error(error, at, trace_of(job))
    count_attempt(session, job, attempt, "failed", error.code)
    count_failure(session, error.code, decision.action, evidence, at)
    count_recovery(session, past[-1].action if past else None, "failed")
    if job.status == "cancelling":
        await cancel_job(session, job, at)
        return
    report_attempt(session, job, attempt, error, diagnosis, decision, evidence)
    if decision.action == "fail":
        await fail_job(session, job, error, at, reported=True)
    else:
        _try_again(session, job, attempt, decision, at)


async def rules_of(session: AsyncSession) -> Sequence[OperatorRule]:
    """All rules of operators, in the order in which they are asked."""
    return (await session.scalars(select(OperatorRule).order_by(OperatorRule.id))).all()


def note_hits(rules: Sequence[OperatorRule], hits: Sequence[RuleHit], attempt: Attempt, at: datetime) -> None:
    """Counts what rules have hit."""
    rows = {row.id: row for row in rules}
    for hit in hits:
        row = rows[hit.rule.id]
        row.hits += 1
        row.last_hit_at, row.last_hit_job, row.last_hit_attempt = at, attempt.job_id, attempt.number


def as_ruled(decision: Decision, hits: Sequence[RuleHit]) -> Decision:
    """The decision as operators' rules have it: `stop` ends the job, `exclude_node` looks for another machine."""
    stopping = next((hit.rule for hit in hits if hit.rule.stop), None)
    if stopping is not None:
        return Decision("fail", f"stopped by rule “{stopping.label}”")
    if any(hit.rule.exclude_node for hit in hits):
        return replace(decision, exclude_agent=True)
    return decision


def _try_again(session: AsyncSession, job: Job, attempt: Attempt, decision: Decision, at: datetime) -> None:
    job.retry_at = at + timedelta(seconds=decision.wait_s)
    job.next_config = decision.config
    if decision.exclude_agent and attempt.agent_id:
        job.excluded_agents = [*job.excluded_agents, attempt.agent_id]
    jobs.append_event(session, job, "error", at, {"fatal": False, "error": shown_error(attempt.error)})
    job.status = transition(JOB_STATES, job.status, "waiting")
    job.updated_at = at
    body = {"status": "waiting", "retry_at": stamp(job.retry_at), "reason": decision.reason}
    jobs.append_event(session, job, "state", at, body)


def phase_of(job: Job, evidence: dict[str, Any]) -> str | None:
    """What the training was doing, by its own account or, where it was killed, by the last that was heard."""
    where = evidence.get("where")
    told = where.get("phase") if isinstance(where, dict) else None
    return told or (job.progress or {}).get("phase")


def epochs_of(attempt: Attempt) -> int | None:
    """Epochs that are known to be finished at an attempt's end, earlier attempts' included; None where it never spoke."""
    known = [epoch for epoch in (attempt.epoch, (attempt.resumed_from or {}).get("epoch")) if epoch is not None]
    if known:
        return max(known)
    return 0 if attempt.started_at is not None else None


def record_of(attempt: Attempt) -> AttemptRecord:
    """What the decision needs to know of an attempt that has ended."""
    diagnosis, decision = attempt.diagnosis or {}, attempt.decision or {}
    return AttemptRecord(
        number=attempt.number,
        code=diagnosis.get("code"),
        fingerprint=diagnosis.get("fingerprint"),
        entity=diagnosis.get("entity"),
        epoch_reached=epochs_of(attempt),
        action=decision.get("action"),
        agent_id=attempt.agent_id,
    )


def error_of(diagnosis: Diagnosis, config: dict[str, Any]) -> PlatformError:
    """The diagnosis as an error that can be shown."""
    return PlatformError.from_code(diagnosis.code, {**config, **diagnosis.params}, fixes=diagnosis.fixes)
