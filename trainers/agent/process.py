"""One attempt's process as the agent sees it: start, is it alive, kill, its files."""

import atexit
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trainers.agent.evidence import read_json
from trainers.agent.shim import boot_id, start_time, write_json

ROOT = Path(__file__).parents[2]
_shims: list[subprocess.Popen[bytes]] = []
"""Shims of this process that have not been waited for: each outlives its training by a moment, and may outlive us."""


def reap() -> None:
    """Takes note of shims that have ended."""
    _shims[:] = [shim for shim in _shims if shim.poll() is None]


atexit.register(reap)


class AttemptProcess:
    """The training process of one attempt, its shim and its folder; what matters is read from files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._shim: subprocess.Popen[bytes] | None = None
        self._record: dict[str, Any] | None = None

    @property
    def record(self) -> dict[str, Any] | None:
        """Who the training is (pid, start, boot_id, how it is confined); None before it was started. It never changes."""
        if self._record is None:
            self._record = read_json(self.folder / "process.json")
        return self._record

    @property
    def pid(self) -> int | None:
        """The training's pid; None before it was started."""
        return int(self.record["pid"]) if self.record else None

    def started(self) -> bool:
        """Whether the training was ever started."""
        return self.record is not None

    def ended(self) -> bool:
        """Whether the training has ended: the shim says so, or shim and training are both gone."""
        if self._shim is not None:
            self._shim.poll()
        if (self.folder / "exit.json").exists():
            return True
        return self.started() and not self.alive() and not self.shim_alive() and not (self.folder / "exit.json").exists()

    def never_started(self) -> bool:
        """Whether the shim of this agent has ended without having started anything, and no other shim is at work."""
        return self._shim is not None and self._shim.poll() is not None and not self.shim_alive() and not self.started()

    def alive(self) -> bool:
        """Whether the very process that was started still runs."""
        record = self.record
        if record is None or record["start"] is None or record.get("boot_id", boot_id()) != boot_id():
            return False
        return start_time(record["pid"]) == record["start"]

    def state(self) -> str | None:
        """The kernel's letter for what the process does (R, S, D, T …); None where it is gone."""
        try:
            stat = Path(f"/proc/{self.pid}/stat").read_text()
        except OSError:
            return None
        return stat.rpartition(")")[2].split()[0]

    def age(self) -> float:
        """Seconds since the training was started; 0 before that."""
        try:
            return max(0.0, time.time() - (self.folder / "process.json").stat().st_mtime)
        except OSError:
            return 0.0

    def shim_alive(self) -> bool:
        """Whether a shim holds the folder's lock."""
        try:
            lock = os.open(self.folder / "lock", os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False

    def start(self, command: list[str], environment: Mapping[str, str]) -> None:
        """Starts shim and training. Where a shim is at work already, the new one ends at once.

        Raises:
            OSError: no process can be started.
        """
        reap()
        self._shim = subprocess.Popen(
            [sys.executable, "-I", str(Path(__file__).with_name("shim.py")), str(self.folder), *command],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd=self.folder,
        )
        _shims.append(self._shim)

    @property
    def killed_by(self) -> str | None:
        """Why the training is being stopped (cancel, timeout, shutdown, hang, released); None where nobody stops it."""
        try:
            return (self.folder / "killed_by").read_text().strip() or None
        except OSError:
            return None

    def note_kill(self, reason: str) -> None:
        """Writes down why the training is stopped, before it is; the first reason stays."""
        try:
            fd = os.open(self.folder / "killed_by", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            return
        with os.fdopen(fd, "w") as file:
            file.write(reason)

    def send(self, number: signal.Signals, *, leader_only: bool = False) -> None:
        """Sends a signal to the training and all its children, also those that outlive it."""
        pid = self.pid
        if pid is None or (self.record or {}).get("boot_id", boot_id()) != boot_id():
            return
        now = start_time(pid)
        if now is not None and now != (self.record or {})["start"]:
            return  # the number names another process by now, so nothing of the session is left
        try:
            if leader_only:
                os.kill(pid, number)
            else:
                os.killpg(pid, number)
        except ProcessLookupError:
            return  # all of it has ended

    def end(self, seconds: float) -> None:
        """Kills the training and waits, at most so long, until its shim has written down the end and is gone."""
        deadline = time.monotonic() + seconds
        self.send(signal.SIGKILL)
        while self.shim_alive() and time.monotonic() < deadline:
            time.sleep(0.005)

    def exit_facts(self) -> dict[str, Any]:
        """How the training ended: `exit_code` or `signal`, `at`, and under `told_by` who knows it.

        A shim that was killed tells nothing. Then the harness's last word counts; a process that vanished without one was
        killed, unless its log says that it crashed.
        """
        if (told := read_json(self.folder / "exit.json")) is not None:
            return {**told, "told_by": "shim"}
        if (left := read_json(self.folder / "leaving.json")) is not None:
            return {"exit_code": left.get("exit_code"), "signal": None, "at": left.get("at"), "told_by": "harness"}
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {"exit_code": None, "signal": int(signal.SIGKILL), "at": at, "told_by": "inferred"}

    def keep_exit(self, facts: Mapping[str, Any]) -> None:
        """Writes down how the training ended where no shim has done it, so that a later agent says the same."""
        if not (self.folder / "exit.json").exists():
            write_json(self.folder / "exit.json", dict(facts))


def environment(folder: Path, paths: Mapping[str, Path], traceparent: str | None, **more: str) -> dict[str, str]:
    """The training's environment: the machine's, with what harness and shim read."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("VTP_")},
        **{name: str(path) for name, path in paths.items()},
        "VTP_ATTEMPT_DIR": str(folder),
        "VTP_SPEC": str(folder / "spec.json"),
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "PYTHONFAULTHANDLER": "1",
        "TRACEPARENT": traceparent or "",
        **more,
    }
