"""What the metrics are told of trainings: each end once, when its transaction is committed."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.core import training_metrics as metrics
from app.core.metrics import code_label
from app.db.after import after_commit
from app.db.models import Attempt, Job
from app.db.session import utcnow

WHAT = "training metrics"
HUNG, SILENT = "TRAINING_HUNG", "TRAINER_LOST"


def seconds_between(start: datetime | None, end: datetime | None) -> float | None:
    """Seconds from `start` to `end`, at least 0: machines' clocks differ; None where one is not known."""
    if start is None or end is None:
        return None
    return max(0.0, (end - start).total_seconds())


def lost_epochs(reached: int | None, checkpoint: Mapping[str, Any] | None) -> int:
    """Finished epochs that are not in the checkpoint from which a training can go on."""
    return max(0, (reached or 0) - int((checkpoint or {}).get("epoch") or 0))


def detection(code: str, evidence: Mapping[str, Any]) -> tuple[str, float] | None:
    """How the end of an attempt was noticed, and seconds since its last sign of life; None where that is not known."""
    how, field = "exit", "process_heartbeat_age_s"
    if code == HUNG:
        how, field = "hang", "step_age_s"
    elif code == SILENT:
        how, field = "silence", "heartbeat_age_s"
    age = evidence.get(field)
    return (how, float(age)) if isinstance(age, int | float) and not isinstance(age, bool) and age >= 0 else None


def count_job(session: AsyncSession, job: Job, outcome: str, code: str | None = None) -> None:
    """A job has ended as succeeded, failed or cancelled."""
    labels = {
        "outcome": outcome,
        "causer": metrics.causer_label(code),
        "framework": metrics.framework_label(job.framework),
    }
    after_commit(session, lambda: metrics.jobs_ended.labels(**labels).inc(), WHAT)


def count_attempt(session: AsyncSession, job: Job, attempt: Attempt, outcome: str, code: str | None = None) -> None:
    """An attempt has ended; `code` says why where it failed."""
    causer = metrics.causer_label(code)
    framework = metrics.framework_label(job.framework)
    seconds = seconds_between(attempt.started_at, attempt.finished_at) or 0.0
    lost = lost_epochs(attempt.epoch, attempt.checkpoint) if code else 0

    def tell() -> None:
        metrics.attempts_ended.labels(outcome=outcome, causer=causer, framework=framework).inc()
        metrics.compute_seconds.labels(outcome=outcome, causer=causer).inc(seconds)
        if lost:
            metrics.lost_epochs.labels(causer=causer).inc(lost)

    after_commit(session, tell, WHAT)


def count_failure(session: AsyncSession, code: str, action: str, evidence: Mapping[str, Any], noticed_at: datetime) -> None:
    """An attempt has its verdict: `action` is what is done about it, `noticed_at` when its end was noticed."""
    found = detection(code, evidence)

    def tell() -> None:
        metrics.attempt_failures.labels(error_code=code_label(code), action=action).inc()
        metrics.verdict_seconds.observe(seconds_between(noticed_at, utcnow()) or 0.0)
        if found is not None:
            metrics.detection_seconds.labels(how=found[0]).observe(found[1])

    after_commit(session, tell, WHAT)


def count_recovery(session: AsyncSession, action: str | None, outcome: str) -> None:
    """The attempt after a failure has ended; `action` is what had been done about that failure."""
    if action is not None:
        after_commit(session, lambda: metrics.recoveries.labels(action=action, outcome=outcome).inc(), WHAT)


def count_start(session: AsyncSession, job: Job, previous: Attempt | None, at: datetime) -> None:
    """An attempt begins: the first after the job's creation, others after the end of the one before."""
    histogram = metrics.queue_seconds if previous is None else metrics.retry_wait_seconds
    waited = seconds_between(job.created_at if previous is None else previous.finished_at, at)
    if waited is not None:
        after_commit(session, partial(histogram.observe, waited), WHAT)
