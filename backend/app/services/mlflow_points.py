"""Jobs, attempts and events as MLflow shows them. Pure functions."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from app.clients.mlflow import Ended, Point, RunStart
from app.core.errors import PlatformError
from app.core.redact import redact, redact_text
from app.db.mlflow import MlflowRun
from app.db.models import Attempt, Job, JobEvent
from app.services.views import error_again, stamp

ENDED: dict[str, Ended] = {"succeeded": "FINISHED", "failed": "FAILED", "cancelled": "KILLED"}
LONGEST = 500
"""Characters of a parameter or tag."""
_NOT_IN_NAMES = re.compile(r"[^\w./: -]")


def milliseconds(at: datetime) -> int:
    """A time as MLflow counts it."""
    return round(at.timestamp() * 1000)


def run_start(job: Job, key: str) -> RunStart:
    """How the run of a job begins."""
    tags = {
        "vtp.job_id": job.id,
        "vtp.framework": job.framework,
        "vtp.dataset": job.dataset_id,
        "mlflow.source.name": f"vtp {job.id}",
    }
    given = {**job.config, "framework": job.framework, "model": job.model, "task": job.task, "dataset_id": job.dataset_id}
    params = {_name(name): _text(value) for name, value in _flat(redact(given)) if value is not None}
    return RunStart(
        key, f"{job.id} {job.name}" if job.name else job.id, milliseconds(job.started_at or job.created_at), params, tags
    )


def points_of(events: Iterable[JobEvent]) -> list[Point]:
    """The figures of a training's progress: those of an epoch by epoch, those within one by step, under ``step/``."""
    return [point for event in events for point in _points(event)]


def ending_tags(job: Job, attempts: Sequence[Attempt], given_up: int) -> dict[str, str]:
    """How a job ended, and each of its attempts."""
    tags = {"vtp.status": job.status, "vtp.attempts": str(len(attempts))}
    for attempt in attempts:
        code = (attempt.error or {}).get("code")
        tags[f"vtp.attempt.{attempt.number}"] = f"{attempt.status} {code}" if code else attempt.status
    if job.error is not None:
        error: PlatformError = error_again(job.error)
        tags["vtp.code"] = error.code
        tags["mlflow.note.content"] = _text(f"{error.code}: {error.message} {error.suggested_action or ''}".strip())
    if given_up:
        tags["vtp.updates_given_up"] = str(given_up)
    return tags


def mlflow_view(run: MlflowRun, waiting: int) -> dict[str, Any]:
    """What MLflow has been told of a job, as its page shows it."""
    gap = {"since": stamp(run.gap_since), "until": stamp(run.gap_until), "points": run.gap_points} if run.gap_since else None
    shown = {"state": run.state, "url": run.url, "waiting": waiting, "gap": gap}
    return {**shown, "given_up": run.given_up, "reason": run.reason}


def _points(event: JobEvent) -> Iterator[Point]:
    body, at = event.body, milliseconds(event.at)
    epoch, step, steps = body.get("epoch"), body.get("step"), body.get("steps")
    figures = {**(body.get("losses") or {}), **(body.get("metrics") or {})}
    figures |= {name: body[name] for name in ("lr", "images_per_s") if body.get(name) is not None}
    if event.epoch is not None:
        place, prefix = event.epoch, ""
    elif epoch is not None and step is not None:
        place, prefix = (epoch - 1) * (steps or step) + step, "step/"
    else:
        return
    for name, value in figures.items():
        yield Point(_name(f"{prefix}{name}"), float(value), at, place)


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _name(text: str) -> str:
    """A name as MLflow takes it: ``metrics/mAP50(B)`` loses its brackets."""
    return _NOT_IN_NAMES.sub("", text)[: LONGEST // 2]


def _text(value: object) -> str:
    return redact_text(str(value))[:LONGEST]
