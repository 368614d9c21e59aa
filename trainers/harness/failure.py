"""Facts of a failure from inside the process, kept in ``error.json`` before the process ends."""

import errno
import json
import os
import re
import sys
import traceback
from pathlib import Path
from typing import Any

from trainers.harness.reporter import Reporter, now, resident_bytes

EXIT_DONE, EXIT_USER, EXIT_PERMANENT, EXIT_TRANSIENT, EXIT_SYSTEM = 0, 10, 11, 12, 13
EXIT_CANCELLED, EXIT_PREEMPTED = 20, 21
RESERVED_BYTES = 64 * 1024
LAST_FRAMES = 12
_PATH = re.compile(r"['\"`]?((?:/|[A-Za-z]:\\)[^'\"`:\n]+?\.[A-Za-z0-9]{1,5})\b")

# Exceptions whose type alone decides, by name: the harness imports no framework.
DECIDED = {
    "OutOfMemoryError": "CUDA_OOM",
    "MemoryError": "HOST_OOM",
    "FloatingPointError": "TRAINING_DIVERGED",
    "ModuleNotFoundError": "DEPENDENCY_ERROR",
    "UnidentifiedImageError": "DATASET_BROKEN",
}
EXIT_BY_CODE = {
    "CUDA_OOM": EXIT_SYSTEM,
    "HOST_OOM": EXIT_SYSTEM,
    "DISK_FULL": EXIT_SYSTEM,
    "TRAINING_DIVERGED": EXIT_USER,
    "DATASET_BROKEN": EXIT_USER,
    "MODEL_DATA_MISMATCH": EXIT_USER,
    "DEPENDENCY_ERROR": EXIT_PERMANENT,
    "INVALID_CONFIG": EXIT_PERMANENT,
    "INVALID_MODEL": EXIT_PERMANENT,
    "CHECKPOINT_INVALID": EXIT_PERMANENT,
    "DATASET_NOT_FOUND": EXIT_PERMANENT,
}


class TrainingError(Exception):
    """A failure whose code the trainer knows; `details` are facts for the message."""

    def __init__(self, code: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.details = details


def chain(error: BaseException) -> list[BaseException]:
    """The exception with its causes, root first."""
    found: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in found:
        found.append(current)
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return found[::-1]


def code_of(error: BaseException) -> str | None:
    """The code where the exception decides it by its type alone; None where the backend has to diagnose."""
    if isinstance(error, TrainingError):
        return error.code
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "DISK_FULL"
    return next((DECIDED[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in DECIDED), None)


def _described(error: BaseException) -> dict[str, Any]:
    frames = traceback.extract_tb(error.__traceback__)[-LAST_FRAMES:]
    return {
        "type": type(error).__qualname__,
        "module": type(error).__module__,
        "message": str(error)[:4000],
        "frames": [
            {"file": frame.filename, "line": frame.lineno, "function": frame.name, "code": frame.line} for frame in frames
        ],
    }


def entity_of(error: BaseException, dataset: Path | None) -> str | None:
    """The file of the data set that the exception names, relative to it; None where it names none."""
    if dataset is None:
        return None
    texts = [str(error), str(getattr(error, "filename", None) or "")]
    for text in texts:
        for match in _PATH.finditer(text):
            path = Path(match[1])
            if path.is_relative_to(dataset):
                return str(path.relative_to(dataset))
    return None


class FailureRecord:
    """The place of ``error.json``. Its bytes are reserved at the start, so that it can be written on a full disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._reserved = folder / ".error.reserved"
        self._reserve: bytearray | None = bytearray(4 * 1024 * 1024)
        try:
            with self._reserved.open("wb") as file:
                file.write(b" " * RESERVED_BYTES)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            print(f"no room to reserve for error.json: {error}", file=sys.stderr)  # noqa: T201 - the log is stderr

    def write(self, error: BaseException, reporter: Reporter, dataset: Path | None, config: dict[str, Any]) -> str | None:
        """Keeps the facts of `error`; returns its code where that is decided."""
        # Gives memory back first: the failure may be that there was none.
        self._reserve = None
        exceptions = chain(error)
        codes = [code for code in map(code_of, exceptions) if code is not None]
        code = codes[0] if codes else None
        entities = [entity for entity in (entity_of(item, dataset) for item in exceptions) if entity is not None]
        record = {
            "at": now(),
            "exceptions": [_described(item) for item in exceptions],
            "code": code,
            "details": next((item.details for item in exceptions if isinstance(item, TrainingError)), {}),
            "memory": {"rss_bytes": resident_bytes()},
            **reporter.where(),
            "entity": entities[0] if entities else None,
            "batch": reporter.batch,
            "rank": int(os.environ.get("RANK", "0")),
            "config_excerpt": {
                key: config.get(key) for key in ("model", "batch_size", "image_size", "lr0", "workers", "device")
            },
        }
        self._put(json.dumps(record, default=str).encode()[: RESERVED_BYTES * 4])
        return code

    def _put(self, content: bytes) -> None:
        """Writes into the reserved file where it is there, and renames it."""
        target = self.folder / "error.json"
        mode = "r+b" if self._reserved.exists() else "wb"
        with self._reserved.open(mode) as file:
            file.write(content)
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
        self._reserved.replace(target)

    def drop(self) -> None:
        """Frees what was reserved."""
        self._reserved.unlink(missing_ok=True)


def exit_code(code: str | None) -> int:
    """The process's exit code for a failure."""
    return EXIT_BY_CODE.get(code or "", EXIT_SYSTEM)
