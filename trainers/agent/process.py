"""One attempt's process as the agent sees it: start, is it alive, kill, its files."""

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from trainers.agent.evidence import read_json
from trainers.agent.shim import start_time

ROOT = Path(__file__).parents[2]


class AttemptProcess:
    """The training process of one attempt, its shim and its folder; what matters is read from files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._shim: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The training's pid; None before it was started."""
        record = read_json(self.folder / "process.json")
        return int(record["pid"]) if record else None

    def started(self) -> bool:
        """Whether the training was ever started."""
        return (self.folder / "process.json").exists()

    def ended(self) -> bool:
        """Whether the training has ended: the shim says so, or shim and training are both gone."""
        if self._shim is not None:
            self._shim.poll()
        return (self.folder / "exit.json").exists() or (self.started() and not self.alive() and not self.shim_alive())

    def alive(self) -> bool:
        """Whether the very process that was started still runs."""
        record = read_json(self.folder / "process.json")
        return record is not None and record["start"] is not None and start_time(record["pid"]) == record["start"]

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
        self._shim = subprocess.Popen(
            [sys.executable, "-I", str(Path(__file__).with_name("shim.py")), str(self.folder), *command],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd=self.folder,
        )

    def note_kill(self, reason: str) -> None:
        """Writes down why the training is stopped, before it is; the first reason stays."""
        try:
            fd = os.open(self.folder / "killed_by", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            return
        with os.fdopen(fd, "w") as file:
            file.write(reason)

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to the training and all its children."""
        if not self.alive():
            return
        pid = self.pid
        try:
            if pid is not None:
                os.killpg(pid, number)
        except ProcessLookupError:
            return  # it has ended in between


def environment(folder: Path, paths: Mapping[str, Path], traceparent: str | None) -> dict[str, str]:
    """The training's environment: the machine's, with what the harness reads."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("VTP_")},
        **{name: str(path) for name, path in paths.items()},
        "VTP_ATTEMPT_DIR": str(folder),
        "VTP_SPEC": str(folder / "spec.json"),
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "PYTHONFAULTHANDLER": "1",
        "TRACEPARENT": traceparent or "",
    }
