"""What is used: seconds of training by how they ended, of the failed ones by whose fault that was; places and storage."""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.error_messages import REGISTRY
from app.db.models import Artifact, Attempt, Dataset, Job
from app.db.session import Database
from app.db.states import JOB_ACTIVE


async def held(db: Database, most_open: int) -> dict[str, Any]:
    """What is taken up now: places for open jobs, bytes of data sets and of files that trainings left."""
    asked = (
        select(func.count()).select_from(Job).where(Job.status.in_(JOB_ACTIVE)),
        select(func.sum(Dataset.bytes)),
        select(func.sum(Artifact.bytes)),
    )

    async def count(session: AsyncSession) -> list[int]:
        return [int(await session.scalar(query) or 0) for query in asked]

    open_jobs, datasets, files = await db.read(count)
    return {
        "open_jobs": {"current": open_jobs, "limit": most_open},
        "stored": {"datasets_bytes": datasets, "files_bytes": files},
    }


async def usage(db: Database, now: datetime, days: int) -> dict[str, Any]:
    """Time of the attempts that ended in the last `days` days; `by_causer` and `by_code` count failed attempts only."""
    query = select(Attempt.status, Attempt.started_at, Attempt.finished_at, Attempt.diagnosis["code"].as_string()).where(
        Attempt.finished_at > now - timedelta(days=days), Attempt.started_at.is_not(None)
    )
    rows = (await db.read(lambda session: session.execute(query))).all()
    by_status: dict[str, dict[str, float]] = defaultdict(_nothing)
    by_causer: dict[str, dict[str, float]] = defaultdict(_nothing)
    by_code: dict[str, dict[str, float]] = defaultdict(_nothing)
    for status, started, finished, code in rows:
        seconds = max(0.0, (finished - started).total_seconds())
        _add(by_status[status], seconds)
        if status == "failed":
            row = REGISTRY.get(code or "")
            _add(by_causer[row.causer if row else "unknown"], seconds)
            _add(by_code[code or "UNKNOWN_FAILURE"], seconds)
    return {
        "days": days,
        "by_status": _listed("status", by_status),
        "by_causer": _listed("causer", by_causer),
        "by_code": _listed("code", by_code),
    }


def _nothing() -> dict[str, float]:
    return {"attempts": 0, "seconds": 0.0}


def _add(place: dict[str, float], seconds: float) -> None:
    place["attempts"] += 1
    place["seconds"] += seconds


def _listed(name: str, found: dict[str, dict[str, float]]) -> list[dict[str, Any]]:
    """The largest first."""
    rows = [
        {name: key, "attempts": int(value["attempts"]), "seconds": round(value["seconds"], 3)}
        for key, value in found.items()
    ]
    return sorted(rows, key=lambda row: -float(row["seconds"]))
