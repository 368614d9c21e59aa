"""What is known of an attempt's end, and what is made of it. Reading is total: wrong types count as unknown."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from app.core.error_messages import REGISTRY, format_error_message
from app.core.errors import Fix

Printed = tuple[str, str]
"""An exception as Python prints it, and the frames above it."""
SHELL, LAST_SIGNAL = 128, 64
UNSIGNED = frozenset({241, 245, 247, 248, 249, 250, 252})
"""What is left of a negative status in one byte, for the signals that end trainings."""
WINDOWS = {0xC0000005: 11, 0xC000013A: 2, 0xC00000FD: 11, 0xC0000409: 6}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _int(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _number(value: object) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _mapping(value: object) -> dict[str, Any]:
    return {str(key): item for key, item in value.items()} if isinstance(value, Mapping) else {}


def _exceptions(value: object) -> tuple[Printed, ...]:
    """A chain of exceptions, root first, each as Python prints it, with the frames that led to it."""
    found = []
    for item in value if isinstance(value, list) else ():
        if isinstance(item, Mapping):
            kind, module = _text(item.get("type")) or "", _text(item.get("module")) or ""
            message = _text(item.get("message")) or ""
            name = kind if "." in kind or module in ("", "builtins", "__main__") else f"{module}.{kind}"
            frames = item.get("frames")
            told = [_frame(frame) for frame in frames if isinstance(frame, Mapping)] if isinstance(frames, list) else []
            found.append((f"{name}: {message}".rstrip(": "), "\n".join(told)))
    return tuple(found)


def _frame(frame: Mapping[Any, Any]) -> str:
    return f'File "{frame.get("file")}", line {frame.get("line")}, in {frame.get("function")}\n  {frame.get("code")}'


def _signal(exit_code: int | None, signal: int | None) -> int | None:
    """The signal that ended a process, however it was told: by waitpid, by a shell, as an unsigned byte, by Windows."""
    if signal is not None and signal != 0:
        return abs(signal) if abs(signal) <= LAST_SIGNAL else None
    if exit_code is None:
        return None
    if exit_code in WINDOWS:
        return WINDOWS[exit_code]
    if SHELL < exit_code <= SHELL + LAST_SIGNAL:
        return exit_code - SHELL
    if -LAST_SIGNAL <= exit_code < 0:
        return -exit_code
    return 256 - exit_code if exit_code in UNSIGNED else None


@dataclass(frozen=True, slots=True)
class Evidence:
    """One attempt's end. Fields as in the evidence contract; None means unknown. `signal` covers exit codes over 128 too."""

    id: str | None = None
    log: str = ""
    exit_code: int | None = None
    signal: int | None = None
    killed_by: str | None = None
    oom_kill_delta: int | None = None
    shm_used_fraction: float | None = None
    disk_free_bytes: float | None = None
    preemption_notice: bool = False
    heartbeat_age_s: float | None = None
    step_age_s: float | None = None
    step_limit_s: float | None = None
    error: dict[str, Any] = field(default_factory=dict)
    exceptions: tuple[Printed, ...] = ()
    ranks: tuple[dict[str, Any], ...] = ()
    entity: str | None = None
    stack: str | None = None
    where: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, raw: object, config: Mapping[str, Any] | None = None) -> "Evidence":
        """Evidence from a JSON object; what cannot be read is left out. Total."""
        data = _mapping(raw)
        exit_code = _int(data.get("exit_code"))
        ranks = data.get("ranks")
        return cls(
            id=_text(data.get("id")),
            log=_text(data.get("log")) or "",
            exit_code=exit_code,
            signal=_signal(exit_code, _int(data.get("signal"))),
            killed_by=_text(data.get("killed_by")),
            oom_kill_delta=_int(data.get("oom_kill_delta")),
            shm_used_fraction=_number(data.get("shm_used_fraction")),
            disk_free_bytes=_number(data.get("disk_free_bytes")),
            preemption_notice=data.get("preemption_notice") is True,
            heartbeat_age_s=_number(data.get("heartbeat_age_s")),
            step_age_s=_number(data.get("step_age_s")),
            step_limit_s=_number(data.get("step_limit_s")),
            error=_mapping(data.get("error")),
            exceptions=_exceptions(data.get("exceptions")),
            ranks=tuple(_mapping(item) for item in (ranks if isinstance(ranks, list) else ())),
            entity=_text(data.get("entity")),
            stack=_text(data.get("stack")),
            where=_mapping(data.get("where")),
            config=dict(config or {}),
        )


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The verdict: code, confidence from 0 to 1, what it is about, the lines and fields that decided, the fingerprint."""

    code: str
    confidence: float
    entity: str | None
    evidence: tuple[str, ...]
    fingerprint: str
    params: dict[str, Any] = field(default_factory=dict)
    fixes: tuple[Fix, ...] = ()
    id: str | None = None
    line: int | None = None
    """Number of the log's line that decided, from 1; not part of the wire form."""

    def moved(self, lines: int) -> "Diagnosis":
        """The same verdict where `lines` more lines stand before the text that was read."""
        return replace(self, line=None if self.line is None else self.line + lines)

    def to_dict(self) -> dict[str, Any]:
        """The diagnosis as JSON; code NONE (nothing failed) has no registry row and no texts."""
        row = REGISTRY.get(self.code)
        message, action = format_error_message(self.code, **self.params) if row else ("Nothing failed.", None)
        return {
            "id": self.id,
            "code": self.code,
            "type": row.type if row else None,
            "severity": row.severity if row else None,
            "causer": row.causer if row else None,
            "reaction": row.reaction if row else None,
            "confidence": self.confidence,
            "entity": self.entity,
            "evidence": list(self.evidence),
            "fingerprint": self.fingerprint,
            "message": message,
            "suggested_action": action,
            "fixes": [
                {"id": fix.id, "label": fix.label, "applicability": fix.applicability, "patch": list(fix.patch)}
                for fix in self.fixes
            ],
        }
