"""Rules that operators write: a pattern for a line of a failed training's log, and what is to be made of it. Pure.

Patterns are RE2, so no rule can take longer than a time linear in the log.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import re2

from app.core.fixes import fixes_for
from app.diagnosis.evidence import Diagnosis, Evidence
from app.diagnosis.fingerprint import fingerprint
from app.diagnosis.text import TAIL_CHARACTERS, Log

LONGEST_PATTERN = 500
PATTERN_BYTES = 8 * 1024 * 1024
SURE = 0.99
SHOWN = 300


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: where its pattern occurs, the failure has its `code`, ends the job (`stop`), or excludes the machine."""

    id: int
    label: str
    pattern: str
    code: str | None = None
    stop: bool = False
    exclude_node: bool = False


@dataclass(frozen=True, slots=True)
class RuleHit:
    """A line that a rule matched; `line` is its number in the log, 0 for what stands outside of it."""

    rule: Rule
    line: int
    text: str


def pattern_problem(pattern: str) -> str | None:
    """Why a pattern cannot be used; None where it can."""
    if len(pattern) > LONGEST_PATTERN:
        return f"is longer than {LONGEST_PATTERN} characters"
    try:
        # As it was written first: the words of an error quote the pattern.
        re2.compile(pattern.encode(), _options())
    except re2.error as error:
        return f"is no RE2 pattern: {_words(error)}"
    if _compiled(pattern).search(b"") is not None:
        return "matches the empty line, and so every log"
    return None


def _words(error: Exception) -> str:
    told = error.args[0] if error.args else error
    return told.decode(errors="replace") if isinstance(told, bytes) else str(told)


def _options() -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = PATTERN_BYTES
    return options


def _compiled(pattern: str) -> Any:
    return re2.compile(f"(?m:{pattern})".encode(), _options())


def _texts(evidence: Evidence) -> Log:
    """Everything in which a rule may find its line: the log first, then exceptions and the trainer's claim."""
    logs = [evidence.log, *(str(rank.get("log") or "") for rank in evidence.ranks)]
    told = [text for text, _ in evidence.exceptions]
    if evidence.error:
        told.append(f"{evidence.error.get('type') or ''}: {evidence.error.get('message') or ''}")
    return Log("\n".join(part[-TAIL_CHARACTERS:] for part in (*logs, *told)))


def matches(rules: Sequence[Rule], evidence: Evidence) -> list[RuleHit]:
    """The first line that each rule matches, in the order of the rules."""
    if not rules:
        return []
    log, own = _texts(evidence), evidence.log.count("\n") + 1
    found = []
    for rule in rules:
        place = _compiled(rule.pattern).search(log.buffer)
        if place is not None:
            line = log.lines[log.at(place.start())]
            found.append(RuleHit(rule, line.number if line.number <= own else 0, line.text.strip()[:SHOWN]))
    return found


def ruled(diagnosis: Diagnosis, hits: Sequence[RuleHit]) -> Diagnosis:
    """The diagnosis as the first rule with a code has it; unchanged where none has one."""
    hit = next((hit for hit in hits if hit.rule.code is not None), None)
    if hit is None or hit.rule.code is None:
        return diagnosis
    because = (hit.text, f"rule “{hit.rule.label}”")
    entity = diagnosis.entity if diagnosis.code == hit.rule.code else None
    return replace(
        diagnosis,
        code=hit.rule.code,
        confidence=SURE,
        entity=entity,
        evidence=because,
        fingerprint=fingerprint(hit.rule.code, because),
        fixes=tuple(fixes_for(hit.rule.code, diagnosis.params)),
        line=hit.line or None,
    )
