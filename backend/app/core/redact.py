"""Takes secrets and internals out of text and data that leave the process."""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from app.core.secret_forms import EMAIL, FILE_ENDINGS, KEY_BLOCKS, NAMED, SCHEME, TOKENS, URL_LOGIN

HIDDEN = "[redacted]"
_HIDDEN = HIDDEN.encode()
_PORT = re.compile(rb"\d{1,5}/")
LONGEST = 200
DEEPEST = 8
MOST_ITEMS = 20
"""Entries of a list or mapping that a parameter shows."""

_SECRET_KEY = re.compile(
    r"pass(word|wd|phrase)?$|secret|token$|api[-_]?key|access[-_]?key|private[-_]?key|authorization|cookie|credential|dsn$",
    re.IGNORECASE,
)
_FILE_ADDRESS = re.compile(r"\bfile:/+[^\s'\"]+", re.IGNORECASE)
_ABSOLUTE_PATH = re.compile(
    # Not the paths of our own interface, nor the name of shared memory that a message of the catalogue explains.
    r"(?<![\w/.~])(?!//)(?!/(?:api/v1|ws|errors|dev/shm)\b)(?:/[\w.@+\-]+){2,}/?|\b[A-Za-z]:\\[^\s'\"]+|\\\\[\w.\-]+\\[^\s'\"]+"
)
_SQL = re.compile(
    r"\[SQL:[\s\S]*|\[parameters:[\s\S]*|"
    r"\b(?:SELECT\b[\s\S]+?\bFROM\b|INSERT\s+INTO\b|UPDATE\b[\s\S]+?\bSET\b|DELETE\s+FROM\b|(?:CREATE|DROP|ALTER)\s+TABLE\b)[\s\S]*|"
    # In lower case only what cannot be an English sentence such as "select one from the list".
    r"(?i:\bselect\s[^.]+?\sfrom\s+\w+\s+(?:where|join|limit|order\s+by|group\s+by)\b[\s\S]*|\binsert\s+into\s+\w+\s*\([\s\S]*|"
    r"\bupdate\s+\w+\s+set\s+\w+\s*=[\s\S]*|\bdelete\s+from\s+\w+\s+where\b[\s\S]*|\bdrop\s+table\s+\w+[\s\S]*)"
)
_STACK = re.compile(r"Traceback \(most recent call last\):[\s\S]*|\s*File \"[^\"]+\", line \d+.*(?:\n[ \t]+.*)*")
SHORTEST_SECRET = 10
"""A run of letters and digits shorter than this is no secret of any known form."""
_MARKS = re.compile(r"[/\\=:@\"'\[]|[A-Za-z0-9_\-]{10}")
_harmless = re.compile(rf"[A-Za-z0-9_.\-]{{0,{SHORTEST_SECRET - 1}}}").fullmatch
"""Matches most names and ids: too short for a secret, without what a path, an address or an assignment needs."""
_TOO_LARGE = 2**63


@lru_cache(maxsize=1)
def _forms() -> tuple[Any, list[tuple[Any, Callable[[Any], bytes]]]]:
    """One expression that says whether any secret may be in a text, and for each form what finds it and what stays of it.

    Made on first use: the command line starts without.
    """
    import re2

    options = re2.Options()
    options.log_errors, options.max_mem = False, 64 << 20
    options.encoding = re2.Options.Encoding.LATIN1
    forms: list[tuple[str, Callable[[Any], bytes]]] = [
        ("|".join(KEY_BLOCKS), _all_of),
        (URL_LOGIN[0], lambda match: match[1] + _HIDDEN + b"@"),
        (URL_LOGIN[1], lambda match: match[0] if _PORT.match(match[2]) else match[1] + _HIDDEN + b"@"),
        *((form, _after_its_name) for form in NAMED),
        ("|".join(TOKENS), _all_of),
        (SCHEME, lambda match: _HIDDEN if _looks_random(match[3]) else match[0]),
        (EMAIL, lambda match: match[0] if match[1].decode().lower() in FILE_ENDINGS else _HIDDEN),
    ]
    any_of = re2.compile("|".join(f"(?:{form})" for form, _ in forms).encode(), options)
    return any_of, [(re2.compile(form.encode(), options), put) for form, put in forms]


def _all_of(_match: Any) -> bytes:
    return _HIDDEN


def _after_its_name(match: Any) -> bytes:
    kept: bytes = match[1]
    return kept + _HIDDEN


def _looks_random(word: bytes) -> bool:
    """Whether a word is none of a language: digits, padding, or capitals within."""
    return not (word.isalpha() and (word[1:].islower() or word.isupper()))


