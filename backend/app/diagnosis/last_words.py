"""What the lines after a training's last progress say of its end, where no known form tells."""

import re
from collections.abc import Iterator
from dataclasses import replace

from app.diagnosis.ending import Finding
from app.diagnosis.events import CODE_PRIORITY, GENERAL, SPECIFIC, Event, exception_events
from app.diagnosis.logs import Reading
from app.diagnosis.sentences import NO_CAUSE, meaning
from app.diagnosis.signatures import ABOUT_FILES, entity_of, file_in
from app.diagnosis.text import shortened, tone_of

LOOKED_AT = 12
"""Lines from the end."""
LONGEST = 400
SURE, FAIRLY_SURE, GUESSED = 0.75, 0.7, 0.66
CERTAIN, CLEAR, LIKELY = 12.0, 8.0, 2.0
"""Lead of a sentence's most likely meaning over the next from which it is beyond doubt, clear, and worth telling."""
WORDS = 4
"""Words that a sentence has at least."""
MOST_WORDS_OF_PROGRESS = 7
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
_SPOKEN = re.compile(r"(?<![\w/.-])[A-Za-z][a-z']+(?![\w/=-])")
_INSIDE = re.compile(
    r"\b((?:[a-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|NotFound|Timeout))(?:: | - | -> | \| |\((?=['\"\d]))(.+)"
    r"|(\[Errno \d+\].+|[^:>]+\(os error \d+\).*)"
)
"""An exception, or what the system answered, inside of a sentence."""
_PATH = re.compile(r"(?<![\w/:.])/[\w.-]+(?:/[\w.-]+)*[\w-]")
_QUOTED = re.compile(r"(?<=['\"`])[\w./:-]{2,60}(?=['\"`])")
_DEVICE = re.compile(r"\b(?:cuda:|(?:GPU|gpu|card|device|dev|board|accelerator)[ :#-]?)\d+\b")
_ADDRESS = re.compile(r"\b\d+\.\d+\.\d+\.\d+(?::\d+)?\b|(?<=\b(?:host|node) )[\w.-]*\d[\w-]*\b|(?<=\brank )\d+\b")
_COMPOUND = re.compile(r"(?<![\w/.=])(?:--)?[a-z][a-z0-9]*(?:[_-][a-z0-9]+)+(?![\w/.])")
_NAMES: dict[str, tuple[re.Pattern[str], ...]] = {
    **dict.fromkeys(("SHM_EXHAUSTED", *ABOUT_FILES), (_PATH, _QUOTED)),
    **dict.fromkeys(("CUDA_OOM", "CUDA_ERROR", "CUDA_UNAVAILABLE"), (_DEVICE,)),
    **dict.fromkeys(("DISTRIBUTED_COMM_ERROR", "TRAINER_LOST", "JOB_PREEMPTED"), (_ADDRESS,)),
    **dict.fromkeys(("INVALID_MODEL", "INVALID_CONFIG"), (_QUOTED, _COMPOUND)),
    "GPU_HARDWARE_FAULT": (_DEVICE, _ADDRESS),
    "DEPENDENCY_ERROR": (_QUOTED,),
}
"""How sentences name what they are about, by their meaning."""
_GIVEN_UP = re.compile(
    r"\bgiving up\b|\bgave up\b|\bno more (?:tries|retries|attempts)\b|\bout of (?:tries|retries|attempts)\b"
    r"|\b(?:retries|attempts|tries) (?:are |were )?(?:exhausted|used up|failed)\b|\bafter \d+ (?:tries|retries|attempts)\b"
    r"|\bfailed \d+ times\b|\ball (?:\d+ )?(?:tries|retries|attempts)\b",
    re.IGNORECASE,
)
_RAISED = re.compile(r'File "([^"\n]+)", line \d+, in [^\n]+\n +(?:raise|assert|sys\.exit|exit)\b[^\n]*(?:\n[ ~^]+)?\s*\Z')
_LIBRARY = re.compile(r"(?:site|dist)-packages|/lib/python3|<frozen")


