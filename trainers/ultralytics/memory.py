"""How much memory there is, and which errors mean that there was none."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
LITTLE_BYTES = 512 * 1024**2
"""Room below which an unclear refusal of the CPU's kernels is put down to memory."""
UNCLEAR = ("could not create a primitive", "could not create a memory", "can't start new thread")


def _cgroup_room() -> Iterator[int]:
    """Free bytes up to each memory limit of this process's control group."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        v2 = not controllers
        if not (v2 or "memory" in controllers.split(",")):
            continue
        folder = (CGROUP if v2 else CGROUP / "memory") / path.lstrip("/")
        names = ("memory.max", "memory.current") if v2 else ("memory.limit_in_bytes", "memory.usage_in_bytes")
        try:
            limit, used = ((folder / name).read_text().strip() for name in names)
        except OSError:
            continue
        if limit != "max":
            yield int(limit) - int(used)


def host_room() -> int:
    """Bytes of memory that this process can still have: free in the machine, in its control group, under its limit."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    found = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    found += _cgroup_room()
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY:
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        found.append(limit - mapped)
    return max(0, min(found))


def memory_code(error: BaseException) -> str | None:
    """The code of an error that means exhausted memory, None for others."""
    text = str(error)
    if isinstance(error, MemoryError) or "DefaultCPUAllocator" in text or "Cannot allocate memory" in text:
        return "HOST_OOM"
    if type(error).__name__ == "OutOfMemoryError" or "CUDA out of memory" in text or "_STATUS_ALLOC_FAILED" in text:
        return "CUDA_OOM"
    if any(words in text for words in UNCLEAR) and host_room() < LITTLE_BYTES:
        return "HOST_OOM"
    return None
