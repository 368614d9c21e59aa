"""A control group of its own for each attempt: its memory is counted apart, limited, and nothing of it survives.

Version 2 where the memory controller can be handed down, else version 1. Where neither works, that is said plainly and a
limit falls back to an rlimit.
"""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
REMOVE_SECONDS = 2.0


class NoCgroup(Exception):
    """Attempts cannot have control groups here; the message says why."""


@dataclass(frozen=True, slots=True)
class Memory:
    """A control group of one attempt. `version` is 1 or 2."""

    path: Path
    version: int

    @property
    def procs(self) -> Path:
        """The file that a process writes its number to, to be in the group."""
        return self.path / "cgroup.procs"

    def limit(self, size: int) -> None:
        """Limits memory (swap included where it is counted) to `size` bytes.

        Raises:
            OSError: the kernel refuses.
        """
        names = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes") if self.version == 1 else ("memory.max",)
        for name in names:
            if (self.path / name).exists():
                (self.path / name).write_text(str(size))
        swap = self.path / "memory.swap.max"
        if swap.exists():
            swap.write_text("0")

    def kills(self) -> int | None:
        """How often the kernel killed for memory in this group; None where that cannot be read."""
        return kill_counter(self.path / ("memory.oom_control" if self.version == 1 else "memory.events"))

    def peak(self) -> int | None:
        """The most memory the group ever took, in bytes; None where that cannot be read."""
        name = "memory.max_usage_in_bytes" if self.version == 1 else "memory.peak"
        try:
            return int((self.path / name).read_text())
        except (OSError, ValueError):
            return None

    def members(self) -> list[int]:
        """The processes in the group."""
        try:
            return [int(line) for line in self.procs.read_text().split()]
        except OSError:
            return []

    def remove(self, seconds: float = REMOVE_SECONDS) -> bool:
        """Kills what is left in the group and removes it; False where it could not be removed in time."""
        deadline = time.monotonic() + seconds
        while self.path.exists():
            for pid in self.members():
                _kill(pid)
            try:
                self.path.rmdir()
            except OSError:
                # Dying processes still belong to it for a moment.
                if time.monotonic() > deadline:
                    return False
                time.sleep(0.005)
        return True


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # it has ended in between


def kill_counter(path: Path) -> int | None:
    """`oom_kill` from a file of ``name value`` lines; None where it is not told."""
    try:
        fields = dict(line.split() for line in path.read_text().splitlines())
        return int(fields["oom_kill"])
    except (OSError, KeyError, ValueError):
        return None


def own_groups(text: str) -> dict[int, str]:
    """From ``/proc/self/cgroup``: the path of the version 2 group, and of the memory controller's version 1 group."""
    found = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            found[2] = path
        elif "memory" in controllers.split(","):
            found[1] = path
    return found


class Cgroups:
    """Makes the groups of this agent's attempts below the agent's own. `reason` says why there are none."""

    def __init__(self, root: Path = ROOT, proc: Path = Path("/proc/self/cgroup")) -> None:
        self.parent: Path | None = None
        self.version = 0
        self.reason = ""
        try:
            self.parent, self.version = self._find(root, own_groups(proc.read_text()))
        except NoCgroup as error:
            self.reason = str(error)
        except OSError as error:
            self.reason = f"{error.strerror}: {error.filename}" if error.filename else str(error)

    def _find(self, root: Path, own: dict[int, str]) -> tuple[Path, int]:
        problems = []
        if 2 in own:
            # Where version 1 is at work too, version 2 lies beside it.
            base = root / "unified" if (root / "unified").is_dir() else root
            problem = _hand_down(base / own[2].lstrip("/"))
            if problem is None:
                return base / own[2].lstrip("/"), 2
            problems.append(f"v2: {problem}")
        if 1 in own:
            parent = root / "memory" / own[1].lstrip("/")
            if os.access(parent, os.W_OK):
                return parent, 1
            problems.append(f"v1: {parent} cannot be written to")
        raise NoCgroup("; ".join(problems) or "no memory controller")

    def path(self, name: str) -> Path | None:
        """Where the group of an attempt is, or would be; None where there are none."""
        return self.parent / f"vtp-{name}" if self.parent is not None else None

    def make(self, name: str) -> Memory:
        """The group of an attempt; made where it does not exist.

        Raises:
            NoCgroup: it cannot be made.
        """
        path = self.path(name)
        if path is None:
            raise NoCgroup(self.reason)
        try:
            path.mkdir(exist_ok=True)
            found = Memory(path, self.version)
            if found.kills() is None:
                path.rmdir()
                message = f"{path.name} counts no memory kills"
                raise NoCgroup(message)
        except OSError as error:
            raise NoCgroup(str(error)) from error
        return found

    def find(self, name: str) -> Memory | None:
        """The group of an attempt that an earlier agent made; None where there is none."""
        path = self.path(name)
        return Memory(path, self.version) if path is not None and path.is_dir() else None


def _hand_down(parent: Path) -> str | None:
    """Lets groups below `parent` (version 2) count memory; why that does not work, None where it does."""
    try:
        if "memory" not in (parent / "cgroup.controllers").read_text().split():
            return "no memory controller"
        control = parent / "cgroup.subtree_control"
        if "memory" in control.read_text().split():
            return None
        try:
            control.write_text("+memory")
        except OSError:
            # A group that hands controllers down may hold no process itself: the agent moves one down.
            leaf = parent / "vtp-agent"
            leaf.mkdir(exist_ok=True)
            (leaf / "cgroup.procs").write_text(str(os.getpid()))
            control.write_text("+memory")
    except OSError as error:
        return f"{error.strerror or error}"
    return None
