"""What the lines after a training's last progress say of its end, where no known form tells: asked of kills and silence."""

import re

from app.diagnosis.ending import Finding
from app.diagnosis.logs import Reading
from app.diagnosis.text import shortened, tone_of

LOOKED_AT = 12
"""Lines from the end."""
LONGEST = 400
SURE = 0.75
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
    r"|connection|request|http\w*|retry\w*|press|loader|early)\b",
    re.IGNORECASE,
)


def last_words(reading: Reading, *, killed: bool) -> Finding | None:
    """What the last lines are about. Warnings count only where the process was `killed`: nothing came after them."""
    lines = reading.log.lines
    first = max(0, len(lines) - LOOKED_AT)
    for line in lines[max(first, reading.last_progress(first) + 1) :]:
        text = line.text[:LONGEST]
        if _NOT_OF_THE_JOB.search(text) or (not killed and tone_of(text) == "soft"):
            continue
        found = next((code for code, pattern in _TOPICS.items() if pattern.search(text)), None)
        if found is not None:
            return Finding(found, SURE, shortened([text]), None, line.number, tier=6)
    return None
