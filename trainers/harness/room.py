"""How much memory and disk there is left, as the training process itself sees it."""

import os
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


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


def memory_limit(used: int) -> int | None:
    """All the memory that a process which has `used` bytes could come to; None where this machine does not tell."""
    try:
        return used + host_room()
    except (OSError, ValueError):
        return None


def disk_room(folder: Path) -> dict[str, float]:
    """Free and total bytes of the disk that `folder` is on; empty where it does not tell."""
    try:
        found = shutil.disk_usage(folder)
    except OSError:
        return {}
    return {"free_bytes": found.free, "total_bytes": found.total}
