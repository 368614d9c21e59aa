"""From evidence to a code. Pure, deterministic, total.

In this order: what the supervisor did itself, what the trainer claims, what exceptions and log tell, how the process
ended. Of two explanations the more telling one counts, of equals the earlier; what follows from another failure is never
the cause, and what was overcome is none.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from app.core.fixes import fixes_for
from app.diagnosis.ending import (
    BY_EXIT,
    CRASHES,
    SHM_FULL,
    SIGNALS,
    Finding,
    at_work,
    ended,
    killed_by_supervisor,
    last_resort,
    memory_kill,
    no_room,
    preempted,
    reached_its_end,
    silence,
)
from app.diagnosis.events import GENERAL, SPECIFIC
from app.diagnosis.evidence import Diagnosis, Evidence
from app.diagnosis.fingerprint import FINGERPRINT_VERSION, fingerprint
from app.diagnosis.last_words import by_meaning, last_words, outspoken, sentence
from app.diagnosis.logs import PURE, Reading, read_log
from app.diagnosis.scan import window
from app.diagnosis.text import TAIL_CHARACTERS, shortened, tone_of
from app.diagnosis.told import WORDLESS, chain, claim, finding, first_rank, is_vague, tail_of, told
from app.diagnosis.tracebacks import kind_of

__all__ = ["FINGERPRINT_VERSION", "diagnose", "fingerprint"]

SHOWN_LINES = 3
ENOUGH = 0.7
UNKNOWN = Finding("UNKNOWN_FAILURE", 0.65, ())
CASCADE_TIER = 6
"""Explanations up to here are ends of processes and lost connections, or faults in code that no signature knows."""
BY_NAN = frozenset(
    {"TRAINING_CODE_ERROR", "DATASET_INVALID_FORMAT", "MODEL_DATA_MISMATCH", "DATABASE_ERROR", "INVALID_CONFIG"}
)
"""Failures that losses which are not finite lead to."""
ELASTIC = {
    **dict.fromkeys((-4, -7, -8, -11), ("TRAINER_CRASHED", 0.92)),
    -6: ("TRAINER_CRASHED", 0.88),
    -9: ("TRAINER_KILLED", 0.9),
    -15: ("TRAINER_KILLED", 0.8),
}
"""What the exit code of the rank that torchrun saw fail first means."""
_ABORTED = re.compile(r"-6\b|SIGABRT|Aborted|terminate called|what\(\)")


def _succeeded(evidence: Evidence) -> bool:
    return evidence.exit_code == 0 and evidence.signal is None and not evidence.error and not evidence.exceptions


def _ended_itself(evidence: Evidence) -> bool:
    """Whether the process left with an exit code of its own."""
    return evidence.signal is None and evidence.exit_code not in (None, 0, 20, 21)


def _of_the_code(found: Finding) -> bool:
    """Whether an explanation is a fault in code that no kill and no notice leads to."""
    return found.tier >= SPECIFIC or (bool(found.because) and kind_of(found.because[0]) in PURE)


def _own_fault(evidence: Evidence, said: Finding | None) -> bool:
    return said is not None and _ended_itself(evidence) and _of_the_code(said) and said.code != "DISTRIBUTED_COMM_ERROR"


def _lost_losses(reading: Reading, said: Finding | None) -> Finding | None:
    index = reading.diverged
    if index is None or not (said is None or said.code in BY_NAN):
        return None
    line = reading.log.lines[index]
    return Finding("TRAINING_DIVERGED", 0.93, shortened([line.text]), None, line.number)


def _confirmed(reading: Reading, said: Finding | None) -> Finding | None:
    event = reading.role("confirmation")
    if event is None or (said is not None and _of_the_code(said)):
        return None
    return replace(finding(event, reading), confidence=0.95 if event.priority >= 75 else 0.85)


def _first_by_torchrun(evidence: Evidence, reading: Reading) -> Finding | None:
    """How the rank ended that torchrun saw fail first; a rank that aborted because it lost the others is not meant."""
    if reading.elastic is None:
        return None
    rank, status = reading.elastic
    if status not in ELASTIC and status <= 0:
        return None
    own = (event for event in reading.events if event.code == "DISTRIBUTED_COMM_ERROR" and event.rank in (rank, None))
    if (status == -6 or status > 0) and next(own, None) is not None:
        return None
    if status == -7 and (evidence.shm_used_fraction or 0) >= SHM_FULL:
        return Finding("SHM_EXHAUSTED", 0.92, (f"rank {rank} failed first, exit code {status}", "shared memory is full"))
    # A rank that left with a code of its own and no word: a child whose trace is absent.
    code, sure = ELASTIC.get(status, ("TRAINER_CRASHED", 0.75))
    return Finding(code, sure, (f"rank {rank} failed first, exit code {status}",))


def _process(evidence: Evidence, reading: Reading) -> Iterator[Finding | None]:
    """What is known only from how processes ended, the most telling first."""
    lost, follows = reading.connection_lost, reading.role("cascade")
    if lost is not None and not _known_to_have_failed(evidence) and tone_of(lost.text) == "soft":
        lost = None
    yield _first_by_torchrun(evidence, reading)
    if evidence.signal is not None and not (evidence.signal == 6 and lost is not None):
        echo = reading.role("echo")
        crash = echo if echo is not None and echo.code == "TRAINER_CRASHED" and evidence.signal in CRASHES else None
        found = last_resort(evidence)
        if found is not None and crash is not None and found.code == crash.code:
            found = replace(finding(crash, reading), confidence=0.95)
        yield found
    echo = reading.role("echo")
    if echo is not None and not (lost is not None and _ABORTED.search(echo.text)):
        yield replace(finding(echo, reading), confidence=0.88)
    if lost is not None:
        yield replace(finding(lost, reading), confidence=0.85)
    if follows is not None and (_ended_itself(evidence) or follows.raised is not None):
        yield replace(finding(follows, reading), confidence=0.75)
    yield no_room(evidence)
    yield last_resort(evidence)


def _explanations(evidence: Evidence, reading: Reading) -> Iterator[Finding | None]:
    yield killed_by_supervisor(evidence)
    if _succeeded(evidence):
        if not reached_its_end([line.text for line in reading.log.lines]):
            yield preempted(evidence)
        yield _after_success(reading)
        return
    if at_work(evidence) and not (evidence.error or evidence.exceptions or evidence.ranks):
        yield preempted(evidence)
        return
    yield claim(evidence)
    said = told(evidence, reading)
    rank = first_rank(evidence.ranks) if evidence.ranks else None
    if rank is not None and rank.tier > CASCADE_TIER and (said is None or rank.tier >= said.tier):
        said = rank
    if not _own_fault(evidence, said):
        yield preempted(evidence)
        yield memory_kill(evidence)
    if said is not None and said.tier >= SPECIFIC and said.code not in BY_NAN:
        yield said
    yield _lost_losses(reading, said)
    yield _confirmed(reading, said)
    if said is not None and evidence.signal in (1, 2) and said.tier < SPECIFIC:
        yield last_resort(evidence)
    if said is not None and not (is_vague(said) and reading.role("echo")):
        yield said
    yield silence(evidence)
    if rank is not None:
        yield rank
    if said is None and _ended_itself(evidence) and not evidence.ranks and not _ends_known(reading):
        yield outspoken(reading)
    yield _said_last(evidence, reading)
    yield from _process(evidence, reading)
    yield said
    follows = chain(evidence)
    yield replace(finding(follows), confidence=0.8) if follows is not None else None
    if _ended_itself(evidence) and not evidence.ranks:
        yield sentence(reading)


def _ends_known(reading: Reading) -> bool:
    """Whether the log tells how its processes ended."""
    return reading.elastic is not None or reading.connection_lost is not None or reading.role("echo") is not None


def _said_last(evidence: Evidence, reading: Reading) -> Finding | None:
    """The topic of the last lines, where the end of the process tells no more than that it was killed, or nothing."""
    killed = evidence.signal in (9, 15)
    if evidence.ranks or reading.elastic is not None or not _known_to_have_failed(evidence):
        return None
    if evidence.exit_code in BY_EXIT or not (killed or evidence.signal is None):
        return None
    if reading.connection_lost is not None or (not killed and reading.role("echo") is not None):
        return None
    return last_words(reading, killed=killed)


def _after_success(reading: Reading) -> Finding | None:
    """A training that ended well by its exit code, and yet has learnt nothing."""
    stopped = next(
        (event for event in reading.events if event.code == "TRAINING_DIVERGED" and event.scope == "always"), None
    )
    return finding(stopped, reading) if stopped is not None else _lost_losses(reading, None)


def _known_to_have_failed(evidence: Evidence) -> bool:
    told_by_itself = bool(evidence.error or evidence.exceptions or evidence.ranks)
    return told_by_itself or evidence.exit_code not in (None, 0) or evidence.signal is not None


def _unexplained(evidence: Evidence, reading: Reading, *, failed: bool) -> Finding | None:
    """Where nothing explains: whether anything failed at all."""
    alive = evidence.heartbeat_age_s is not None
    known = failed or _known_to_have_failed(evidence)
    words = reading.failed_by_its_own_words
    if words is not None and (known or evidence.exit_code is None):
        line = reading.log.lines[words]
        return replace(UNKNOWN, because=shortened([line.text]), line=line.number)
    if known or reading.cut_short is not None or not (alive or evidence.log.strip() or evidence.exit_code == 0):
        code = evidence.error.get("code")
        if code in WORDLESS and code != "SYSTEM_ERROR":
            message = str(evidence.error.get("message") or "")[:300]
            return Finding(str(code), 0.6, (f"the trainer says {code}: {message}".rstrip(": "),))
        return replace(UNKNOWN, because=(ended(evidence),))
    return None


def _finding(evidence: Evidence, *, failed: bool) -> Finding | None:
    reading = read_log(tail_of(evidence.log))
    found = next((found for found in _explanations(evidence, reading) if found is not None), None)
    if found is None and (failed or not _succeeded(evidence)):
        found = _unexplained(evidence, reading, failed=failed)
    if found is not None and found.because:
        found = by_meaning(found)
    if found is not None and found.line is not None and len(evidence.log) > TAIL_CHARACTERS:
        before = len(evidence.log) - len(tail_of(evidence.log))
        found = replace(found, line=found.line + evidence.log.count("\n", 0, before))
    if len(evidence.log) > TAIL_CHARACTERS and found is not None and found.confidence < ENOUGH:
        return _before_the_tail(evidence.log[:-TAIL_CHARACTERS]) or found
    return found


def _before_the_tail(log: str) -> Finding | None:
    """What the part of a long log says that is read only where its end does not decide."""
    text = log.encode("utf-8", "replace")
    part = window(text)
    if part is None:
        return None
    before = read_log(text[slice(*part)].decode("utf-8", "replace"))
    earlier = before.root
    if earlier is None or earlier.tier < GENERAL:
        return None
    return replace(finding(earlier, before), confidence=0.65, line=None)


def _params(evidence: Evidence, found: Finding) -> dict[str, Any]:
    """Facts for the message."""
    details = evidence.error.get("details")
    facts: dict[str, Any] = {**evidence.config, **(details if isinstance(details, dict) else {})}
    if evidence.signal is not None:
        facts["signal"] = evidence.signal
        facts["by_signal"] = f" ({SIGNALS.get(evidence.signal, f'signal {evidence.signal}')})"
    if found.entity is not None:
        facts["entity"] = found.entity
    if found.code == "TRAINING_TIMEOUT" and facts.get("max_duration_s"):
        facts["limit"] = f" of {facts['max_duration_s']} s"
    if found.code == "UNKNOWN_FAILURE" and evidence.error.get("code"):
        facts["claimed_code"] = str(evidence.error["code"])[:80]
        facts["claimed"] = f" (the trainer said {facts['claimed_code']})"
    if found.because and "details" not in facts:
        facts["details"] = _short(found.because[0])
    if evidence.heartbeat_age_s is not None:
        facts["heartbeat_age_s"] = round(evidence.heartbeat_age_s)
    return facts


def _short(line: str) -> str:
    text = re.sub(r"^the trainer says [A-Z_]+: ", "", line)
    return text if len(text) <= 70 else text[:69] + "…"


def diagnose(evidence: Evidence, *, failed: bool = False) -> Diagnosis:
    """The verdict on an attempt's end; total. Code NONE where nothing failed, unless it is known to have `failed`."""
    found = _finding(evidence, failed=failed)
    if found is None:
        return Diagnosis("NONE", 0.95, None, (), fingerprint("NONE", ()), id=evidence.id)
    if found.entity is None and evidence.entity is not None:
        found = replace(found, entity=evidence.entity)
    params = _params(evidence, found)
    return Diagnosis(
        code=found.code,
        confidence=found.confidence,
        entity=found.entity,
        evidence=found.because[:SHOWN_LINES],
        fingerprint=fingerprint(found.code, found.because, found.frames),
        params=params,
        fixes=tuple(fixes_for(found.code, params)),
        id=evidence.id,
        line=found.line,
    )
