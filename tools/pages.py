"""The pages of codes: what has to be on them, and examples that are made by the code that they are about."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.core.error_messages import REGISTRY, ErrorRow
from app.core.errors import FieldError, PlatformError
from app.core.fixes import fixes_for
from app.core.responses import public
from app.diagnosis.diagnose import diagnose
from app.diagnosis.evidence import Evidence

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "errors"
HEADINGS = ("Meaning", "Causes", "How to tell", "Fixes", "Example")
SHOWN = ("code", "message", "suggested_action", "entity", "evidence", "fixes")
TIME, TRACE_ID = "2026-11-23T16:20:31.123Z", "4bf92f3577b34da6a3ce929d0e0e4736"
LINE = 110
_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class PageError(Exception):
    """A page does not show what it should; the message names it."""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language with what follows it, and its contents."""

    language: str
    text: str


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    return [Block(match[1].strip(), match[2]) for match in _FENCE.finditer(text)]


def headings(text: str, level: int = 2) -> list[str]:
    """The headings of a level, outside of blocks."""
    return re.findall(rf"^{'#' * level} (.+)$", _FENCE.sub("", text), re.MULTILINE)


def evidence_dict(text: str) -> dict[str, Any] | None:
    """What the example of a page knows of a failed attempt: its log and other evidence; None for an answer to a request."""
    found = blocks(text)
    log = next((block.text for block in found if block.language == "log"), None)
    more = next((block.text for block in found if block.language == "json evidence"), None)
    if log is None and more is None:
        return None
    return {**(json.loads(more) if more else {}), "log": log or ""}


def diagnosis_example(code: str, text: str) -> str:
    """The verdict on the example of a page, as JSON.

    Raises:
        PageError: it is another code's.
    """
    evidence = evidence_dict(text)
    if evidence is None:
        message = f"{code}.md has a verdict and no evidence"
        raise PageError(message)
    found = diagnose(Evidence.from_dict(evidence)).to_dict()
    if found["code"] != code:
        message = f"the example of {code}.md is diagnosed as {found['code']}: {found['evidence']}"
        raise PageError(message)
    return _json({key: found[key] for key in SHOWN}) + "\n"


def error_example(code: str, body: str) -> str:
    """The answer with the parameters and field errors that stand in `body`, as the platform would give it now."""
    given = json.loads(body)["error"]
    errors = [FieldError(**item) for item in given.get("errors", ())]
    params = given["params"]
    error = PlatformError.from_code(code, params, errors=errors, fixes=fixes_for(code, params))
    return _json({"error": public(error, at=TIME, trace_id=TRACE_ID)}) + "\n"


def _json(value: Any, indent: int = 0, *, whole: bool = True) -> str:
    """JSON as a person reads it: what fits on a line stands on one."""
    flat = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or not value or (not whole and indent + len(flat) <= LINE):
        return flat
    inner = " " * (indent + 2)
    parts = (
        [f"{inner}{json.dumps(key)}: {_json(item, indent + 2, whole=False)}" for key, item in value.items()]
        if isinstance(value, dict)
        else [f"{inner}{_json(item, indent + 2, whole=False)}" for item in value]
    )
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return opening + "\n" + ",\n".join(parts) + f"\n{' ' * indent}{closing}"


def refreshed(code: str, text: str) -> str:
    """The page with its examples made anew.

    Raises:
        PageError: the example is not one of this code.
    """

    def renew(match: re.Match[str]) -> str:
        language, body = match[1].strip(), match[2]
        if language == "json evidence":
            body = _json(json.loads(body)) + "\n"
        elif language == "json diagnosis":
            body = diagnosis_example(code, text)
        elif language == "json error":
            body = error_example(code, body)
        return f"```{match[1]}\n{body}```"

    return _FENCE.sub(renew, text)


def _group(row: ErrorRow) -> str:
    """The part of the table of all codes that a code stands in."""
    if row.code.startswith("DATASET_"):
        return "Data sets"
    if row.causer == "dependency" or row.code == "SYSTEM_ERROR":
        return "The platform and what it depends on"
    return "Trainings" if row.http is None or row.code.startswith("TRAINER_") else "Requests"


def index() -> str:
    """The table of all codes, in groups."""
    lines = [
        "# Failure codes",
        "",
        "Made by `make generate` from `backend/app/core/codes.toml`. A code is never renamed or reused.",
    ]
    for group in ("Trainings", "Data sets", "Requests", "The platform and what it depends on"):
        head = ("code", "what happened", "type", "severity", "whose", "reaction", "HTTP")
        lines += ["", f"## {group}", "", f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
        for row in REGISTRY.values():
            if _group(row) == group:
                link = f"[{row.code}]({row.code}.md)"
                cells = (link, row.title, row.type, row.severity, row.causer, row.reaction, str(row.http or "–"))
                lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])
