"""What a training tells: one JSON line an event, appended to the attempt's journal before anything else happens with it."""

import errno
import json
import math
import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trainers.harness.room import disk_room, memory_limit
from trainers.harness.spans import Spans

PROGRESS_INTERVAL = 0.5
"""Seconds between two progress lines; the last step of an epoch is always told."""
KEPT_CHECKPOINTS = 3
"""Checkpoints that are kept in storage: should the newest be damaged, there is one before it."""


def now() -> str:
    """The time now: RFC 3339 in UTC with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def number(value: Any) -> float | str:
    """A figure as JSON can carry it, to six digits; not-a-number and infinities as text."""
    value = float(value)
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return float(f"{value:.6g}")


def figures(values: Mapping[str, Any] | None) -> dict[str, float | str]:
    """Each value of a mapping through `number`."""
    return {str(name): number(value) for name, value in (values or {}).items()}


def resident_bytes() -> int:
    """Memory of this process and its children that is held in RAM, in bytes; 0 where /proc is not there."""
    total = 0
    for pid in (os.getpid(), *_children(os.getpid())):
        try:
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        except (OSError, IndexError, ValueError):
            continue  # the process has ended in between
        total += pages * os.sysconf("SC_PAGE_SIZE")
    return total


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (OSError, ValueError):
        return []


class Reporter:
    """Writes the journal of one attempt and remembers where the training stands, for the case that it fails."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.folder = folder
        self.clock = clock
        self.spans = Spans(folder)
        self.phase_name = "starting"
        self.epoch = 0
        self.epochs = 0
        self.step = 0
        self.batch: list[str] | None = None
        self._last_progress = -math.inf
        self._epoch_started = clock()
        self._epoch_seconds: deque[float] = deque(maxlen=5)
        self._started = clock()
        self._torn = False
        self._checkpoints = 0
        # Of several processes only the first tells; the others leave nothing but their failures.
        target = folder / "events.jsonl" if os.environ.get("RANK", "0") == "0" else Path(os.devnull)
        self._file = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def _write(self, kind: str, **body: Any) -> None:
        line = (json.dumps({"at": now(), "kind": kind, **body}, separators=(",", ":")) + "\n").encode()
        # One write a line: a reader never sees half a line of a process that was killed between two writes.
        if self._torn:
            # The last line was cut off by a full disk; it must not swallow this one.
            os.write(self._file, b"\n")
            self._torn = False
        written = os.write(self._file, line)
        if written < len(line):
            self._torn = True
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.folder / "events.jsonl"))

    def phase(self, name: str) -> None:
        """The training has entered a phase: data, training, validating, saving."""
        if name != self.phase_name:
            self.phase_name = name
            self.spans.phase(name)
            self._write("phase", phase=name)

    def start(self, epochs: int, first_epoch: int = 1) -> None:
        """Training begins with `first_epoch` of `epochs`."""
        self.epochs, self.epoch = epochs, first_epoch - 1
        self._epoch_started = self.clock()
        self.phase("training")

    def progress(
        self,
        *,
        epoch: int,
        step: int,
        steps: int,
        losses: Mapping[str, Any] | None = None,
        lr: float | None = None,
        images: int = 0,
        gpu: tuple[int, int] | None = None,
    ) -> None:
        """One step is done; `images` were seen in the epoch so far; `gpu`: bytes in use and in all.

        Told at most twice a second, and at an epoch's end.
        """
        at = self.clock()
        self.epoch, self.step = epoch, step
        if at - self._last_progress < PROGRESS_INTERVAL and step != steps:
            return
        self._last_progress = at
        elapsed = max(at - self._epoch_started, 1e-6)
        self._write(
            "progress",
            epoch=epoch,
            epochs=self.epochs,
            step=step,
            steps=steps,
            losses=figures(losses),
            lr=None if lr is None else number(lr),
            images_per_s=round(images / elapsed, 1) if images else None,
            eta_s=self._eta(epoch, step / max(steps, 1)),
            **self._room(gpu),
        )

    def _room(self, gpu: tuple[int, int] | None) -> dict[str, Any]:
        """Memory and disk, in use and in all."""
        used = resident_bytes()
        held, whole = gpu or (None, None)
        memory = {"rss_bytes": used, "rss_limit_bytes": memory_limit(used), "gpu_bytes": held, "gpu_total_bytes": whole}
        return {"memory": memory, "disk": disk_room(self.folder)}

    def _eta(self, epoch: int, share: float) -> float | None:
        """Seconds to the end by the last five epochs; None before one is done, for only then it is known what one takes."""
        if not self._epoch_seconds:
            return None
        whole = sum(self._epoch_seconds) / len(self._epoch_seconds)
        return round(max(0.0, (self.epochs - epoch + 1 - share) * whole), 1)

    def epoch_end(
        self,
        *,
        epoch: int,
        metrics: Mapping[str, Any] | None = None,
        losses: Mapping[str, Any] | None = None,
        lr: float | None = None,
        images: int = 0,
        gpu: tuple[int, int] | None = None,
    ) -> None:
        """An epoch is done, validation included; `metrics` has the one that chooses the best weights first."""
        at = self.clock()
        seconds = at - self._epoch_started
        self._epoch_seconds.append(seconds)
        self._epoch_started, self.epoch = at, epoch
        self._write(
            "epoch",
            epoch=epoch,
            epochs=self.epochs,
            losses=figures(losses),
            metrics=figures(metrics),
            lr=None if lr is None else number(lr),
            images_per_s=round(images / max(seconds, 1e-6), 1) if images else None,
            eta_s=self._eta(epoch, 1.0),
            **self._room(gpu),
            duration_s=round(seconds, 3),
        )

    def _relative(self, path: Path | str) -> str:
        return os.path.relpath(path, self.folder)

    def checkpoint(self, path: Path | str, epoch: int) -> None:
        """A checkpoint of `epoch` finished epochs lies at `path`, complete.

        It is linked under a name of its own, so that the next one may take its place while this one is still sent. The
        names that it is stored under come round, so that the oldest is replaced.
        """
        source = Path(path)
        name = f"{source.stem}-{self._checkpoints % KEPT_CHECKPOINTS}{source.suffix}"
        kept = self.folder / "checkpoints" / f"{self._checkpoints:06d}-{source.name}"
        self._checkpoints += 1
        kept.parent.mkdir(exist_ok=True)
        kept.unlink(missing_ok=True)
        try:
            os.link(source, kept)
        except OSError:
            # Not every file system links.
            shutil.copyfile(source, kept)
        self._write("checkpoint", name=name, path=self._relative(kept), epoch=epoch)

    def artifact(self, name: str, path: Path | str, media_type: str, role: str) -> None:
        """A file for the user; `role`: weights, plot, samples or table."""
        self._write("artifact", name=name, path=self._relative(path), media_type=media_type, role=role)

    def result(self, metrics: Mapping[str, Any], epochs: int) -> None:
        """The training is done; `metrics` has the one that chose the best weights first."""
        duration = round(self.clock() - self._started, 3)
        self._write("result", metrics=figures(metrics), epochs=epochs, duration_s=duration)

    def where(self) -> dict[str, Any]:
        """Where the training stands."""
        return {"phase": self.phase_name, "epoch": self.epoch, "step": self.step}
