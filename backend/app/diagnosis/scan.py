"""Finds the telling part of a log of any length, in linear time."""

from app.diagnosis.signatures import Signature, compiled, occurring

TELLING = 70
"""Priority from which a signature decides whatever else the log says."""
CHUNK = 8 * 1024 * 1024
OVERLAP = 4096
"""Bytes that two chunks share: a line may lie on the border."""
BEFORE, AFTER = 96 * 1024, 32 * 1024
"""How much around a find is read as a log of its own."""


def _telling(text: bytes) -> Signature | None:
    """The most telling signature that may be a cause."""
    found = [sign for sign in occurring(text) if sign.role == "root" and sign.priority >= TELLING and sign.frames is None]
    return max(found, key=lambda sign: sign.priority, default=None)


def scan(text: bytes) -> int | None:
    """Where the last telling line of a long log lies, searched from the end; None where there is none. Linear time."""
    end = len(text)
    while end > 0:
        start = max(0, end - CHUNK)
        chunk = text[start:end]
        sign = _telling(chunk)
        if sign is not None:
            last = max((place.start() for place in compiled(sign.pattern).finditer(chunk)), default=0)
            return start + last
        end = start + OVERLAP if start > 0 else 0
    return None


def window(text: bytes) -> tuple[int, int] | None:
    """The part of a long log around its last telling line."""
    place = scan(text)
    if place is None:
        return None
    start = text.rfind(b"\n", 0, max(0, place - BEFORE)) + 1
    return start, min(len(text), place + AFTER)
