"""The parent of one training process: starts it, waits for it, and writes down how it ended.

It outlives the agent, so that a training goes on when the agent is killed, and its end is still seen. It holds a lock on the
attempt's folder as long as it lives; a second shim for the same attempt ends at once. Standard library only.
"""

import fcntl
import json
import os
import resource
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

NOT_STARTED, NOT_STARTED_FILE = 127, "not_started.json"
CGROUP_PROCS, MEMORY_LIMIT = "VTP_CGROUP_PROCS", "VTP_MEMORY_RLIMIT"


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Writes a file whole or not at all, and durably."""
    part = path.with_name(path.name + ".part")
    with part.open("r+" if part.exists() else "w") as file:
        json.dump(content, file)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def reserve(path: Path, size: int = 1024) -> None:
    """Takes the room of a later `write_json` to `path`, which then succeeds on a full disk too."""
    with path.with_name(path.name + ".part").open("wb") as file:
        file.write(b" " * size)
        file.flush()
        os.fsync(file.fileno())


def start_time(pid: int) -> int | None:
    """When a process started, in clock ticks since boot: with the pid it names one process. None where it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])


def boot_id() -> str:
    """Names the machine's present run: pids and start times of another one mean nothing. Empty where it has no name."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _confine(environment: dict[str, str]) -> dict[str, str | int | None]:
    """Puts this process where its memory is counted and limited, as far as that works; says what was done."""
    done: dict[str, str | int | None] = {"cgroup": None, "rlimit_bytes": None}
    procs, limit = environment.pop(CGROUP_PROCS, None), environment.pop(MEMORY_LIMIT, None)
    if procs:
        try:
            Path(procs).write_text(str(os.getpid()))
            done["cgroup"] = procs
        except OSError as error:
            done["cgroup_error"] = str(error)
    if limit:
        # Private writable memory: what a training really takes, not the libraries and files that it maps.
        resource.setrlimit(resource.RLIMIT_DATA, (int(limit), int(limit)))
        done["rlimit_bytes"] = int(limit)
    return done


def _become(command: list[str], folder: Path) -> None:
    """Turns this process into the training, in a session of its own with its output in log.txt.

    Who it is stands in process.json before it is the training: no training ever runs that nobody knows of.
    """
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    log = os.open(folder / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(folder / "work")
    environment = dict(os.environ)
    confined = _confine(environment)
    pid = os.getpid()
    known = {"pid": pid, "start": start_time(pid), "shim_pid": os.getppid(), "boot_id": boot_id(), **confined}
    write_json(folder / "process.json", known)
    os.execve(command[0], command, environment)  # noqa: S606 - our own interpreter, no shell


def _spawn(command: list[str], folder: Path) -> int:
    """Starts the training; its pid."""
    pid = os.fork()
    if pid:
        return pid
    try:
        _become(command, folder)
    except (OSError, ValueError) as error:
        os.write(2, f"the training could not be started: {error}\n".encode())
        write_json(folder / NOT_STARTED_FILE, {"message": str(error), "errno": getattr(error, "errno", None)})
    finally:
        os._exit(NOT_STARTED)


def _ended(status: int, usage: Any) -> dict[str, Any]:
    code = os.waitstatus_to_exitcode(status)
    return {
        "exit_code": code if code >= 0 else None,
        "signal": -code if code < 0 else None,
        "at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "rusage": {
            "user_s": usage.ru_utime,
            "system_s": usage.ru_stime,
            "max_rss_bytes": usage.ru_maxrss * 1024,
        },
    }


def main() -> None:
    """Runs one attempt: ``shim FOLDER INTERPRETER SCRIPT``."""
    folder, command = Path(sys.argv[1]), sys.argv[2:]
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    if (folder / "process.json").exists() or (folder / "exit.json").exists():
        return
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    (folder / "work").mkdir(exist_ok=True)
    reserve(folder / "exit.json")
    pid = _spawn(command, folder)
    _, status, usage = os.wait4(pid, 0)
    write_json(folder / "exit.json", _ended(status, usage))


if __name__ == "__main__":
    main()
