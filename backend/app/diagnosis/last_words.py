"""What the lines after a training's last progress say of its end, where no known form tells."""

import re
from collections.abc import Iterator
from dataclasses import replace

from app.diagnosis.ending import Finding
from app.diagnosis.events import CODE_PRIORITY, GENERAL, SPECIFIC, Event, exception_events
from app.diagnosis.logs import Reading
from app.diagnosis.sentences import NO_CAUSE, meaning
from app.diagnosis.signatures import entity_of, file_in
from app.diagnosis.text import shortened, tone_of

LOOKED_AT = 12
"""Lines from the end."""
LONGEST = 400
SURE, FAIRLY_SURE, GUESSED = 0.75, 0.7, 0.66
CERTAIN, CLEAR, LIKELY = 12.0, 8.0, 2.0
"""Lead of a sentence's most likely meaning over the next from which it is beyond doubt, clear, and worth telling."""
WORDS = 4
"""Words that a sentence has at least."""
SENTENCES = 4
"""Lines from the end that a process which ends itself is taken to give its reason in."""
OWN_WORDS = frozenset(
    {
        *("RuntimeError", "Exception", "SystemExit", "ValueError", "AssertionError", "KeyError", "LookupError", "OSError"),
        *("NotImplementedError", "ConnectionError", "TimeoutError", "MemoryError", "EnvironmentError"),
    }
)
_MEMORY = (
    r"memory\b.{0,60}(?:exceed|kill|stopp|terminat|exhaust)|(?:exceed|exhaust|(?:ran|run) out of|not (?:have )?enough"
    r"|insufficient|killed for)\w*.{0,40}\bmemory|out of memory|OutOfMemory\b|\boom[ _-]?kill"
)
_TAKEN_AWAY = (
    r"\bpre-?empt|\bspot\b|\breclaim|\bevict|\bdrain(?:ed|ing)?\b"
    r"|(?:node|instance|host|vm|machine).{0,20}(?:terminat|shut(?:ting)? ?down|maintenance|scaled down)|\brequeu(?:ed|ing)\b"
)
_OUT_OF_TIME = (
    r"time[ -]?limit|wall ?-?(?:time|clock)|run-?time (?:longer|exceed|limit)|time (?:allocation|budget|allowance)"
    r"|\b(?:job|run|training|attempt|task)\b.{0,20}timed[ -]out|(?:duration|deadline|run-? ?time).{0,30}exceed"
    r"|exceed\w*.{0,30}(?:duration|deadline|run-? ?time)"
)
_BY_THE_USER = (
    r"\bcancel(?:l?ed|l?ing)?\b|by (?:the |its )?(?:user|owner)\b|\bctrl ?[-+] ?c\b|\bSIG(?:INT|HUP)\b"
    r"|(?:stop|abort) (?:was )?requested"
)
_TOPICS = {
    "HOST_OOM": re.compile(_MEMORY, re.IGNORECASE),
    "JOB_PREEMPTED": re.compile(_TAKEN_AWAY, re.IGNORECASE),
    "TRAINING_TIMEOUT": re.compile(_OUT_OF_TIME, re.IGNORECASE),
    "TRAINING_CANCELLED": re.compile(_BY_THE_USER, re.IGNORECASE),
}
_NOT_OF_THE_JOB = re.compile(
    r"\b(?:no|false|disabled|none|never|0)\b|\b(?:(?-i:GPU)|gpu memory|CUDA|HIP|NCCL|gloo|ranks?|collectives?|sockets?"
    r"|connection|request|http\w*|retry\w*|press|loader|early|usually|often|typically|may|might|hint|tip|note)\b",
    re.IGNORECASE,
)


_STAMP = re.compile(r"^(?:[\[(]?\d[\d:/T.,Z+\s-]{4,}[\])]?\s*)?(?:[\[(]?(?:ERROR|FATAL|CRITICAL)[\])]?\W+)?")
"""Time and level before a sentence."""
_INSIDE = re.compile(
    r"\b((?:[a-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|NotFound|Timeout))(?:: | - | -> | \| |\((?=['\"\d]))(.+)"
    r"|(\[Errno \d+\].+|[^:>]+\(os error \d+\).*)"
)
"""An exception, or what the system answered, inside of a sentence."""
_GIVEN_UP = re.compile(
    r"\bgiving up\b|\bgave up\b|\bno more (?:tries|retries|attempts)\b|\bout of (?:tries|retries|attempts)\b"
    r"|\b(?:retries|attempts|tries) (?:are |were )?(?:exhausted|used up|failed)\b|\bafter \d+ (?:tries|retries|attempts)\b"
    r"|\bfailed \d+ times\b|\ball (?:\d+ )?(?:tries|retries|attempts)\b",
    re.IGNORECASE,
)
_RAISED = re.compile(r'File "([^"\n]+)", line \d+, in [^\n]+\n +(?:raise|assert|sys\.exit|exit)\b[^\n]*(?:\n[ ~^]+)?\s*\Z')
_LIBRARY = re.compile(r"(?:site|dist)-packages|/lib/python3|<frozen")


def _complains(text: str) -> bool:
    """Whether a line that counts epochs or steps is about what went wrong there."""
    said = meaning(text)
    return tone_of(text) == "hard" or (said is not None and said.code not in NO_CAUSE and said.lead >= CLEAR)


