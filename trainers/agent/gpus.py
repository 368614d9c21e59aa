"""The GPUs of this machine, as the driver's own tool lists them."""

import functools
import shutil
import subprocess
from typing import Any

TOOL = "nvidia-smi"
SECONDS = 10
MIB = 1024**2


def parse(text: str) -> list[dict[str, Any]]:
    """Name and memory of each GPU from lines of `name, memory in MiB`; lines of any other form are left out."""
    found = []
    for line in text.splitlines():
        name, comma, memory = line.rpartition(",")
        if comma and memory.strip().isdecimal():
            found.append({"name": name.strip(), "memory_bytes": int(memory) * MIB})
    return found


@functools.cache
def gpus() -> list[dict[str, Any]]:
    """The GPUs as they were when first asked for; empty where there are none, or none that work."""
    tool = shutil.which(TOOL)
    if tool is None:
        return []
    try:
        done = subprocess.run(
            [tool, "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"],
            capture_output=True, text=True, check=True, timeout=SECONDS,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        # A driver that does not answer runs no training either.
        return []
    return parse(done.stdout)
