"""Whether a training fits a machine: its GPUs, memory and labels. Pure."""

from collections.abc import Mapping
from typing import Any

from app.db.models import Agent

GIB = 1024**3


def offers(agent: Agent, framework: str) -> bool:
    """Whether an agent can run trainings of `framework`."""
    return any(item["framework"] == framework and item.get("available", True) for item in agent.frameworks)


def gpus_of(agent: Agent) -> list[dict[str, Any]]:
    """The GPUs that an agent tells of."""
    return (agent.resources or {}).get("gpus") or []


def memory_of(agent: Agent) -> int:
    """Bytes that one training may take on an agent, as far as it tells."""
    has = agent.resources or {}
    return has.get("memory_limit_bytes") or has.get("memory_bytes") or 0


def gpu_memory_of(agent: Agent) -> int:
    """Bytes of an agent's largest GPU, as far as it tells."""
    return max((gpu.get("memory_bytes") or 0 for gpu in gpus_of(agent)), default=0)


def labels_of(agent: Agent) -> dict[str, str]:
    """The labels that an agent was given."""
    return (agent.resources or {}).get("labels") or {}


def gpus_wanted(device: str) -> int:
    """How many GPUs a device setting needs: ``0,1`` needs two, ``auto`` and ``cpu`` none."""
    numbers = [part.strip().rpartition(":")[2] for part in device.split(",")]
    return max((int(number) + 1 for number in numbers if number.isdecimal()), default=0)


def misfit(agent: Agent, config: Mapping[str, Any]) -> str | None:
    """What a training of this configuration misses on an agent, in words; None where it fits.

    What an agent does not tell counts as missing, for a training that was sent there in vain costs more than one that waits.
    """
    needs = config.get("needs") or {}
    gpus, wanted = gpus_of(agent), gpus_wanted(str(config.get("device") or "auto"))
    if len(gpus) < wanted:
        return f"has {len(gpus)} of {wanted} GPUs"
    memory = memory_of(agent)
    if memory < (needs.get("memory_bytes") or 0):
        return f"has {memory / GIB:.0f} of {needs['memory_bytes'] / GIB:.0f} GiB of memory"
    gpu_memory = gpu_memory_of(agent)
    if gpu_memory < (needs.get("gpu_memory_bytes") or 0):
        return f"has {gpu_memory / GIB:.0f} of {needs['gpu_memory_bytes'] / GIB:.0f} GiB of GPU memory"
    labels = labels_of(agent)
    for name, value in (needs.get("labels") or {}).items():
        if labels.get(name) != value:
            return f"is not labelled {name}={value}"
    return None
