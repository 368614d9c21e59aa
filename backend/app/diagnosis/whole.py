"""The verdict on a log of any length: the tail first, the rest only where the tail does not decide."""

from app.diagnosis.diagnose import ENOUGH, diagnose
from app.diagnosis.evidence import Diagnosis, Evidence
from app.diagnosis.scan import window
from app.diagnosis.text import TAIL_CHARACTERS


def diagnose_log(raw: bytes, exit_code: int | None = None) -> Diagnosis:
    """The verdict on a log of any length of which at most the exit code is known; its line counts in the whole log."""
    start = max(0, len(raw) - TAIL_CHARACTERS)
    start = raw.find(b"\n", start) + 1 if start else 0
    found = _part(raw, start, len(raw), exit_code)
    if start and found.code != "NONE" and found.confidence < ENOUGH:
        part = window(raw[:start])
        earlier = _part(raw, *part, exit_code) if part is not None else found
        if earlier.confidence >= ENOUGH and earlier.code != "NONE":
            found = earlier
    return found


def _part(raw: bytes, start: int, end: int, exit_code: int | None) -> Diagnosis:
    log = raw[start:end].decode("utf-8", "replace")
    found = diagnose(Evidence.from_dict({"log": log, "exit_code": exit_code}))
    if found.line is not None:
        found = found.moved(raw.count(b"\n", 0, start))
    return found