def _works(text: str) -> bool:
    """Whether a line that counts epochs or steps shows a training at work, and is no sentence about something."""
    short = tone_of(text) != "hard" and len(_SPOKEN.findall(text)) <= MOST_WORDS_OF_PROGRESS
    return short and _cause(text, CLEAR) is None


def _after_progress(reading: Reading) -> Iterator[tuple[int, str]]:
    """Number and beginning of the last lines that come after the last progress, the first of them first."""
    lines = reading.log.lines
    first = max(0, len(lines) - LOOKED_AT)
    worked = (index for index in reading.progress(first) if _works(lines[index].text))
    for line in lines[max(first, max(worked, default=-1) + 1) :]:
        yield line.number, line.text[:LONGEST]


def _told(reading: Reading) -> list[tuple[int, str]]:
    """Number and text of the last lines, the last one first; those that say that they are no errors after all others."""
    last = [(number, text) for number, text in _after_progress(reading) if text.strip()]
    hard = [line for line in last if tone_of(line[1]) != "soft"][-SENTENCES:]
    return [*reversed(hard), *reversed([line for line in last[-SENTENCES:] if tone_of(line[1]) == "soft"])]


def _inside(text: str) -> str | None:
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
        if said is not None and said.code == "UNKNOWN_FAILURE" and said.lead >= CLEAR:
            # The one who knew that it failed knew no cause: what stands above may be about anything.
            lead = max(lead, CLEAR)
        if said is not None and cause and said.lead >= lead and (tone != "soft" or said.code in _TOPICS):
            sure = FAIRLY_SURE if said.lead >= CLEAR else GUESSED
            return Finding(said.code, sure, shortened([text]), _about(said.code, words), number, tier=6)
    return None


def _repeated(reading: Reading) -> Finding | None:
    """The exception that the last sentences repeat; one that could mean anything is called by what its words are about."""
    for number, text in reversed(list(_after_progress(reading))[-SENTENCES:]):
        raised = (_inside(text) if tone_of(text) != "soft" else None) or ""
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
        event = _meant(_inside(text) or f"RuntimeError: {text}", GENERAL)
        if event is not None:
            return Finding(event.code, FAIRLY_SURE, shortened([text]), event.entity, number, tier=6)
    return None


def _about(code: str, words: str) -> str | None:
    """What a sentence with this meaning is about, as far as its words name it."""
    named = (pattern.search(words) for pattern in _NAMES.get(code, ()))
    return entity_of(code, None, words) or file_in(code, f": {words}", "") or next((it[0] for it in named if it), None)


def _cause(text: str, least: float) -> str | None:
    said = meaning(text)
    return said.code if said is not None and said.code not in NO_CAUSE and said.lead >= least else None


def by_meaning(found: Finding) -> Finding:
    """What was raised with words of somebody's own is called by what they are about: by the training where its exception
    says no more than its kind, or where they leave no doubt; by a library only where both is so."""
    _, _, words = found.because[0].partition(": ")
    raised = _RAISED.search(found.frames)
    if raised is None or found.tier > GENERAL or len(words.split()) < WORDS:
        return found
    said, named = meaning(found.because[0]), found.code != "TRAINING_CODE_ERROR" or found.tier == GENERAL
    library = _LIBRARY.search(raised[1]) is not None
    if said is None or (named and library) or said.lead < (CERTAIN if named or library else LIKELY):
        return found
    if said.code in NO_CAUSE:
        vague = said.code == "UNKNOWN_FAILURE" and not named and said.lead >= CLEAR
        return replace(found, code=said.code, confidence=GUESSED) if vague else found
    return replace(found, code=said.code, confidence=GUESSED, entity=_about(said.code, words) or found.entity)


def last_words(reading: Reading, *, killed: bool) -> Finding | None:
    """What the last lines are about. Warnings count only where the process was `killed`: nothing came after them."""
    for number, text in _after_progress(reading):
        if _NOT_OF_THE_JOB.search(text) or (not killed and tone_of(text) == "soft"):
            continue
        found = next((code for code, pattern in _TOPICS.items() if pattern.search(text)), None)
        if found is not None:
            return Finding(found, SURE, shortened([text]), None, number, tier=6)
    return None
