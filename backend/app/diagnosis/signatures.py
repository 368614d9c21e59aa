"""The signatures, read from ``signatures.toml`` and matched in linear time."""

import functools
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import re2


@dataclass(frozen=True, slots=True)
class Signature:
    """A form that a failure takes in a log: its code, how telling it is, whether it can be the cause (role)."""

    code: str
    priority: int
    role: str
    pattern: str
    hits: tuple[str, ...]
    misses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hit:
    """A line that a signature matched: number of the line from the start, its text, the entity that it names."""

    signature: Signature
    line: int
    text: str
    entity: str | None


@functools.cache
def signatures() -> tuple[Signature, ...]:
    """All signatures, in the order of the file."""
    text = (Path(__file__).parent / "signatures.toml").read_text(encoding="utf-8")
    return tuple(
        Signature(row["code"], row["priority"], row["role"], row["pattern"], tuple(row["hits"]), tuple(row["misses"]))
        for row in tomllib.loads(text)["signature"]
    )


@functools.cache
def _automaton() -> Any:
    """All signatures as one automaton: tells of a line which of them match, in time linear in its length."""
    options = re2.Options()
    options.log_errors = False
    automaton = re2.Set.SearchSet(options)
    for signature in signatures():
        automaton.Add(signature.pattern)
    automaton.Compile()
    return automaton


@functools.cache
def _compiled(pattern: str) -> Any:
    return re2.compile(pattern)


def _entity(signature: Signature, line: str) -> str | None:
    if "(?P<entity" not in signature.pattern:
        return None
    found = _compiled(signature.pattern).search(line)
    named = found.groupdict() if found else {}
    return next((value for name, value in named.items() if name.startswith("entity") and value), None)


def match(lines: Sequence[str]) -> Iterator[Hit]:
    """Every hit of every signature, line by line."""
    automaton, known = _automaton(), signatures()
    for number, line in enumerate(lines):
        for index in automaton.Match(line) or ():
            signature = known[index]
            yield Hit(signature, number, line, _entity(signature, line))
