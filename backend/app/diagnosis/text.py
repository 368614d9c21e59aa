"""A log as lines: colour codes and carriage returns gone, launchers' prefixes understood, the tone of each line known."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

TAIL_CHARACTERS = 256 * 1024
LONGEST_LINE = 8192
HEAD = 160
"""Characters of a line's beginning in which its level stands."""

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_RANK = re.compile(
    r"(?:\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d) (?:std(?:out|err) [FP] )?)?"
    r"(?:\[rank ?(\d+)\]:? ?|\[default(\d+)\]: ?|\[\d+,(\d+)\]<std(?:out|err)>: ?|\(\w+ pid=(\d+)(?:, ip=[\d.]+)?\) ?"
    r"|(?:rank|worker)[ _-]?(\d+) ?[|:>]+ ?|(\d{1,3}): (?=\S))"
)
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d) (?:std(?:out|err) [FP] )?")
_MARKED = ("[rank", "[default", "<std", " pid=", "rank", "worker")
_LABELLED = re.compile(r"^\d{1,3}: ", re.MULTILINE)
_HARD = re.compile(r"\b(?:ERROR|CRITICAL|FATAL|SEVERE|EXCEPTION|Error|error|fatal|FAILED)\b|^\[?[EF]\d{4}[ \]]|NCCL WARN")
_SOFT = re.compile(
    r"\b(?:WARNING|WARN|Warning|warning|INFO|DEBUG|NOTICE|TRACE)\b|\b[A-Za-z]*Warning: |^\[?[WI]\d{4}[ \]]"
    r"|^\s+(?:warnings|logger|logging|log|_logger|LOG\w*)\.warn(?:ing)?\("
    r"|^(?:wandb:|[Hh][Ii][Nn][Tt]\b|[Tt]ip\b|[Nn]ote:|💡|libpng warning)"
)
_ECHO = re.compile(
    r"^\W{0,3}(?:args?|config|cfg|env|environment|alerts?|options|settings|hparams|hyper-?parameters|params|cmd|command"
    r"|launching|running|usage|suggestion|help|engine/trainer)\b[^:=]{0,20}[:=]|^\W{0,2}(?:Namespace\(|\+ \w)",
    re.IGNORECASE,
)
_SETTINGS = re.compile(r"(?:\b\w+[=:] ?[^,\s]+, ){6}")
_STALE = re.compile(
    r"\b(?:before (?:the )?(?:job )?start|previous (?:boot|run|job|attempt|tenant)|earlier (?:boot|run|job)"
    r"|last (?:boot|run))\b",
    re.IGNORECASE,
)
_ESCAPED = "Traceback (most recent call last):\\n"
"""A traceback as a logger of JSON objects writes it, in one line."""
_STRING = re.compile(r'(?:[^"\\]|\\.)*')
_HEADING = re.compile(r"^\s*(?:-{2,}|={2,}|#{2,}|\*{3,})")


def plain(text: str) -> str:
    """`text` without colour codes and other terminal control."""
    return _ANSI.sub("", text) if "\x1b" in text else text


@dataclass(slots=True)
class Line:
    """One line: its number in the given text (from 1), its text without prefix, the rank that wrote it (None: unknown).

    `tone`: ``hard`` says of itself that it is an error, ``soft`` that it is none (warning, advice, echo of settings).
    """

    number: int
    text: str
    rank: str | None = None
    tone: str = "plain"


def tone_of(text: str) -> str:
    """What a line says of its own weight."""
    head = text[:HEAD]
    soft, hard = _SOFT.search(head), _HARD.search(head)
    if hard is not None and (soft is None or hard.start() < soft.start()):
        return "soft" if _ECHO.match(head) else "hard"
    if soft is not None:
        return "soft"
    if _ECHO.match(head) or _SETTINGS.search(text[:400]):
        return "soft"
    return "plain"


def _unescaped(line: str) -> list[str]:
    """The lines of a traceback that stands as one string of a JSON object, and an empty one that ends it."""
    start = line.index(_ESCAPED)
    end = _STRING.match(line, start)
    inner = line[start : end.end() if end else len(line)]
    return [part.replace('\\"', '"').replace("\\\\", "\\") for part in inner.split("\\n")] + [""]


def _split(text: str) -> list[tuple[int, str]]:
    """Numbered lines; what a carriage return overwrote stands as a line of the same number."""
    numbered = []
    for number, line in enumerate(text.split("\n"), 1):
        if _ESCAPED in line:
            numbered += [(number, part) for part in _unescaped(line)]
        elif "\r" not in line:
            numbered.append((number, line))
        else:
            numbered += [(number, part) for part in line.split("\r") if part]
    return numbered


def _cut(line: str) -> str:
    half = LONGEST_LINE // 2
    return line if len(line) <= LONGEST_LINE else line[:half] + line[-half:]


class Log:
    """The lines of a log, and the same as one buffer for matching."""

    def __init__(self, text: str) -> None:
        self.lines = [Line(number, _cut(line)) for number, line in _split(plain(text))]
        self._ranks(text)
        self._stale()

    def _ranks(self, text: str) -> None:
        labelled = len(_LABELLED.findall(text)) > len(self.lines) // 2
        if not labelled and not any(mark in text for mark in _MARKED) and not _STAMP.match(text):
            return
        for line in self.lines:
            found = _RANK.match(line.text)
            if found is not None and (labelled or found[6] is None):
                line.rank = next((group for group in found.groups() if group is not None), None)
                line.text = line.text[found.end() :]
            elif (stamp := _STAMP.match(line.text)) is not None:
                line.text = line.text[stamp.end() :]

    def _stale(self) -> None:
        """Lines under a heading that says they are from before this training are no part of it."""
        stale = False
        for line in self.lines:
            if line.text.startswith(("-", "=", "#", "*")) and _HEADING.match(line.text):
                stale = _STALE.search(line.text) is not None
            if stale:
                line.text, line.tone = "", "soft"

    @cached_property
    def buffer(self) -> bytes:
        """All lines as UTF-8, one a line."""
        return "\n".join(line.text for line in self.lines).encode("utf-8", "replace")

    @cached_property
    def starts(self) -> list[int]:
        """Where each line begins in the buffer."""
        return [0, *(found.end() for found in re.finditer(b"\n", self.buffer))]

    def at(self, offset: int) -> int:
        """Index of the line that a place in the buffer belongs to."""
        return bisect_right(self.starts, offset) - 1

    def streams(self) -> dict[str | None, list[int]]:
        """Indices of the lines that each rank wrote; None for those of no known rank."""
        found: dict[str | None, list[int]] = {}
        for index, line in enumerate(self.lines):
            found.setdefault(line.rank, []).append(index)
        return found


def shortened(lines: Sequence[str], limit: int = 300) -> tuple[str, ...]:
    """Lines as a verdict shows them."""
    return tuple(line.strip()[:limit] for line in lines)
