"""Where compute time goes: seconds of training by how they ended, and of the failed ones by whose fault that was."""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from app.core.error_messages import REGISTRY
from app.db.models import Attempt
from app.db.session import Database


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
