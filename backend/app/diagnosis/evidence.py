"""What is known of an attempt's end, and what is made of it. Reading is total: wrong types count as unknown."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.core.error_messages import REGISTRY, format_error_message
from app.core.errors import Fix


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _int(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _mapping(value: object) -> dict[str, Any]:
    return {str(key): item for key, item in value.items()} if isinstance(value, Mapping) else {}


@dataclass(frozen=True, slots=True)
class Evidence:
    """One attempt's end. Fields as in the evidence contract; None means unknown. `signal` also covers exit codes over 128."""

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
    error: dict[str, Any] = field(default_factory=dict)
    exceptions: tuple[tuple[str, str], ...] = ()
    ranks: tuple[dict[str, Any], ...] = ()
    entity: str | None = None
    config: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, raw: object, config: Mapping[str, Any] | None = None) -> "Evidence":
        """Evidence from a JSON object; what cannot be read is left out. Total."""
        data = _mapping(raw)
        exit_code, signal = _int(data.get("exit_code")), _int(data.get("signal"))
        if signal is None and exit_code is not None:
            # A shell reports a signal as 128 + its number, waitpid as a negative code.
            if 128 < exit_code <= 128 + 64:
                signal = exit_code - 128
            elif -64 <= exit_code < 0:
                signal = -exit_code
        exceptions = data.get("exceptions")
        ranks = data.get("ranks")
        return cls(
            id=_text(data.get("id")),
            log=_text(data.get("log")) or "",
            exit_code=exit_code,
            signal=signal or None,
            killed_by=_text(data.get("killed_by")),
            oom_kill_delta=_int(data.get("oom_kill_delta")),
            shm_used_fraction=_number(data.get("shm_used_fraction")),
            disk_free_bytes=_number(data.get("disk_free_bytes")),
            preemption_notice=data.get("preemption_notice") is True,
            heartbeat_age_s=_number(data.get("heartbeat_age_s")),
            step_age_s=_number(data.get("step_age_s")),
            error=_mapping(data.get("error")),
            exceptions=tuple(
                (_text(item.get("type")) or "", _text(item.get("message")) or "")
                for item in (exceptions if isinstance(exceptions, list) else ())
                if isinstance(item, Mapping)
            ),
            ranks=tuple(_mapping(item) for item in (ranks if isinstance(ranks, list) else ())),
            entity=_text(data.get("entity")),
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
