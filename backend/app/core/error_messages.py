"""The registry of failure codes: one row a code, read from ``codes.toml``, and the texts made from it.

Everything that depends on a code (HTTP status, message, documentation page, metric label, reaction) comes from here.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from string import Formatter
from typing import Any

from app.core.fixes import fixes_for

__all__ = ["ERROR_MESSAGES", "REGISTRY", "ErrorRow", "fill_texts", "fixes_for", "format_error_message"]

OPTIONAL_PARTS = frozenset({"at_epoch", "by_signal", "did_you_mean", "first", "limit", "claimed"})
"""Placeholders that stand for a whole part of a sentence, or for nothing."""
LONGEST_VALUE = 200


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """What the registry says of one code.

    `http` is None where the code only ends trainings; `params` are the only details that may leave the platform;
    the neutral texts serve where a value that the usual text shows is missing.
    """

    code: str
    type: str
    severity: str
    causer: str
    reaction: str
    title: str
    message: str
    action: str
    params: tuple[str, ...]
    budget: str | None = None
    http: int | None = None
    neutral_message: str | None = None
    neutral_action: str | None = None
    wait_helps: bool = False

    @property
    def retryable(self) -> bool:
        """Whether trying the same again can help."""
        return self.type == "transient" or self.reaction in ("retry", "elsewhere") or self.wait_helps

    def to_dict(self) -> dict[str, Any]:
        """The row as the API lists it."""
        return {**asdict(self), "retryable": self.retryable, "doc_url": f"/errors/{self.code}"}


def _load() -> dict[str, ErrorRow]:
    text = (Path(__file__).parent / "codes.toml").read_text(encoding="utf-8")
    rows = tomllib.loads(text)
    return {code: ErrorRow(code=code, **{**row, "params": tuple(row["params"])}) for code, row in rows.items()}


REGISTRY: dict[str, ErrorRow] = _load()
ERROR_MESSAGES: dict[str, dict[str, str]] = {
    code: {"message": row.message, "action": row.action} for code, row in REGISTRY.items()
}
_FORMATTER = Formatter()


def _value(value: object) -> str:
    """A value as a text shows it: short, on one line."""
    try:
        if isinstance(value, float):
            value = f"{value:g}"
        elif isinstance(value, list | tuple | set):
            value = ", ".join(str(item) for item in value)
        text = " ".join(str(value).split())
    except Exception:  # noqa: BLE001 - the text of an error must come out, whatever a value's own methods raise
        text = type(value).__name__
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


def _fill(template: str, neutral: str | None, values: Mapping[str, Any]) -> str:
    """`template` with its placeholders filled; the neutral text where a value is missing."""
    filled: list[str] = []
    for literal, name, _, _ in _FORMATTER.parse(template):
        filled.append(literal)
        if name is None:
            continue
        value = values.get(name)
        if value is None and name in OPTIONAL_PARTS and neutral is None:
            continue
        if value is None:
            return neutral if neutral is not None else template.replace("{" + name + "}", "…")
        filled.append(_value(value))
    return "".join(filled)


def fill_texts(row: ErrorRow, values: Mapping[str, Any]) -> tuple[str, str]:
    """Message and suggested action of a row, filled with `values`; neutral wording where one is missing."""
    return _fill(row.message, row.neutral_message, values), _fill(row.action, row.neutral_action, values)


def format_error_message(error_code: str, **kwargs: Any) -> tuple[str, str]:
    """Message and suggested action of a code, filled with the given values.

    Total: an unknown code gives SYSTEM_ERROR's text, a missing value the neutral wording; nothing is raised.
    """
    row = REGISTRY.get(error_code) if isinstance(error_code, str) else None
    return fill_texts(row or REGISTRY["SYSTEM_ERROR"], kwargs)
