"""What a process said of its own failure: the trainer's claim, its exception chain, its log; of several the first."""

from collections.abc import Sequence
from typing import Any

from app.core.error_messages import REGISTRY
from app.diagnosis.ending import CRASHES, Finding, ended
from app.diagnosis.events import (
    CODE_PRIORITY,
    GENERAL,
    PHYSICAL,
    SPECIFIC,
    VAGUE_PRIORITY,
    Event,
    chain_event,
    exception_events,
)
from app.diagnosis.evidence import Evidence
from app.diagnosis.last_words import outspoken
from app.diagnosis.logs import Reading, read_log
from app.diagnosis.text import TAIL_CHARACTERS, shortened

WORDLESS = frozenset({"UNKNOWN_FAILURE", "SYSTEM_ERROR", "TRAINING_CODE_ERROR", "TRAINER_CRASHED", "TRAINER_KILLED"})
"""Claims that say no more than that something failed: the rest of the evidence is asked first."""
CONFIDENCE = {PHYSICAL: 0.97, SPECIFIC: 0.95, GENERAL: 0.9, CODE_PRIORITY // 10: 0.88}
VAGUE_CONFIDENCE = 0.68


def tail_of(log: str) -> str:
    """The last part of a log; the lines before hardly ever decide."""
    return log if len(log) <= TAIL_CHARACTERS else log[-TAIL_CHARACTERS:].partition("\n")[2]


def finding(event: Event, reading: Reading | None = None) -> Finding:
    """An event as an explanation."""
    line = reading.log.lines[event.index].number if reading is not None else None
    frames = event.raised.frames if event.raised else ""
    confidence = CONFIDENCE.get(event.tier, VAGUE_CONFIDENCE)
    if event.raised is None and event.scope == "exception" and reading is not None and event.tier < PHYSICAL:
        confidence = min(confidence, 0.9)
    shown = [line for line in event.text.split("\n") if line.strip()][:2]
    return Finding(event.code, confidence, shortened(shown), event.entity, line, frames, event.tier)


def claim(evidence: Evidence) -> Finding | None:
    """The code that the trainer gave, where it is one of ours and says something."""
    code, message = str(evidence.error.get("code") or "").upper(), str(evidence.error.get("message") or "")
    if code not in REGISTRY or code in WORDLESS:
        return None
    because = f"the trainer says {code}: {message[:300]}".rstrip(": ")
    entity = next((event.entity for event in exception_events(message, "", 0) if event.code == code and event.entity), None)
    return Finding(code, 0.97, (because,), entity)


def worded(evidence: Evidence) -> Finding | None:
    """What the message of a claim without a code of ours means."""
    message, kind = str(evidence.error.get("message") or ""), str(evidence.error.get("type") or "")
    if not message and not kind:
        return None
    text = f"{kind}: {message}" if kind[:1].isupper() else message
    roots = [event for event in exception_events(text, "", 0) if event.role == "root" and event.tier >= GENERAL]
    return finding(roots[0]) if roots else None


def chain(evidence: Evidence) -> Event | None:
    """What the exception chain means."""
    return chain_event(evidence.exceptions)


def told(evidence: Evidence, reading: Reading) -> Finding | None:
    """The most telling of chain and log: the chain, unless the log knows more."""
    event, root = chain(evidence), reading.root
    said = worded(evidence)
    if said is not None and (event is None or event.tier < said.tier):
        event = None
    else:
        said = None
    if event is not None and event.role == "root" and (root is None or event.tier >= root.tier):
        return finding(event)
    if said is not None and (root is None or root.tier <= said.tier):
        return said
    return finding(root, reading) if root is not None else None


def is_vague(found: Finding) -> bool:
    """Whether an explanation is only an exception that could mean anything."""
    return found.tier == VAGUE_PRIORITY // 10


def _order(rank: dict[str, Any]) -> tuple[int, float, str]:
    at = rank.get("at")
    if isinstance(at, int | float) and not isinstance(at, bool):
        return 0, float(at), ""
    return (1, 0.0, at) if isinstance(at, str) else (2, 0.0, "")


def first_rank(ranks: Sequence[dict[str, Any]]) -> Finding | None:
    """Of several processes the earliest that failed by itself; what only followed from another's failure is passed over."""
    lost: Finding | None = None
    for rank in sorted(ranks, key=_order):
        own = Evidence.from_dict(rank)
        reading = read_log(tail_of(own.log))
        found = claim(own) or told(own, reading)
        if found is not None and not (found.tier < PHYSICAL and found.code in ("NETWORK_ERROR", "OPERATION_TIMEOUT")):
            return _of_rank(found, rank)
        connection, confirmed = reading.connection_lost, reading.role("confirmation")
        if confirmed is not None and own.signal in (9, 15):
            return _of_rank(finding(confirmed, reading), rank)
        if own.signal == 9 or (own.signal in CRASHES and connection is None):
            code = "TRAINER_KILLED" if own.signal == 9 else "TRAINER_CRASHED"
            return _of_rank(Finding(code, 0.88, (ended(own),), tier=5), rank)
        if lost is None and connection is not None:
            lost = _of_rank(finding(connection), rank)
        said = outspoken(reading) if own.signal is None and connection is None and own.exit_code else None
        if said is not None and said.code != "DISTRIBUTED_COMM_ERROR":
            return _of_rank(said, rank)
    return lost


def _of_rank(found: Finding, rank: dict[str, Any]) -> Finding:
    number = rank.get("rank")
    because = (*found.because, f"rank {number} failed first") if isinstance(number, int) else found.because
    return Finding(found.code, found.confidence, because, found.entity, None, found.frames, found.tier)
