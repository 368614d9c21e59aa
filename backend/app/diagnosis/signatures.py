"""The signatures, read from ``signatures.toml`` and ``vocabulary.toml``, matched in linear time: one automaton says which
occur in a text."""

import functools
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import re2

ROLES = ("root", "confirmation", "echo", "cascade", "advice")
SCOPES = ("exception", "line", "always")
DECIDES = 8
"""Tens of a priority from which the first line of an exception decides."""
MOST_HITS = 60
"""Places of one signature that are looked at: logs of many ranks repeat themselves."""
AUTOMATON_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Signature:
    """A form that a failure takes in a log.

    `role`: ``root`` may be the cause; ``confirmation`` tells why a process was killed; ``echo`` names an end that another
    line tells better; ``cascade`` follows from the failure of another process; ``advice`` is no failure.
    `scope`: ``exception`` counts in the text of an exception, ``line`` in any line that is no warning, ``always`` anywhere.
    `frames` is what the traceback above an exception has to contain.
    """

    number: int
    code: str
    priority: int
    role: str
    scope: str
    pattern: str
    frames: str | None
    hits: tuple[str, ...]
    misses: tuple[str, ...]

    @property
    def has_entity(self) -> bool:
        """Whether the pattern names what the failure is about."""
        return "(?P<entity" in self.pattern


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parent / name).read_text(encoding="utf-8"))


def _spelt_out(pattern: str, words: dict[str, str]) -> str:
    """A pattern with the names in angle brackets replaced by the words that they stand for."""
    return re.sub("<<([A-Z_]+)>>", lambda name: words[name[1]], pattern)


@functools.cache
def signatures() -> tuple[Signature, ...]:
    """All signatures, in the order of the files."""
    known = _read("signatures.toml")["signature"]
    general = _read("vocabulary.toml")
    return tuple(
        Signature(
            number,
            row["code"],
            row["priority"],
            row.get("role", "root"),
            row.get("scope", "exception"),
            _spelt_out(row["pattern"].replace("\n", ""), general["words"]),
            row.get("frames"),
            tuple(row["hits"]),
            tuple(row["misses"]),
        )
        for number, row in enumerate([*known, *general["signature"]])
    )


@functools.cache
def entity_patterns() -> dict[str, str]:
    """For each code, where its text names what it is about."""
    return dict(_read("signatures.toml")["entities"])


def _options() -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = AUTOMATON_BYTES
    return options


@functools.cache
def _automaton() -> Any:
    automaton = re2.Set.SearchSet(_options())
    for signature in signatures():
        automaton.Add(f"(?m:{signature.pattern})")
    automaton.Compile()
    return automaton


@functools.cache
def compiled(pattern: str) -> Any:
    """A pattern for texts as bytes, ``^`` and ``$`` at every line."""
    return re2.compile(f"(?m:{pattern})".encode(), _options())


def occurring(text: bytes) -> list[Signature]:
    """The signatures that occur anywhere in a text, in time linear in its length."""
    known = signatures()
    return [known[index] for index in sorted(_automaton().Match(text) or ())]


def places(signature: Signature, text: bytes) -> Iterator[int]:
    """Where a signature occurs: offsets of the first `MOST_HITS` places."""
    found = compiled(signature.pattern).finditer(text)
    return (match.start() for match in islice(found, MOST_HITS))


def _named(pattern: str, text: bytes) -> str | None:
    found = compiled(pattern).search(text)
    if found is None:
        return None
    value = next((value for value in found.groups() if value), None)
    return _tidy(value) if value else None


def _tidy(value: bytes) -> str:
    """A name without the full stop of the sentence that it ends."""
    return str(value.decode("utf-8", "replace")).strip().rstrip(".,;:")


def entity_of(code: str, signature: Signature | None, text: str) -> str | None:
    """What a failure's text is about: the signature's own group, else where texts of that code name it."""
    raw = text.encode("utf-8", "replace")
    if signature is not None and signature.has_entity:
        found = compiled(signature.pattern).search(raw)
        named = found.groupdict() if found else {}
        value = next((value for value in named.values() if value), None)
        if value:
            return _tidy(value)
    pattern = entity_patterns().get(code)
    return _named(pattern, raw) if pattern else None


ABOUT_FILES = frozenset(
    {
        "DISK_FULL",
        "CHECKPOINT_INVALID",
        "DATASET_BROKEN",
        "DATASET_NOT_FOUND",
        "DATASET_INVALID_FORMAT",
        "FILE_PERMISSION_DENIED",
    }
)
_FILE = re.compile(
    r"(?<![\w./-])((?:[\w.~-]*/)*[\w.-]+\.(?:pt|pth|ckpt|safetensors|h5|hdf5|keras|npy|npz|csv|tsv|jsonl?|ya?ml|jpe?g|png|bmp|tiff?"
    r"|webp|gif|zip|tar|tgz|gz|pkl|msgpack|bin|txt|log|parquet|tfrecords?|xml|idx|rec|mp4|dcm|db|arrow))(?![\w(])"
)
_UNREAD = re.compile(
    r"\b(?:can(?:no|')t|could not|unable|no \w+ found|fail\w*|error|corrupt\w*|truncated|bad|invalid"
    r"|while (?:read|load|process)ing)\b",
    re.IGNORECASE,
)
_SOURCE = re.compile(r"^ {4,}(.*)$", re.MULTILINE)


def file_in(code: str, text: str, frames: str) -> str | None:
    """The file that a failure about files is about: named by its text, else by the source lines that led to it."""
    if code not in ABOUT_FILES:
        return None
    found = _FILE.search(text.partition(": ")[2])
    if found is None:
        quoted = (_FILE.search(line) for line in reversed(_SOURCE.findall(frames)) if "'" in line or '"' in line)
        found = next((place for place in quoted if place is not None), None)
    return found[1] if found is not None else None


def file_before(code: str, lines: list[str]) -> str | None:
    """The file that the last of these lines, right before a failure about files, says could not be read."""
    told = (line for line in reversed(lines) if _UNREAD.search(line))
    return next((name for line in told if (name := file_in(code, f": {line}", ""))), None)


def match_text(text: str, frames: str = "") -> list[Signature]:
    """The signatures of an exception's text, below these frames; its first line outweighs the ones after it."""
    raw = text.encode("utf-8", "replace")
    found = [sign for sign in occurring(raw) if frames_fit(sign, frames)]
    head = raw.find(b"\n")
    if head < 0 or len(found) < 2:
        return found
    first = [sign for sign in found if next(places(sign, raw), head) < head]
    tier = max((sign.priority // 10 for sign in first if sign.role == "root"), default=0)
    if tier < DECIDES:
        return found
    return [sign for sign in found if sign in first or sign.priority // 10 > tier]


def frames_fit(signature: Signature, frames: str) -> bool:
    """Whether the traceback above an exception is one that the signature asks for."""
    return signature.frames is None or compiled(signature.frames).search(frames.encode("utf-8", "replace")) is not None
