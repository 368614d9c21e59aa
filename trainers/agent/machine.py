"""What this machine has, as its agent tells it."""

import os
import platform
import shutil
from pathlib import Path
from typing import Any

import psutil

from trainers.agent.cgroup import Cgroups
from trainers.agent.gpus import gpus
from trainers.agent.settings import AgentSettings


def resources(home: Path, settings: AgentSettings, cgroups: Cgroups) -> dict[str, Any]:
    """Processors, memory, disk below `home`, GPUs, system, and by what trainings may choose it."""
    return {
        "cpus": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "disk_free_bytes": shutil.disk_usage(home).free,
        "gpus": gpus(),
        "platform": platform.platform(),
        "cgroup": f"v{cgroups.version}" if cgroups.parent else f"none: {cgroups.reason}",
        "memory_limit_bytes": settings.memory_limit,
        "labels": dict(settings.labels),
    }
