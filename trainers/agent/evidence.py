"""What can be told of an attempt's end from outside the process."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

LOG_TAIL_BYTES = 256 * 1024
CGROUP = Path("/sys/fs/cgroup")


def oom_kills(pid: int) -> int | None:
    """How often the kernel killed for memory in the cgroup of a process (v2 or v1); None where that cannot be read."""
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            found = _counter(CGROUP / path.lstrip("/") / "memory.events")
        elif "memory" in controllers.split(","):
            found = _counter(CGROUP / "memory" / path.lstrip("/") / "memory.oom_control")
        else:
            continue
        if found is not None:
            return found
    return None


def _counter(path: Path) -> int | None:
    try:
        fields = dict(line.split() for line in path.read_text().splitlines())
        return int(fields["oom_kill"])
    except (OSError, KeyError, ValueError):
        return None


def used_fraction(path: str) -> float | None:
    """Share of a file system that is in use, from 0 to 1; None where it is not there."""
    try:
        usage = shutil.disk_usage(path)
    except OSError:
        return None
    return round(usage.used / usage.total, 4) if usage.total else None


def tail(path: Path, size: int = LOG_TAIL_BYTES) -> str:
    """The last `size` bytes of a file as text, from the first whole line; empty where there is no file."""
    try:
        with path.open("rb") as file:
            length = file.seek(0, os.SEEK_END)
            file.seek(max(0, length - size))
            content = file.read()
    except OSError:
        return ""
    if length > size:
        content = content.partition(b"\n")[2]
    return content.decode(errors="replace")


def read_json(path: Path) -> dict[str, Any] | None:
    """A JSON object from a file; None where it is absent or not whole."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def collect(folder: Path, *, oom_before: int | None, oom_after: int | None, step_age_s: float | None) -> dict[str, Any]:
    """The evidence of an attempt that has ended, as the diagnosis reads it; what is not known is left out."""
    ended = read_json(folder / "exit.json") or {}
    record = read_json(folder / "error.json") or {}
    killed_by = (folder / "killed_by").read_text().strip() if (folder / "killed_by").exists() else None
    delta = oom_after - oom_before if oom_before is not None and oom_after is not None else None
    found = {
        "log": tail(folder / "log.txt"),
        "exit_code": ended.get("exit_code"),
        "signal": ended.get("signal"),
        "killed_by": killed_by,
        "oom_kill_delta": delta,
        "shm_used_fraction": used_fraction("/dev/shm"),  # noqa: S108 - measured, not written to
        "disk_free_bytes": shutil.disk_usage(folder).free,
        "step_age_s": step_age_s,
        "exceptions": record.get("exceptions"),
        "entity": record.get("entity"),
        "where": {key: record.get(key) for key in ("phase", "epoch", "step", "batch")} if record else None,
        "rusage": ended.get("rusage"),
    }
    return {key: value for key, value in found.items() if value is not None}


def claimed_error(folder: Path) -> dict[str, Any] | None:
    """The error as the trainer itself named it, the design document's object; None where it did not decide."""
    record = read_json(folder / "error.json")
    if record is None or not record.get("code"):
        return None
    last = (record.get("exceptions") or [{}])[0]
    details = {**(record.get("config_excerpt") or {}), **(record.get("details") or {})}
    return {"type": None, "code": record["code"], "message": str(last.get("message", ""))[:2000], "details": details}
