"""Brings what an attempt needs and starts its training."""

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2

from trainers.agent import fetch, spans
from trainers.agent.backend import Backend, BackendAway, BackendRefuses
from trainers.agent.cgroup import Cgroups, Memory, NoCgroup
from trainers.agent.evidence import NO_ROOM, read_json, tail
from trainers.agent.frameworks import Framework
from trainers.agent.process import AttemptProcess, environment
from trainers.agent.shim import CGROUP_PROCS, MEMORY_LIMIT

START_SECONDS = 10.0
LOOK_SECONDS = 0.005
CUT_OFF_TRIES = 3
SPANS_WANTED = "VTP_SPANS"
"""Tells the harness to write down its spans."""


class NotStarted(Exception):
    """The training cannot be started, now or later; `code` says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


async def paths_of(backend: Backend, spec: dict[str, Any], folder: Path, cache: Path) -> dict[str, Path]:
    """Fetches data set, weights and checkpoint; where they lie, under the names that the harness reads.

    Raises:
        BackendAway: the backend cannot be reached.
        NotStarted: it can be, but what is wanted is not to be had.
    """
    token = spec["token"]
    try:
        (folder / "work").mkdir(exist_ok=True)
        found = {"VTP_DATASET_DIR": await fetch.data_set(backend, spec, cache)}
        if spec.get("weights"):
            found["VTP_WEIGHTS"] = await fetch.single_file(backend, spec["weights"], token, folder / "weights.pt")
        if spec.get("resume"):
            found["VTP_RESUME"] = await _checkpoint(backend, spec, folder)
    except BackendRefuses as error:
        raise NotStarted(error.code or "DOWNLOAD_FAILED", f"the data could not be fetched: {error}") from error
    except fetch.DamagedDownload as error:
        raise NotStarted("DOWNLOAD_FAILED", str(error)) from error
    except OSError as error:
        raise _could_not(error) from error
    return found


async def _checkpoint(backend: Backend, spec: dict[str, Any], folder: Path) -> Path:
    """The checkpoint to go on from.

    Raises:
        NotStarted: CHECKPOINT_INVALID where it is damaged or gone, so that the next attempt takes the one before it.
    """
    wanted = spec["resume"]
    target = folder / f"resume{Path(wanted['url']).suffix}"
    try:
        return await fetch.single_file(backend, wanted, spec["token"], target)
    except fetch.DamagedDownload as error:
        raise NotStarted("CHECKPOINT_INVALID", str(error)) from error
    except BackendRefuses as error:
        raise NotStarted("CHECKPOINT_INVALID", f"the checkpoint could not be fetched: {error}") from error
    except BackendAway as error:
        if _always_cut_off(folder / "resume.cut", error):
            raise NotStarted("CHECKPOINT_INVALID", f"the stored checkpoint is cut off: {error}") from error
        raise


def _always_cut_off(notes: Path, error: BackendAway) -> bool:
    """Whether a download ends early for the third time after as many bytes: then it is what is stored that is too short."""
    if not isinstance(error.__cause__, httpx2.RemoteProtocolError):
        return False
    line = f"{error}\n"
    with notes.open("a+") as file:
        file.write(line)
        file.seek(0)
        return file.readlines().count(line) >= CUT_OFF_TRIES


def _could_not(error: OSError) -> NotStarted:
    code = "DISK_FULL" if error.errno in NO_ROOM else "SYSTEM_ERROR"
    return NotStarted(code, f"the attempt could not be prepared: {error}")


def confine(name: str, limit: int | None, cgroups: Cgroups) -> tuple[Memory | None, dict[str, str]]:
    """The control group of an attempt, where there can be one, and what its shim has to know for it and for the limit."""
    try:
        group = cgroups.make(name)
        if limit is not None:
            group.limit(limit)
    except (NoCgroup, OSError):
        return None, {MEMORY_LIMIT: str(limit)} if limit is not None else {}
    return group, {CGROUP_PROCS: str(group.procs)}


async def launch(
    process: AttemptProcess, framework: Framework, variables: dict[str, str], clock: Callable[[], float] = time.monotonic
) -> None:
    """Starts the training and waits until it is known to have been.

    A training that was killed before it could say who it is was started all the same: its end is told like any other.

    Raises:
        NotStarted: it was not.
    """
    try:
        process.start(framework.command(), variables)
    except OSError as error:
        raise _could_not(error) from error
    deadline = clock() + START_SECONDS
    while not process.started():
        ended = read_json(process.folder / "exit.json")
        if ended is not None and ended.get("signal"):
            return
        if process.never_started() or ended is not None or clock() > deadline:
            raise _why_not(process.folder)
        await asyncio.sleep(LOOK_SECONDS)


def _why_not(folder: Path) -> NotStarted:
    said = tail(folder / "log.txt", 2000).strip()
    message = f"the training could not be started: {said or 'its supervisor ended at once'}"
    return NotStarted("DISK_FULL" if _full(folder) else "SYSTEM_ERROR", message)


def _full(folder: Path) -> bool:
    """Whether nothing more can be written beside the attempt."""
    probe = folder / ".probe"
    try:
        probe.write_bytes(b" " * 4096)
    except OSError as error:
        return error.errno in NO_ROOM
    finally:
        probe.unlink(missing_ok=True)
    return False


def variables_of(folder: Path, paths: dict[str, Path], confined: dict[str, str]) -> dict[str, str]:
    """The environment of shim and training, the trace under way among it."""
    wanted = {SPANS_WANTED: "1"} if spans.active() else {}
    return environment(folder, paths, spans.traceparent(), **confined, **wanted)


def load_spec(folder: Path) -> dict[str, Any] | None:
    """The assignment in an attempt's folder; None where it was never whole."""
    return read_json(folder / "spec.json")


def keep_spec(folder: Path, spec: dict[str, Any]) -> None:
    """Lays an assignment down, readable by this user only, for it holds a token.

    Raises:
        OSError: it cannot be stored.
    """
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / "spec.json.part"
    part.touch(mode=0o600)
    part.write_text(json.dumps(spec))
    part.replace(folder / "spec.json")
