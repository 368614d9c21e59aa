"""From evidence to a code. Pure, deterministic, total.

In this order: what the supervisor did itself, what the trainer claims, the exception chain, how the process ended, what
the log says. Of two explanations the more telling one counts, of equals the earlier.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.core.error_messages import REGISTRY
from app.core.fixes import fixes_for
from app.diagnosis.evidence import Diagnosis, Evidence
from app.diagnosis.signatures import Hit, match

FINGERPRINT_VERSION = 1
TAIL_CHARACTERS = 256 * 1024
SHOWN_LINES = 3
SIGNALS = {2: "SIGINT", 4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL", 11: "SIGSEGV", 15: "SIGTERM"}
CRASHES = frozenset({4, 5, 6, 7, 8, 11})
EXIT_CANCELLED, EXIT_PREEMPTED = 20, 21
LOST_AFTER_S, HUNG_AFTER_S = 30.0, 600.0
_NAN_LOSS = re.compile(r"\bloss\b\W{0,3}\s*(?:nan|inf)\b", re.IGNORECASE)
_EXCEPTION = re.compile(r"^(?:[\w.]+\.)?([A-Z]\w*(?:Error|Exception|Interrupt|Exit|Warning|NotFound)): ?(.*)$")
_FRAME = re.compile(r'^\s*File "([^"]+)", line \d+, in (\S+)')
_VARIABLE = re.compile(r"0x[0-9a-f]+|\d+(?:\.\d+)?|'[^']*'|\"[^\"]*\"|/\S+")


@dataclass(frozen=True, slots=True)
class Finding:
    """One explanation: its code, how sure it is, what decided, what it is about."""

    code: str
    confidence: float
    because: tuple[str, ...]
    entity: str | None = None


def _supervisor(evidence: Evidence) -> Finding | None:
    """What the agent did itself is certain."""
    if evidence.killed_by == "timeout":
        return Finding("TRAINING_TIMEOUT", 1.0, ("killed_by: timeout",))
    if evidence.killed_by == "cancel":
        return Finding("TRAINING_CANCELLED", 1.0, ("killed_by: cancel",))
    if evidence.killed_by == "shutdown" or evidence.preemption_notice:
        what = "killed_by: shutdown" if evidence.killed_by else "preemption_notice: true"
        return Finding("JOB_PREEMPTED", 0.98, (what,))
    return None


def _claim(evidence: Evidence) -> Finding | None:
    code = evidence.error.get("code")
    if not isinstance(code, str) or code not in REGISTRY or code in ("UNKNOWN_FAILURE", "SYSTEM_ERROR"):
        return None
    message = str(evidence.error.get("message") or "")[:300]
    return Finding(code, 0.97, (f"the trainer says {code}: {message}".rstrip(": "),))


def _hits(lines: Sequence[str]) -> list[Hit]:
    return [hit for hit in match(lines) if hit.signature.role != "advice"]


def _best(hits: Sequence[Hit]) -> Hit | None:
    return max(hits, key=lambda hit: (hit.signature.priority, -hit.line), default=None)


def _exceptions(evidence: Evidence) -> Finding | None:
    lines = [f"{kind}: {message}".replace("\n", " ") for kind, message in evidence.exceptions]
    hit = _best(_hits(lines))
    if hit is not None:
        return Finding(hit.signature.code, 0.93, (hit.text[:300],), hit.entity)
    if lines:
        return Finding("TRAINING_CODE_ERROR", 0.7, (lines[0][:300],))
    return None


def _memory_kill(evidence: Evidence) -> Finding | None:
    if (evidence.oom_kill_delta or 0) > 0:
        return Finding("HOST_OOM", 0.97, (f"oom_kill_delta: {evidence.oom_kill_delta}",))
    return None


def _silence(evidence: Evidence) -> Finding | None:
    if evidence.exit_code is not None and evidence.signal is None:
        return None
    if (evidence.heartbeat_age_s or 0) > LOST_AFTER_S:
        return Finding("TRAINER_LOST", 0.95, (f"heartbeat_age_s: {evidence.heartbeat_age_s:g}",))
    if evidence.heartbeat_age_s is not None and (evidence.step_age_s or 0) > HUNG_AFTER_S:
        return Finding("TRAINING_HUNG", 0.93, (f"step_age_s: {evidence.step_age_s:g}",))
    return None


def _ending(evidence: Evidence) -> Finding | None:
    """What the way the process ended tells, when nothing else does."""
    signal, code = evidence.signal, evidence.exit_code
    if code == EXIT_CANCELLED or signal in (1, 2):
        return Finding("TRAINING_CANCELLED", 0.85, (_ended(evidence),))
    if code == EXIT_PREEMPTED:
        return Finding("JOB_PREEMPTED", 0.9, (_ended(evidence),))
    if signal == 7 and (evidence.shm_used_fraction or 0) > 0.95:
        return Finding("SHM_EXHAUSTED", 0.9, (_ended(evidence), f"shm_used_fraction: {evidence.shm_used_fraction}"))
    if signal in CRASHES:
        return Finding("TRAINER_CRASHED", 0.9, (_ended(evidence),))
    if signal in (9, 15):
        return Finding("TRAINER_KILLED", 0.8, (_ended(evidence),))
    return None


def _ended(evidence: Evidence) -> str:
    if evidence.signal is not None:
        return f"ended by {SIGNALS.get(evidence.signal, f'signal {evidence.signal}')}"
    return f"exit code {evidence.exit_code}"


def _log(lines: Sequence[str]) -> Finding | None:
    hit = _best(_hits(lines))
    if hit is not None:
        return Finding(
            hit.signature.code, 0.88 if hit.signature.role == "root" else 0.6, (hit.text.strip()[:300],), hit.entity
        )
    return None


def _traceback(lines: Sequence[str]) -> Finding | None:
    """A Python exception that no signature knows: a fault in code."""
    for line in reversed(lines):
        found = _EXCEPTION.match(line)
        if found is not None:
            return Finding("TRAINING_CODE_ERROR", 0.6, (line.strip()[:300],))
    return None


def _diverged(lines: Sequence[str]) -> Finding | None:
    told = [line for line in lines[-200:] if _NAN_LOSS.search(line)]
    return Finding("TRAINING_DIVERGED", 0.85, (told[0].strip()[:300],)) if len(told) >= 2 else None


def _succeeded(evidence: Evidence) -> bool:
    return evidence.exit_code == 0 and evidence.signal is None and not evidence.error and not evidence.exceptions


def _findings(evidence: Evidence, lines: Sequence[str]) -> Iterable[Finding | None]:
    yield _supervisor(evidence)
    yield _claim(evidence)
    yield _memory_kill(evidence)
    yield _exceptions(evidence)
    yield _silence(evidence)
    if evidence.signal in CRASHES:
        yield _strong(_log(lines))
        yield _ending(evidence)
    yield _log(lines)
    yield _ending(evidence)
    yield _diverged(lines)
    yield _traceback(lines)


def _strong(finding: Finding | None) -> Finding | None:
    return finding if finding is not None and finding.confidence > 0.7 else None


def _lines(evidence: Evidence) -> list[str]:
    text = evidence.log[-TAIL_CHARACTERS:]
    if evidence.ranks:
        first = min(evidence.ranks, key=lambda rank: str(rank.get("at") or "~"))
        text = str(first.get("log") or "")[-TAIL_CHARACTERS:] + "\n" + text
    return [line.rpartition("\r")[2] for line in text.split("\n")]


def fingerprint(code: str, decided: Sequence[str], lines: Sequence[str]) -> str:
    """Names a kind of failure: the code, the deciding line without its variable parts, the innermost frames."""
    normal = _VARIABLE.sub("#", decided[0]) if decided else ""
    frames = [f"{found[1].rsplit('/', 1)[-1]}:{found[2]}" for line in lines if (found := _FRAME.match(line))]
    body = "\n".join((code, normal, *frames[-2:]))
    return f"v{FINGERPRINT_VERSION}:{hashlib.sha256(body.encode(errors='replace')).hexdigest()[:16]}"


def _params(code: str, evidence: Evidence, finding: Finding) -> dict[str, Any]:
    """Facts for the message."""
    details = evidence.error.get("details")
    facts: dict[str, Any] = {**evidence.config, **(details if isinstance(details, dict) else {})}
    if evidence.signal is not None:
        facts["signal"] = evidence.signal
        facts["by_signal"] = f" ({SIGNALS.get(evidence.signal, f'signal {evidence.signal}')})"
    if finding.entity is not None:
        facts["entity"] = finding.entity
    if code == "TRAINING_TIMEOUT" and facts.get("max_duration_s"):
        facts["limit"] = f" of {facts['max_duration_s']} s"
    if code == "UNKNOWN_FAILURE" and evidence.error.get("code"):
        facts["claimed_code"] = str(evidence.error["code"])[:80]
        facts["claimed"] = f" (the trainer said {facts['claimed_code']})"
    if finding.because and "details" not in facts:
        facts["details"] = _short(finding.because[0])
    if evidence.heartbeat_age_s is not None:
        facts["heartbeat_age_s"] = round(evidence.heartbeat_age_s)
    return facts


def _short(line: str) -> str:
    text = re.sub(r"^the trainer says [A-Z_]+: ", "", line)
    return text if len(text) <= 70 else text[:69] + "…"


def diagnose(evidence: Evidence) -> Diagnosis:
    """The verdict on an attempt's end; total. Code NONE where nothing failed."""
    lines = _lines(evidence)
    if _succeeded(evidence) and _supervisor(evidence) is None:
        found = _diverged(lines)
        if found is None:
            return Diagnosis("NONE", 0.95, None, (), fingerprint("NONE", (), ()), id=evidence.id)
    else:
        found = next((finding for finding in _findings(evidence, lines) if finding is not None), None)
    if found is None:
        found = Finding("UNKNOWN_FAILURE", 0.3, (_ended(evidence),) if evidence.exit_code is not None else ())
    if found.entity is None and evidence.entity is not None:
        found = replace(found, entity=evidence.entity)
    params = _params(found.code, evidence, found)
    return Diagnosis(
        code=found.code,
        confidence=found.confidence,
        entity=found.entity,
        evidence=found.because[:SHOWN_LINES],
        fingerprint=fingerprint(found.code, found.because, lines),
        params=params,
        fixes=tuple(fixes_for(found.code, params)),
        id=evidence.id,
    )