def _after_progress(reading: Reading) -> Iterator[tuple[int, str]]:
    """Number and beginning of the last lines that come after the last progress, the first of them first."""
    lines = reading.log.lines
    first = max(0, len(lines) - LOOKED_AT)
    worked = (index for index in reading.progress(first) if not _complains(lines[index].text))
    for line in lines[max(first, max(worked, default=-1) + 1) :]:
        yield line.number, line.text[:LONGEST]


def _told(reading: Reading) -> list[tuple[int, str]]:
    """Number and text of the last lines, the last one first; those that say that they are no errors after all others."""
    last = [(number, text) for number, text in _after_progress(reading) if text.strip()]
    hard = [line for line in last if tone_of(line[1]) != "soft"][-SENTENCES:]
    return [*reversed(hard), *reversed([line for line in last[-SENTENCES:] if tone_of(line[1]) == "soft"])]


def inside(text: str) -> str | None:
    """The exception that a sentence repeats, as Python would print it; None where there is none."""
    found = _INSIDE.search(text)
    if found is None:
        return None
    return f"{found[1]}: {found[2]}" if found[1] else f"OSError: {found[3]}"


def _meant(text: str, least: int) -> Event | None:
    """What an exception's text means, where that is at least so telling."""
    events = exception_events(text, "", 0)
    return next((event for event in events if event.role in ("root", "cascade") and event.tier >= least), None)


def outspoken(reading: Reading) -> Finding | None:
    """What the last sentences say so clearly that it tells more than how processes ended."""
    return _line_by_line(reading, SPECIFIC, CLEAR)


def sentence(reading: Reading) -> Finding | None:
    """What the last sentences of a process that ended itself are about, read as if it had raised them as its error."""
    return _repeated(reading) or _of_the_tries(reading) or _line_by_line(reading, GENERAL, LIKELY)


def _line_by_line(reading: Reading, tier: int, lead: float) -> Finding | None:
    """The first of the last lines that has a form at least so telling, or a meaning so far before the others."""
    for number, text in _told(reading):
        words, tone = _STAMP.sub("", text, count=1), tone_of(text)
        said = meaning(words)
        cause = said is not None and said.code not in NO_CAUSE
        event = _meant(f"RuntimeError: {words}", tier) if tone != "soft" else None
        if event is not None and (event.tier >= SPECIFIC or tone == "hard" or cause):
            return Finding(event.code, FAIRLY_SURE, shortened([text]), event.entity, number, tier=6)
        if said is not None and cause and said.lead >= lead and (tone != "soft" or said.code in _TOPICS):
            sure = FAIRLY_SURE if said.lead >= CLEAR else GUESSED
            return Finding(said.code, sure, shortened([text]), _about(said.code, words), number, tier=6)
    return None


def _repeated(reading: Reading) -> Finding | None:
    """The exception that the last sentences repeat; one that could mean anything is called by what its words are about."""
    for number, text in reversed(list(_after_progress(reading))[-SENTENCES:]):
        raised = (inside(text) if tone_of(text) != "soft" else None) or ""
        event = _meant(raised, CODE_PRIORITY // 10)
        if not raised or event is None:
            continue
        kind, _, words = raised.partition(": ")
        own = event.tier < GENERAL and kind in OWN_WORDS and len(words.split()) >= WORDS
        return Finding(
            (_cause(raised, LIKELY) if own else None) or event.code,
            FAIRLY_SURE,
            shortened([text]),
            event.entity,
            number,
            tier=6,
        )
    return None


def _of_the_tries(reading: Reading) -> Finding | None:
    """Why the last try failed, told as a warning, of a process that then gave up."""
    last = list(_after_progress(reading))
    if not any(_GIVEN_UP.search(text) for _, text in last[-SENTENCES:]):
        return None
    for number, text in reversed(last):
        event = _meant(inside(text) or f"RuntimeError: {text}", GENERAL)
        if event is not None:
            return Finding(event.code, FAIRLY_SURE, shortened([text]), event.entity, number, tier=6)
    return None


def _about(code: str, words: str) -> str | None:
    return entity_of(code, None, words) or file_in(code, f": {words}", "")


def _cause(text: str, least: float) -> str | None:
    said = meaning(text)
    return said.code if said is not None and said.code not in NO_CAUSE and said.lead >= least else None


def by_meaning(found: Finding) -> Finding:
    """A fault in code that was raised with words of somebody's own is called by what they are about. A library's words are
    not like the examples that meanings are learnt from, so theirs have to lead further."""
    _, _, words = found.because[0].partition(": ")
    raised = _RAISED.search(found.frames)
    if found.code != "TRAINING_CODE_ERROR" or raised is None or len(words.split()) < WORDS:
        return found
    library = _LIBRARY.search(raised[1]) is not None
    code = None if library and found.tier >= GENERAL else _cause(found.because[0], CERTAIN if library else LIKELY)
    return found if code is None else replace(found, code=code, confidence=GUESSED, entity=_about(code, words))


def last_words(reading: Reading, *, killed: bool) -> Finding | None:
    """What the last lines are about. Warnings count only where the process was `killed`: nothing came after them."""
    for number, text in _after_progress(reading):
        if _NOT_OF_THE_JOB.search(text) or (not killed and tone_of(text) == "soft"):
            continue
        found = next((code for code, pattern in _TOPICS.items() if pattern.search(text)), None)
        if found is not None:
            return Finding(found, SURE, shortened([text]), None, number, tier=6)
    return None
