"""What the lines after a training's last progress say of its end, where no known form tells."""

import re
from collections.abc import Iterator
from dataclasses import replace

from app.diagnosis.ending import Finding
from app.diagnosis.events import CODE_PRIORITY, GENERAL, Event, exception_events
from app.diagnosis.logs import Reading
from app.diagnosis.signatures import entity_of, file_in
from app.diagnosis.text import shortened, tone_of
from app.diagnosis.topics import complains, reports, topic

LOOKED_AT = 12
"""Lines from the end."""
LONGEST = 400
SURE, FAIRLY_SURE, GUESSED = 0.75, 0.7, 0.66
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
_WITHOUT_A_CAUSE = re.compile(
    r"\b(?:training|job|run|process|task|step|stage|phase|worker|rank|node|attempt|child|script|program|command|launcher|trial)\b"
    r"[^,;:]{0,30}\b(?:fail(?:ed|ure|s)?|abort(?:ed|ing)?|exit(?:ed|s|ing)?|died|crash(?:ed)?|stopped|terminated|ended|gone"
    r"|(?:did )?not (?:finish|complete|succeed)\w*|unsuccessful\w*|unhealthy)\b[^,;:]*"
    r"|(?:^|[.;,(:-] ?|\bplease |\b(?:and|or|to|then) )(?:please )?"
    r"(?:see|check|look|refer|consult|contact|read (?:the|more)|search|ask|inspect|examine)\b.*"
    r"|\bfor (?:more )?(?:details|information)\b.*|\bfail(?:ed)? with (?:exit )?(?:code|status) \d+"
    r"|\bexit(?:ed|ing)?\b.*\b(?:code|status)\b \d+|\bexit status \d+|\bgiving up\b"
    r"|\b(?:error|exception|problem|failure)s? (?:in|at|on|during|while|of)\b[^,;:]*",
    re.IGNORECASE,
)
"""Parts of a sentence that say that it failed, and where more is said, and not why."""
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
_WELL = re.compile(
    r"^.{0,30}\b(?:saved|written|load(?:ed|ing)|reading|using|found \d+|done|finished|success\w*|start(?:ed|ing)"
    r"|resum(?:ed|ing)|skipp(?:ed|ing))\b(?!.{0,80}\b(?:cannot|could not|but|fail\w*|invalid|unknown|error)\b)"
    r"|^[\w ]{1,20}: \d+ \w+,|^(?:you can|please|see|try|consider|hint|note|tip)\b|\b(?:not improv|no improvement|plateau)",
    re.IGNORECASE,
)


def _after_progress(reading: Reading) -> Iterator[tuple[int, str]]:
    """Number and beginning of the last lines that come after the last progress, the first of them first."""
    lines = reading.log.lines
    first = max(0, len(lines) - LOOKED_AT)
    worked = (index for index in reading.progress(first) if tone_of(lines[index].text) != "hard")
    for line in lines[max(first, max(worked, default=-1) + 1) :]:
        yield line.number, line.text[:LONGEST]


def _sentences(reading: Reading) -> list[tuple[int, str, str]]:
    """Number, text and words of the last lines that complain, the last one first."""
    told = [(number, text) for number, text in _after_progress(reading) if text.strip() and tone_of(text) != "soft"]
    said = [
        (number, text, _WITHOUT_A_CAUSE.sub("", _STAMP.sub("", text, count=1)))
        for number, text in reversed(told[-SENTENCES:])
    ]
    return [
        (number, text, words)
        for number, text, words in said
        if not _WELL.search(words) and ((complains(words) and not reports(words)) or tone_of(text) == "hard")
    ]


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


def sentence(reading: Reading) -> Finding | None:
    """What the last sentences of a process that ended itself are about, read as if it had raised them as its error."""
    said = _sentences(reading)
    for number, text, words in said:
        event = _meant(f"RuntimeError: {words}", GENERAL)
        if event is not None:
            return Finding(event.code, FAIRLY_SURE, shortened([text]), event.entity, number, tier=6)
    return _repeated(reading) or _of_the_tries(reading) or _complaint(said)


def _repeated(reading: Reading) -> Finding | None:
    """The exception that the last sentences repeat; one that could mean anything is called by what its words are about."""
    for number, text in reversed(list(_after_progress(reading))[-SENTENCES:]):
        raised = (inside(text) if tone_of(text) != "soft" else None) or ""
        event = _meant(raised, CODE_PRIORITY // 10)
        if not raised or event is None:
            continue
        kind, _, words = raised.partition(": ")
        code = topic(words) if event.tier < GENERAL and kind in OWN_WORDS and len(words.split()) >= WORDS else None
        return Finding(code or event.code, FAIRLY_SURE, shortened([text]), event.entity, number, tier=6)
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


def _complaint(said: list[tuple[int, str, str]]) -> Finding | None:
    for number, text, words in said:
        code = topic(words)
        if code is not None:
            return Finding(code, GUESSED, shortened([text]), _about(code, words), number, tier=6)
    return None


def _about(code: str, words: str) -> str | None:
    return entity_of(code, None, words) or file_in(code, f": {words}", "")


def by_topic(found: Finding) -> Finding:
    """A fault in code that the training's own code raised with words of its own is called by what they are about."""
    kind, _, words = found.because[0].partition(": ")
    raised = _RAISED.search(found.frames)
    own = kind in OWN_WORDS and raised is not None and _LIBRARY.search(raised[1]) is None
    if found.code != "TRAINING_CODE_ERROR" or not own or len(words.split()) < WORDS:
        return found
    code = topic(words)
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
