"""Takes secrets and internals out of text and data that leave the process."""

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "[redacted]"
LONGEST = 200
DEEPEST = 8

_SECRET_KEY = re.compile(
    r"pass(word|wd|phrase)?$|secret|token$|api[-_]?key|access[-_]?key|private[-_]?key|authorization|cookie|credential|dsn$",
    re.IGNORECASE,
)
_SECRETS = re.compile(
    "|".join(
        (
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)",
            r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
            r"\bgh[pousr]_[A-Za-z0-9]{20,}",
            r"\bgithub_pat_[A-Za-z0-9_]{20,}",
            r"\bglpat-[A-Za-z0-9_\-]{16,}",
            r"\bhf_[A-Za-z0-9]{20,}",
            r"\bsk-(?:ant-|proj-)?[A-Za-z0-9_\-]{16,}",
            r"\bxox[abprs]-[A-Za-z0-9\-]{10,}",
            r"\bAIza[A-Za-z0-9_\-]{30,}",
            r"\bvtpa_\S+",
            r"\beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]*",
            r"(?i:\b(?:bearer|basic)\s+[A-Za-z0-9._~+/\-]{8,}=*)",
        )
    )
)
_URL_LOGIN = re.compile(r"\b([a-z][a-z0-9+.\-]*://)[^\s/@:]*:[^\s@]*@", re.IGNORECASE)
_ASSIGNED = re.compile(
    r"(?i)\b((?:[a-z0-9]+[_\-])*(?:password|passwd|secret|token|api[_\-]?key|access[_\-]?key|aws_secret_access_key))"
    r"(\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|[^\s,;&]+)"
)
_ABSOLUTE_PATH = re.compile(r"(?<![\w/:.~])(?:/[\w.@+\-]+){2,}/?|\b[A-Za-z]:\\[^\s'\"]+")
_SQL = re.compile(
    r"\b(?:SELECT\b.+?\bFROM|INSERT\s+INTO|UPDATE\b.+?\bSET|DELETE\s+FROM|CREATE\s+TABLE|DROP\s+TABLE)\b.*",
    re.IGNORECASE | re.DOTALL,
)
_STACK = re.compile(r"Traceback \(most recent call last\):[\s\S]*|\s*File \"[^\"]+\", line \d+.*")


def redact_text(text: str) -> str:
    """`text` without secrets: keys, tokens, passwords in addresses and assignments."""
    text = _SECRETS.sub(HIDDEN, text)
    text = _URL_LOGIN.sub(rf"\1{HIDDEN}@", text)
    return _ASSIGNED.sub(rf"\1\2{HIDDEN}", text)


def public_text(text: str, longest: int = LONGEST) -> str:
    """`text` fit for users: without secrets, absolute paths, SQL and stack traces, cut at `longest` characters."""
    text = _STACK.sub("", redact_text(text))
    text = _SQL.sub("…", text)
    text = _ABSOLUTE_PATH.sub(_last_part, text)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _last_part(match: re.Match[str]) -> str:
    return re.split(r"[/\\]", match[0].rstrip("/\\"))[-1]


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


def public_value(value: Any, depth: int = 0) -> Any:
    """A parameter fit for users: plain JSON values, texts by `public_text`, anything else by its kind only."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return public_text(value)
    if depth < 2 and isinstance(value, list | tuple):
        return [public_value(item, depth + 1) for item in value[:20]]
    if depth < 2 and isinstance(value, Mapping):
        return {public_text(str(key)): public_value(item, depth + 1) for key, item in list(value.items())[:20]}
    return type(value).__name__
