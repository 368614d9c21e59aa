"""From the files that a training writes to updates for the backend. Pure, apart from reading."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainers.agent.evidence import printable

READ_BYTES = 256 * 1024
CHUNK_BYTES = 16 * 1024
LOG_CAP_BYTES = 4 * 1024 * 1024
TAIL_BYTES = 256 * 1024
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[@-Z\\-_]")
PROGRESS_KEYS = ("epoch", "epochs", "step", "steps", "losses", "lr", "images_per_s", "eta_s", "memory", "disk", "metrics")


def read_lines(path: Path, offset: int) -> tuple[list[bytes], int]:
    """Whole lines of a file from `offset` on, and the place after the last of them."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            content = file.read(READ_BYTES)
    except FileNotFoundError:
        return [], offset
    end = content.rfind(b"\n") + 1
    return content[:end].splitlines(), offset + end


def update_of(event: dict[str, Any]) -> dict[str, Any] | None:
    """A journal line of the harness as an update; None for what the backend is not told."""
    kind, base = event.get("kind"), {"status": "running", "at": event["at"]}
    if kind == "phase":
        return {**base, "phase": event["phase"]}
    if kind in ("progress", "epoch"):
        body = {key: event[key] for key in PROGRESS_KEYS if event.get(key) is not None}
        return {**base, "progress": {**body, "epoch_end": kind == "epoch"}}
    if kind == "checkpoint":
        note = {"name": f"checkpoints/{event['name']}", "role": "checkpoint", "epoch": event["epoch"]}
        return {**base, "artifact": {**note, "media_type": "application/octet-stream"}, "file": event["path"]}
    if kind == "artifact":
        note = {key: event[key] for key in ("name", "media_type", "role")}
        return {**base, "artifact": note, "file": event["path"]}
    return None


@dataclass(frozen=True, slots=True)
class Events:
    """What new journal lines say: updates, the place after them, the result where the training is done."""

    updates: list[dict[str, Any]]
    offset: int
    result: dict[str, Any] | None


def read_events(path: Path, offset: int) -> Events:
    """New lines of ``events.jsonl`` from `offset` on."""
    lines, end = read_lines(path, offset)
    updates, result = [], None
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue  # cut off by a full disk; the lines after it are whole again
        if event.get("kind") == "result":
            result = {key: event[key] for key in ("metrics", "epochs", "duration_s")}
        elif (update := update_of(event)) is not None:
            updates.append(update)
    return Events(updates, end, result)


def last_result(path: Path) -> dict[str, Any] | None:
    """The result that stands at the end of a journal, None where there is none."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return None
    return read_events(path, max(0, size - READ_BYTES)).result


def clean(text: str) -> str:
    """Output as a person reads it: no terminal codes, and of a line that was drawn over only what stood last."""
    plain = _ANSI.sub("", text).replace("\r\n", "\n")
    return printable("\n".join(line.rstrip("\r").rpartition("\r")[2] for line in plain.split("\n")))


@dataclass(frozen=True, slots=True)
class LogPiece:
    """A piece of output to tell, and the place after it."""

    update: dict[str, Any] | None
    offset: int


def read_log(path: Path, offset: int, at: str, *, ended: bool) -> LogPiece:
    """The next piece of ``log.txt`` from `offset` on: whole lines while the training runs, the rest when it has ended.

    After `LOG_CAP_BYTES` nothing is told until the end, then the last `TAIL_BYTES`, with the number of bytes left out.
    """
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return LogPiece(None, offset)
    dropped = 0
    if offset >= LOG_CAP_BYTES and size - offset > TAIL_BYTES:
        if not ended:
            return LogPiece(None, offset)
        dropped = size - TAIL_BYTES - offset
        offset += dropped
    with path.open("rb") as file:
        file.seek(offset)
        content = file.read(CHUNK_BYTES)
    end = content.rfind(b"\n") + 1
    if end == 0 and not ended and len(content) < CHUNK_BYTES:
        return LogPiece(None, offset)
    piece = content[: end or len(content)]
    if not piece:
        return LogPiece(None, offset)
    log = {"offset": offset, "text": clean(piece.decode(errors="replace")), "dropped_bytes": dropped}
    return LogPiece({"status": "running", "at": at, "log": log}, offset + len(piece))
