"""Whether a training fits a machine: its GPUs, memory and labels. Pure."""

from collections.abc import Mapping
from typing import Any

from app.db.models import Agent

GIB = 1024**3


def gpus_wanted(device: str) -> int:
    """How many GPUs a device setting needs: ``0,1`` needs two, ``auto`` and ``cpu`` none."""
    numbers = [part.strip().rpartition(":")[2] for part in device.split(",")]
    return max((int(number) + 1 for number in numbers if number.isdecimal()), default=0)


def misfit(agent: Agent, config: Mapping[str, Any]) -> str | None:
    """What a training of this configuration misses on an agent, in words; None where it fits.

    What an agent does not tell counts as missing, for a training that was sent there in vain costs more than one that waits.
    """
    has, needs = agent.resources or {}, config.get("needs") or {}
    gpus, wanted = has.get("gpus") or [], gpus_wanted(str(config.get("device") or "auto"))
    if len(gpus) < wanted:
        return f"has {len(gpus)} of {wanted} GPUs"
    memory = has.get("memory_limit_bytes") or has.get("memory_bytes") or 0
    if memory < (needs.get("memory_bytes") or 0):
        return f"has {memory / GIB:.0f} of {needs['memory_bytes'] / GIB:.0f} GiB of memory"
    gpu_memory = max((gpu.get("memory_bytes") or 0 for gpu in gpus), default=0)
    if gpu_memory < (needs.get("gpu_memory_bytes") or 0):
        return f"has {gpu_memory / GIB:.0f} of {needs['gpu_memory_bytes'] / GIB:.0f} GiB of GPU memory"
    labels = has.get("labels") or {}
    for name, value in (needs.get("labels") or {}).items():
        if labels.get(name) != value:
            return f"is not labelled {name}={value}"
    return None
