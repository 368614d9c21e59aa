"""Runs a trainer's main function and makes sure that whatever ends it is recorded."""

import contextlib
import faulthandler
import json
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainers.harness.failure import EXIT_CANCELLED, EXIT_DONE, EXIT_PREEMPTED, FailureRecord, exit_code, rank
from trainers.harness.pulse import Pulse
from trainers.harness.reporter import Reporter, now
from trainers.harness.stopping import Stopped, StopRequest


@dataclass(frozen=True, slots=True)
class Assignment:
    """What one attempt has to do and where; paths are None where there is none."""

    folder: Path
    config: dict[str, Any]
    dataset: dict[str, Any]
    dataset_dir: Path
    weights: Path | None
    resume: Path | None
    resume_epoch: int
    reporter: Reporter
    stop: StopRequest = field(default_factory=StopRequest)

    @property
    def work(self) -> Path:
        """The folder for the framework's own files."""
        return self.folder / "work"

    def stop_requested(self) -> bool:
        """Whether to stop now: write a checkpoint, then call `leave`. A trainer that asks has to ask after every step."""
        return self.stop.requested()

    def leave(self) -> None:
        """Ends a training that was asked to stop and has left a checkpoint.

        Raises:
            Stopped: always.
        """
        self.stop.leave()


def _path(name: str) -> Path | None:
    value = os.environ.get(name)
    return Path(value) if value else None


def load(folder: Path) -> Assignment:
    """The assignment that the agent laid down in the attempt's folder and the environment."""
    spec = json.loads((folder / "spec.json").read_text())
    return Assignment(
        folder=folder,
        config=spec["config"],
        dataset=spec["dataset"],
        dataset_dir=Path(os.environ["VTP_DATASET_DIR"]),
        weights=_path("VTP_WEIGHTS"),
        resume=_path("VTP_RESUME"),
        resume_epoch=int((spec.get("resume") or {}).get("epoch") or 0),
        reporter=Reporter(folder),
    )


def _stopped_exit(folder: Path) -> int:
    """Cancelled where the agent says that it did it for the user; else the machine is being taken away."""
    try:
        reason = (folder / "killed_by").read_text().strip()
    except OSError:
        reason = ""
    return EXIT_CANCELLED if reason in ("cancel", "timeout") else EXIT_PREEMPTED


def run(train: Callable[[Assignment], None], describe: Callable[[], dict[str, Any]]) -> None:
    """Entry point of every ``train.py``: ``--describe`` prints what the framework offers, else the attempt is carried out.

    The process ends with the documented exit code; a failure lies in ``error.json`` before that.
    """
    if sys.argv[1:] == ["--describe"]:
        print(json.dumps(describe()))  # noqa: T201 - this is its output
        return
    faulthandler.enable()
    folder = Path(os.environ["VTP_ATTEMPT_DIR"])
    if rank() == 0:
        Pulse(folder).start()
    assignment = load(folder)
    record = FailureRecord(folder)
    assignment.stop.install()
    try:
        train(assignment)
        assignment.stop.ignore()
    except Stopped:
        assignment.stop.ignore()
        record.drop()
        assignment.reporter.spans.end("Stopped")
        _leave(folder, _stopped_exit(folder))
    except BaseException as error:  # noqa: BLE001 - the last place where anything can be known of it
        assignment.stop.ignore()
        code = record.write(error, assignment.reporter, assignment.dataset_dir, assignment.config)
        assignment.reporter.spans.end(code or type(error).__name__)
        with contextlib.suppress(OSError):
            # A disk that is full takes no more log; error.json has it all.
            traceback.print_exc()
        _leave(folder, exit_code(code))
    record.drop()
    assignment.reporter.spans.end()
    _leave(folder, EXIT_DONE)


def _leave(folder: Path, code: int) -> None:
    """Ends the process at once: threads and children of a framework that hang must not keep it."""
    with contextlib.suppress(OSError):
        (folder / "leaving.json").write_text(json.dumps({"exit_code": code, "at": now()}))
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
