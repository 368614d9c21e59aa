"""How much memory a training will take, against what its machines have: from jobs that ran, else from the model itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Agent, Job
from app.db.repositories import agents
from app.services.config_check import model_of
from app.services.safe_batch import device_of, room_of

LOOKED_AT = 200
BYTES_PER_WEIGHT = 16
"""Weight, gradient, averaged weight and an optimizer's state, four bytes each."""
HALVED = 2
"""Mixed precision on a GPU halves what is kept of an image."""
TIGHT = 0.85


@dataclass(frozen=True, slots=True)
class Measured:
    """What an earlier job with the same model and image size took."""

    job_id: str
    batch_size: int
    bytes: int


def from_measured(batch: int, seen: Sequence[Measured]) -> tuple[int, Measured] | None:
    """The memory that `batch` takes by what others took, and the one that tells most about it.

    Between two batches it grows in a line, which goes on beyond them; with one batch alone it grows in proportion, which is
    too much rather than too little. Never less than a smaller batch took.
    """
    if not seen:
        return None
    most: dict[int, Measured] = {}
    for item in seen:
        if item.batch_size not in most or item.bytes > most[item.batch_size].bytes:
            most[item.batch_size] = item
    known = sorted(most.values(), key=lambda item: item.batch_size)
    nearest = min(known, key=lambda item: (abs(item.batch_size - batch), item.batch_size))
    if nearest.batch_size == batch:
        return nearest.bytes, nearest
    low, high = known[0], known[-1]
    if low is high:
        return round(low.bytes * max(1.0, batch / low.batch_size)), low
    slope = max(0.0, (high.bytes - low.bytes) / (high.batch_size - low.batch_size))
    line = nearest.bytes + slope * (batch - nearest.batch_size)
    floor = max((item.bytes for item in known if item.batch_size <= batch), default=0)
    return round(max(line, floor)), nearest


def computed(model: Mapping[str, Any] | None, batch: int, edge: int | None, *, gpu: bool) -> int | None:
    """The least that a model takes by its size; None where that is not known."""
    if model is None or not model.get("params") or edge is None:
        return None
    kept = float(model.get("activation_bytes_per_pixel") or 0) * edge * edge * batch
    whole = int(model["params"]) * BYTES_PER_WEIGHT + kept
    return round(whole / HALVED if gpu else whole)


async def estimate(
    session: AsyncSession, values: Mapping[str, Any], now: datetime, alive_for: timedelta
) -> dict[str, Any] | None:
    """What `values` will take on each kind of device that offers the framework; None where nothing can be said."""
    framework = str(values["framework"])
    living = await agents.alive_agents(session, now - alive_for)
    able = [agent for agent in living if any(item["framework"] == framework for item in agent.frameworks)]
    descriptor = agents.offered(able).get(framework)
    model = model_of(descriptor, str(values["model"])) if descriptor else None
    devices = []
    for agent in {device_of(agent, values): agent for agent in able}.values():
        found = await _on(session, agent, values, model)
        if found is not None:
            devices.append(found)
    return {"devices": sorted(devices, key=lambda item: item["device"])} if devices else None


async def _on(
    session: AsyncSession, agent: Agent, values: Mapping[str, Any], model: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    gpu = bool((agent.resources or {}).get("gpus")) and values.get("device") != "cpu"
    batch, edge = int(values["batch_size"]), values.get("image_size")
    seen = await _seen(session, values, gpu=gpu)
    told = from_measured(batch, seen)
    needed = told[0] if told else computed(model, batch, edge, gpu=gpu)
    if needed is None:
        return None
    room = room_of(agent, values)
    share = needed / room if room else None
    return {
        "device": device_of(agent, values),
        "needed_bytes": needed,
        "room_bytes": room,
        "verdict": "unknown" if share is None else "too_much" if share > 1 else "tight" if share > TIGHT else "fits",
        "basis": "measured" if told else "computed",
        "job_id": told[1].job_id if told else None,
        "job_batch_size": told[1].batch_size if told else None,
    }


async def _seen(session: AsyncSession, values: Mapping[str, Any], *, gpu: bool) -> list[Measured]:
    """What the newest jobs with this model and image size took that got as far as an epoch."""
    query = select(Job).where(Job.framework == values["framework"], Job.model == values["model"])
    rows = (await session.scalars(query.order_by(Job.number.desc()).limit(LOOKED_AT))).all()
    found = []
    for job in rows:
        progress = job.progress or {}
        taken = (progress.get("memory") or {}).get("gpu_bytes" if gpu else "rss_bytes")
        same = job.config.get("image_size") == values.get("image_size")
        if same and progress.get("epoch") and isinstance(taken, int | float) and taken > 0:
            found.append(Measured(job.id, int(job.config["batch_size"]), int(taken)))
    return found
