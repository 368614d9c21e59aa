"""Batches that are known to fit: noted when a repaired training has succeeded, offered before the next one begins."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import Fix, PlatformError
from app.core.responses import public
from app.db.models import Agent, Attempt, Job, SafeBatch
from app.db.repositories import agents, jobs

MEMORY_CODES = ("CUDA_OOM", "HOST_OOM")
GIB = 1024**3


def room_of(agent: Agent, config: Mapping[str, Any]) -> int | None:
    """The memory in bytes that a training can have on an agent: its first GPU's, or the main memory that it may take."""
    resources = agent.resources or {}
    gpus = resources.get("gpus") or []
    if gpus and config.get("device") != "cpu":
        size = gpus[0].get("memory_bytes") if isinstance(gpus[0], dict) else None
    else:
        size = resources.get("memory_limit_bytes") or resources.get("memory_bytes")
    return int(size) if isinstance(size, int | float) else None


def device_of(agent: Agent, config: Mapping[str, Any]) -> str:
    """What a training's memory is bound by on an agent: its first GPU by name, or its main memory by size."""
    resources = agent.resources or {}
    gpus = resources.get("gpus") or []
    if gpus and config.get("device") != "cpu":
        first = gpus[0]
        return str(first.get("name", "GPU") if isinstance(first, dict) else first)[:120]
    size = room_of(agent, config)
    return f"CPU with {size / GIB:.3g} GiB" if size is not None else "CPU"


async def remember_batch(session: AsyncSession, job: Job, attempt: Attempt, at: datetime) -> None:
    """Notes the batch of an attempt that succeeded where another ran out of memory, or that disproves an earlier note."""
    config = attempt.config
    agent = await session.get(Agent, attempt.agent_id) if attempt.agent_id else None
    if agent is None or not config.get("image_size"):
        return
    key = (job.framework, str(config["model"]), int(config["image_size"]), device_of(agent, config))
    known = await session.get(SafeBatch, key)
    if known is None:
        past = await jobs.attempts_of(session, job.id)
        if not any((row.diagnosis or {}).get("code") in MEMORY_CODES for row in past if row.number < attempt.number):
            return
        known = SafeBatch(**dict(zip(("framework", "model", "image_size", "device"), key, strict=True)))
        session.add(known)
    elif config["batch_size"] <= known.batch_size:
        return
    known.batch_size, known.val_batch_size = config["batch_size"], config.get("val_batch_size")
    known.job_id, known.updated_at = job.id, at


async def safe_batch(session: AsyncSession, config: Mapping[str, Any]) -> dict[str, Any] | None:
    """The smallest batch known to fit on a device that `config` may run on, where its own batch is larger; else None."""
    able = [agent for agent in await agents.all_agents(session) if _offers(agent, str(config["framework"]))]
    devices = {device_of(agent, config) for agent in able}
    query = select(SafeBatch).where(
        SafeBatch.framework == config["framework"],
        SafeBatch.model == config["model"],
        SafeBatch.image_size == config.get("image_size"),
        SafeBatch.device.in_(devices),
    )
    found = [row for row in (await session.scalars(query)).all() if row.batch_size < config["batch_size"]]
    if not found:
        return None
    smallest = min(found, key=lambda row: row.batch_size)
    effective = config["batch_size"] * (config.get("accumulate") or 1)
    return {
        "device": smallest.device,
        "batch_size": smallest.batch_size,
        "val_batch_size": smallest.val_batch_size,
        "accumulate": max(1, round(effective / smallest.batch_size)),
        "job_id": smallest.job_id,
    }


def _offers(agent: Agent, framework: str) -> bool:
    return any(item["framework"] == framework for item in agent.frameworks)


def too_large(config: Mapping[str, Any], safe: Mapping[str, Any]) -> dict[str, Any]:
    """The warning that a batch will not fit, with the change that makes it, in the form of an error."""
    steps = [("/batch_size", safe["batch_size"]), ("/accumulate", safe["accumulate"])]
    if safe["val_batch_size"] is not None:
        steps.append(("/val_batch_size", safe["val_batch_size"]))
    patch = tuple({"op": "add", "path": path, "value": value} for path, value in steps)
    label = f"Batch size {config['batch_size']} → {safe['batch_size']}"
    code = "HOST_OOM" if str(safe["device"]).startswith("CPU") else "CUDA_OOM"
    error = PlatformError.from_code(code, dict(config), fixes=(Fix("safe-batch", label, "safe", patch),))
    text = f"Batch size {config['batch_size']} was too large on {safe['device']} before; {safe['batch_size']} fitted."
    return {**public(error), "message": text}
