"""What can be told of an attempt's end from outside the process."""

import errno
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

LOG_TAIL_BYTES = 256 * 1024
STACK_BYTES = 32 * 1024
RANK_LOG_BYTES = 16 * 1024
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]")
_RANK_FILE = re.compile(r"error\.rank(\d+)\.json")


def used_fraction(path: str) -> float | None:
    """Share of a file system that is in use, from 0 to 1; None where it is not there."""
    try:
        usage = shutil.disk_usage(path)
    except OSError:
        return None
    return round(usage.used / usage.total, 4) if usage.total else None


def free_bytes(path: Path) -> int | None:
    """Free bytes of the file system that holds `path`; None where it is not there."""
    try:
        return shutil.disk_usage(path).free
    except OSError:
        return None


def printable(text: str) -> str:
    """`text` without the control characters that are no part of text: each would take six bytes on the wire."""
    return _CONTROL.sub("\ufffd", text)


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
        content = content.partition(b"\n")[2] or content
    return printable(content.decode(errors="replace"))


def head(path: Path, size: int) -> str:
    """The first `size` bytes of a file as text; empty where there is no file."""
    try:
        with path.open("rb") as file:
            return printable(file.read(size).decode(errors="replace"))
    except OSError:
        return ""


def read_json(path: Path) -> dict[str, Any] | None:
    """A JSON object from a file; None where it is absent or not whole."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def ranks(folder: Path) -> list[dict[str, Any]]:
    """What each rank of a training with several processes left, the earliest first: that is where to look for the root."""
    found = []
    for path in folder.glob("error.rank*.json"):
        number, record = _RANK_FILE.fullmatch(path.name), read_json(path)
        if number is None or record is None:
            continue
        entry = {
            "rank": int(number[1]),
            "at": record.get("at"),
            "log": tail(folder / f"log.rank{number[1]}.txt", RANK_LOG_BYTES) or record.get("traceback", ""),
            "exit_code": record.get("exit_code"),
            "signal": None,
            "error": claimed_error(record),
            "exceptions": record.get("exceptions"),
        }
        found.append(entry)
    return sorted(found, key=lambda entry: (str(entry["at"] or "~"), entry["rank"]))


def root_record(folder: Path) -> dict[str, Any]:
    """The facts from inside the process; of several processes those of the one that failed first."""
    record = read_json(folder / "error.json")
    others = [read_json(path) for path in folder.glob("error.rank*.json")]
    known = [item for item in (record, *others) if item is not None]
    return min(known, key=lambda item: str(item.get("at") or "~"), default={})


def claimed_error(record: dict[str, Any]) -> dict[str, Any] | None:
    """The error as the trainer itself named it, the design document's object; None where it did not decide."""
    if not record.get("code"):
        return None
    root = (record.get("exceptions") or [{}])[0]
    details = {**(record.get("config_excerpt") or {}), **(record.get("details") or {})}
    return {"type": None, "code": record["code"], "message": str(root.get("message", ""))[:2000], "details": details}


def heartbeat_age(folder: Path, now: float) -> float | None:
    """Seconds since the training's interpreter last showed that it runs; None where it never did. `now` is wall time."""
    try:
        return round(max(0.0, now - (folder / "heartbeat").stat().st_mtime), 3)
    except OSError:
        return None


def collect(folder: Path, ended: dict[str, Any], outside: dict[str, Any]) -> dict[str, Any]:
    """The evidence of an attempt that has ended, as the diagnosis reads it; what is not known is left out.

    `ended` is how the process ended, `outside` what the supervisor saw.
    """
    record, hang = root_record(folder), read_json(folder / "hang.json") or {}
    log = tail(folder / "log.txt")
    crashed = ended.get("told_by") == "inferred" and "Fatal Python error" in log
    found = {
        "log": log,
        "exit_code": ended.get("exit_code"),
        "signal": None if crashed else ended.get("signal"),
        "exit_told_by": ended.get("told_by"),
        "shm_used_fraction": used_fraction("/dev/shm"),  # noqa: S108 - measured, not written to
        "disk_free_bytes": free_bytes(folder),
        "exceptions": record.get("exceptions"),
        "entity": record.get("entity"),
        "where": {key: record.get(key) for key in ("phase", "epoch", "step", "batch")} if record else None,
        "memory": record.get("memory"),
        "ranks": ranks(folder) or None,
        "rusage": ended.get("rusage"),
        **outside,
        **hang,
        "stack": (head(folder / "stack.txt", STACK_BYTES) or None) if hang else None,
    }
    return {key: value for key, value in found.items() if value is not None}
