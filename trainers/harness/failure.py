"""Facts of a failure from inside the process, kept in ``error.json`` before the process ends."""

import errno
import json
import os
import re
import sys
import traceback
from pathlib import Path
from typing import Any, Protocol

from trainers.harness.reporter import now, resident_bytes

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
_CODES_BY_EXIT = {
    EXIT_USER: (
        "CUDA_DEVICE_ASSERT TRAINING_DIVERGED MODEL_DATA_MISMATCH DATASET_INVALID_FORMAT DATASET_TOO_LARGE"
        " TRAINING_CANCELLED QUOTA_EXCEEDED RATE_LIMITED VALIDATION_FAILED PAYLOAD_TOO_LARGE"
    ),
    EXIT_PERMANENT: (
        "CUDA_UNAVAILABLE CHECKPOINT_INVALID DEPENDENCY_ERROR INVALID_MODEL INVALID_CONFIG DATASET_NOT_FOUND DATASET_BROKEN"
        " FILE_PERMISSION_DENIED TRAINING_TIMEOUT WORKER_STARTUP_ERROR TRAINING_CODE_ERROR INVALID_TOKEN NOT_FOUND CONFLICT"
        " INSUFFICIENT_PERMISSIONS"
    ),
    EXIT_TRANSIENT: (
        "DISTRIBUTED_COMM_ERROR DOWNLOAD_FAILED TRAINER_UNREACHABLE TRAINER_LOST TRAINING_HUNG JOB_PREEMPTED"
        " SERVICE_UNAVAILABLE NETWORK_ERROR OPERATION_TIMEOUT MLFLOW_UNAVAILABLE LLM_UNAVAILABLE"
    ),
}
EXIT_BY_CODE = {code: number for number, codes in _CODES_BY_EXIT.items() for code in codes.split()}
"""The exit code of each failure code by its type (user error, permanent, transient); every other one is a system error."""


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


class Where(Protocol):
    """What a failure record asks of a reporter."""

    batch: list[str] | None

    def where(self) -> dict[str, Any]:
        """Phase, epoch and step."""


class FailureRecord:
    """The place of ``error.json``. Its bytes are reserved at the start, so that it can be written on a full disk.

    Of a training with several processes each rank has its own, ``error.rank<N>.json``.
    """

    def __init__(self, folder: Path, name: str | None = None) -> None:
        several = int(os.environ.get("WORLD_SIZE", "1")) > 1
        self.target = folder / (name or (f"error.rank{rank()}.json" if several else "error.json"))
        self._reserved = folder / f".{self.target.name}.reserved"
        self._reserve: bytearray | None = bytearray(4 * 1024 * 1024)
        try:
            with self._reserved.open("wb") as file:
                file.write(b" " * RESERVED_BYTES)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            print(f"no room to reserve for {self.target.name}: {error}", file=sys.stderr)  # noqa: T201 - the log is stderr

    def write(self, error: BaseException, reporter: Where, dataset: Path | None, config: dict[str, Any]) -> str | None:
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
            "rank": rank(),
            "exit_code": exit_code(code),
            "config_excerpt": {
                key: config.get(key) for key in ("model", "batch_size", "image_size", "lr0", "workers", "device")
            },
        }
        self._put(fitted(record))
        return code

    def _put(self, content: bytes) -> None:
        """Writes into the reserved file where it is there, and renames it."""
        mode = "r+b" if self._reserved.exists() else "wb"
        try:
            with self._reserved.open(mode) as file:
                file.write(content)
                file.truncate()
                file.flush()
                os.fsync(file.fileno())
            self._reserved.replace(self.target)
        except OSError as error:
            # The exit code and the traceback in the log still tell it.
            print(f"{self.target.name} could not be written: {error}", file=sys.stderr)  # noqa: T201 - the log is stderr

    def drop(self) -> None:
        """Frees what was reserved."""
        self._reserved.unlink(missing_ok=True)


def rank() -> int:
    """The number of this process among those of one training; 0 where it is the only one."""
    text = os.environ.get("RANK", "0")
    return int(text) if text.isdecimal() else 0


def fitted(record: dict[str, Any]) -> bytes:
    """The record as JSON that fits into what was reserved: the outermost frames and exceptions give way first."""
    kept = dict(record)
    content = json.dumps(kept, default=str).encode()
    while len(content) > RESERVED_BYTES:
        exceptions = kept["exceptions"]
        longest = max(exceptions, key=lambda item: len(item["frames"]), default=None)
        if longest is not None and longest["frames"]:
            shorter = {**longest, "frames": longest["frames"][1:]}
            kept["exceptions"] = [shorter if item is longest else item for item in exceptions]
        elif len(exceptions) > 1:
            # The root stands first; what only wrapped it is dropped.
            kept["exceptions"] = exceptions[:-1]
        else:
            kept |= {"details": {}, "batch": None, "config_excerpt": {}}
            kept["exceptions"] = [{**item, "message": item["message"][:1000]} for item in exceptions]
            return json.dumps(kept, default=str).encode()[:RESERVED_BYTES]
        content = json.dumps(kept, default=str).encode()
    return content


def exit_code(code: str | None) -> int:
    """The process's exit code for a failure."""
    return EXIT_BY_CODE.get(code or "", EXIT_SYSTEM)