def redact_text(text: str) -> str:
    """`text` without secrets: keys, tokens, passwords in addresses and assignments, mail addresses. Linear in its length."""
    any_of, forms = _forms()
    given = text.encode("utf-8", "surrogatepass")
    if any_of.search(given) is None:
        return text
    for form, put in forms:
        given = form.sub(put, given)
    return given.decode("utf-8", "surrogatepass")


def public_text(text: str, longest: int = LONGEST) -> str:
    """`text` fit for users: without secrets, absolute paths, SQL and stack traces, cut at `longest` characters."""
    if longest >= SHORTEST_SECRET and _harmless(text) is not None:
        return text
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()
    if _MARKS.search(text) is not None or (len(text) >= SHORTEST_SECRET and _has_word(text)):
        text = _cleaned(text) if len(text) <= LONGEST else _clean(text)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _has_word(text: str) -> bool:
    """Whether a word occurs with which SQL or a login may begin. Written out: this runs for every text of every error."""
    low = text.lower()
    return (
        "bearer" in low
        or "basic" in low
        or "select" in low
        or "insert" in low
        or "update" in low
        or "delete" in low
        or "table" in low
    )


def _clean(text: str) -> str:
    text = _STACK.sub("", redact_text(text))
    text = _SQL.sub("…", text)
    return _ABSOLUTE_PATH.sub(_last_part, _FILE_ADDRESS.sub(_last_part, text))


_cleaned = lru_cache(maxsize=512)(_clean)


def _last_part(match: re.Match[str]) -> str:
    return re.split(r"[/\\]", match[0].rstrip("/\\"))[-1]


def public_pointer(pointer: str) -> str:
    """A JSON pointer fit for users: slashes belong to it, so only secrets are taken out."""
    return redact_text(pointer.encode("utf-8", "replace").decode())[:LONGEST]


def redact(value: Any, depth: int = 0) -> Any:
    """`value` with secrets replaced at any depth, by key name and by form; other values as they are."""
    if depth > DEEPEST:
        return "…"
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return {
            key: HIDDEN if isinstance(key, str) and _SECRET_KEY.search(key) else redact(item, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(item, depth + 1) for item in value]
    return value


def _number(value: float) -> Any:
    """A number as JSON can carry it; others (not finite, over 64 bits) as text."""
    if isinstance(value, float):
        return value if value - value == 0 else str(value)
    if -_TOO_LARGE <= value < _TOO_LARGE:
        return value
    return str(value) if abs(value) < 10**LONGEST else "int"


def public_value(value: Any, depth: int = 0) -> Any:
    """A parameter fit for users: plain JSON values, texts by `public_text`, anything else by its kind only."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return public_text(value)
    if isinstance(value, int | float):
        return _number(value)
    if depth < 2 and isinstance(value, list | tuple):
        return [public_value(item, depth + 1) for item in value[:MOST_ITEMS]]
    if depth < 2 and isinstance(value, Mapping):
        return {
            public_text(key): HIDDEN if _SECRET_KEY.search(key) else public_value(item, depth + 1)
            for key, item in list(value.items())[:MOST_ITEMS]
            if isinstance(key, str)
        }
    return type(value).__name__


def is_public(value: Any, depth: int = 0) -> bool:
    """Whether `value` may leave as it is: plain JSON values without anything that `public_text` would take out."""
    if value is None or isinstance(value, bool):
        return True
    if isinstance(value, str):
        return public_text(value, len(value)) == value
    if isinstance(value, int | float):
        return bool(public_value(value) == value)
    if depth > DEEPEST:
        return False
    if isinstance(value, Mapping):
        return all(
            isinstance(key, str) and not _SECRET_KEY.search(key) and is_public(item, depth + 1)
            for key, item in value.items()
        )
    return isinstance(value, list | tuple) and all(is_public(item, depth + 1) for item in value)


def plain_params(declared: Iterable[str], context: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """The declared details of an error, fit for users, and whether all are short plain words, which a sentence can take as
    they are. A value of a field with a secret's name is not shown."""
    shown: dict[str, Any] = {}
    plain = True
    for name in declared:
        value = context.get(name)
        if value is None:
            continue
        if type(value) is str and _harmless(value) is not None:
            shown[name] = value
        else:
            shown[name] = public_value(value)
            plain = False
    if "field" in shown and "value" in shown and _SECRET_KEY.search(str(shown["field"])):
        shown["value"], plain = HIDDEN, False
    return shown, plain
