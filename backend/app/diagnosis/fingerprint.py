"""Names kinds of failures, stable against what differs from run to run. A change of the rules is a new version."""

import hashlib
import re
from collections.abc import Sequence

FINGERPRINT_VERSION = 1
INNERMOST = 2
_FRAME = re.compile(r'File "([^"]+)", line \d+, in (\S+)')
_LIBRARY = re.compile(r"site-packages|dist-packages|/lib/python\d|<frozen|<string>")
_STAMP = re.compile(
    r"^(?:\[rank\d+\]:? ?)?\[?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d[\d.,]*(?:Z|[+-]\d\d:?\d\d)?\]?[ -]*|^\[rank\d+\]:? ?"
)
_VARIABLE = re.compile(r"0x[0-9a-fA-F]+|'[^'\n]*'|\"[^\"\n]*\"|`[^`\n]*`|(?:[A-Za-z]:)?[\w.~-]*[/\\][^\s:,;)\]]+")
_NUMBER = re.compile(
    r"\b(?=\w*\d)[0-9a-f]{8,}(?:-[0-9a-f]+)*\b|(?<![A-Za-z])[-+]?\d[\d.,eE:%+-]*(?: ?[KMGT]i?B\b)?|\bnan\b|\binf\b"
)


def normal(text: str) -> str:
    """`text` without what differs from run to run: times, numbers, ids, paths, quoted values."""
    line = _STAMP.sub("", text.split("\n", 1)[0].strip())
    return " ".join(_NUMBER.sub("#", _VARIABLE.sub("#", line)).split())[:200]


def fingerprint(code: str, decided: Sequence[str], frames: str = "") -> str:
    """Names a kind of failure: its code, the deciding line without variable parts, the innermost own frames."""
    found = _FRAME.findall(frames)
    own = [place for place in found if not _LIBRARY.search(place[0])] or found
    places = [f"{file.rsplit('/', 1)[-1]}:{name}" for file, name in own[-INNERMOST:]]
    body = "\n".join((code, normal(decided[0]) if decided else "", *places))
    digest = hashlib.sha256(body.encode(errors="replace")).hexdigest()[:16]
    return f"v{FINGERPRINT_VERSION}:{digest}"
