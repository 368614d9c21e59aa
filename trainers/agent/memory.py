"""What the kernel's memory counters say of one attempt, across restarts of the agent."""

from pathlib import Path
from typing import Any

from trainers.agent.cgroup import ROOT, Cgroups, Memory, kill_counter, own_groups
from trainers.agent.evidence import read_json
from trainers.agent.shim import write_json


def shared_kills(pid: int | str) -> int | None:
    """How often the kernel killed for memory in the group that a process shares with others; None where unknown."""
    try:
        own = own_groups(Path(f"/proc/{pid}/cgroup").read_text())
    except (OSError, ValueError):
        return None
    for version, name in ((2, "memory.events"), (1, "memory.oom_control")):
        base = ROOT / "memory" if version == 1 else ROOT
        found = kill_counter(base / own[version].lstrip("/") / name) if version in own else None
        if found is not None:
            return found
    return None


class MemoryWitness:
    """Memory kills during an attempt: counted in its own control group, else in the one it shares with others."""

    def __init__(self, folder: Path, cgroups: Cgroups, name: str) -> None:
        self.file = folder / "memory.json"
        self.cgroups = cgroups
        self.group: Memory | None = cgroups.find(name)
        self._now: int | None = None

    def begin(self, group: Memory | None, limit: int | None) -> None:
        """Notes the counter before the training starts; a later agent finds it again."""
        self.group = group
        before = group.kills() if group is not None else shared_kills("self")
        if not self.file.exists():
            write_json(self.file, {"before": before, "limit_bytes": limit})

    def look(self, pid: int | None) -> None:
        """Keeps the shared counter while the process can be asked; its own group can be asked at any time."""
        if self.group is None and pid is not None:
            seen = shared_kills(pid)
            self._now = seen if seen is not None else self._now

    def facts(self, record: dict[str, Any] | None) -> dict[str, Any]:
        """The evidence; `record` is what the shim noted of the process."""
        began, record = read_json(self.file) or {}, record or {}
        joined = self.group is not None and record.get("cgroup") is not None
        if joined:
            where = f"v{self.group.version}: {self.group.path}"  # type: ignore[union-attr] - joined says so
            after = self.group.kills()  # type: ignore[union-attr]
        else:
            where = f"none: {record.get('cgroup_error') or self.cgroups.reason or 'not made'}"
            after = self._now if self._now is not None else shared_kills("self")
        before = began.get("before")
        found: dict[str, Any] = {
            "cgroup": where,
            "oom_kill_delta": max(0, after - before) if after is not None and before is not None else None,
            "memory_peak_bytes": self.group.peak() if joined and self.group is not None else None,
        }
        if began.get("limit_bytes"):
            by = "cgroup" if joined else "rlimit" if record.get("rlimit_bytes") else "none"
            found["memory_limit"] = {"bytes": began["limit_bytes"], "by": by}
        return found

    def end(self) -> bool:
        """Removes the attempt's group with whatever still runs in it; False where that did not work."""
        return self.group is None or self.group.remove()
