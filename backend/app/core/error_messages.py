"""The registry of failure codes: one row a code, read from ``codes.toml``, and the texts made from it.

Everything that depends on a code (HTTP status, message, documentation page, metric label, reaction) comes from here.
"""

import signal
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from operator import itemgetter
from pathlib import Path
from string import Formatter
from typing import Any

from app.core.fixes import fixes_for
from app.core.redact import public_text

__all__ = ["ERROR_MESSAGES", "REGISTRY", "ErrorRow", "fill_texts", "fixes_for", "format_error_message", "public_texts"]

LONGEST_MESSAGE = 99
"""Characters of a message with its values filled in; longer values are cut, they stand in full beside the message."""
LONGEST_VALUE = 200


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """What the registry says of one code.

    `http` is None where the code only ends trainings; `params` are the only details that may leave the platform;
    the neutral texts serve where a value that the usual text shows is missing; `fixes` are the ids of what can be offered
    (``*`` stands for a name); `runbook` is set where people are paged.
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
    fixes: tuple[str, ...] = ()
    runbook: str | None = None
    doc_url: str = ""

    @property
    def retryable(self) -> bool:
        """Whether trying the same again can help."""
        return self.type == "transient" or self.reaction in ("retry", "elsewhere") or self.wait_helps

    def to_dict(self) -> dict[str, Any]:
        """The row as the API lists it."""
        return {**asdict(self), "retryable": self.retryable}


def _load() -> dict[str, ErrorRow]:
    text = (Path(__file__).parent / "codes.toml").read_text(encoding="utf-8")
    rows = tomllib.loads(text)
    return {
        code: ErrorRow(code=code, doc_url=f"/errors/{code}", **{key: _frozen(value) for key, value in row.items()})
        for code, row in rows.items()
    }


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


REGISTRY: dict[str, ErrorRow] = _load()
ERROR_MESSAGES: dict[str, dict[str, str]] = {
    code: {"message": row.message, "action": row.action} for code, row in REGISTRY.items()
}
_FORMATTER = Formatter()


def _text(values: Mapping[str, Any], name: str) -> str:
    """A value as text; empty where there is none, or nothing to say of it."""
    value = values.get(name)
    text = "" if value is None else _value(value)
    return "" if text == "0" else text


def _part(before: str, name: str, after: str = "") -> Callable[[Mapping[str, Any]], str]:
    """A part of a sentence around the value `name`; empty without it."""

    def make(values: Mapping[str, Any]) -> str:
        text = _text(values, name)
        return f"{before}{text}{after}" if text else ""

    return make


def _first(values: Mapping[str, Any]) -> str:
    text = _text(values, "first")
    return f" {text}" if text.startswith("(") else text


def _by_signal(values: Mapping[str, Any]) -> str:
    number = values.get("signal")
    if type(number) is not int or number <= 0:
        return ""
    known = number in set(signal.Signals)
    return f" ({signal.Signals(number).name})" if known else f" (signal {_value(number)})"


def _for_example(values: Mapping[str, Any]) -> str:
    names = values.get("suggestions")
    if not isinstance(names, list | tuple) or not names:
        return ""
    return ", for example " + " or ".join(f"`{_value(name)}`" for name in names[:3])


_PARTS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "at_epoch": _part(" at epoch ", "epoch"),
    "by_signal": _by_signal,
    "of_limit": _part(" of ", "max_duration_s", " s"),
    "claimed": _part(" (the trainer said ", "claimed_code", ")"),
    "for_example": _for_example,
    "first": _first,
}
"""Placeholders that stand for a whole part of a sentence, made from declared values, or for nothing."""


def _value(value: object) -> str:
    """A value as a text shows it: short, on one line, fit for users. It is cleaned whole: a cut could hide what to clean."""
    if type(value) is str:
        text = value
    elif isinstance(value, float):
        text = f"{value:g}"
    elif isinstance(value, list | tuple | set):
        return _cut(", ".join(_value(item) for item in value))
    elif isinstance(value, Mapping):
        return "…"
    else:
        try:
            text = str(value)
        except Exception:  # noqa: BLE001 - the text of an error must come out, whatever a value's own methods raise
            text = type(value).__name__
    return _cut(" ".join(public_text(text, len(text)).split()))


def _shown(value: object) -> str:
    """A value that is fit for users, on one line."""
    if type(value) is not str:
        return _value(value)
    return " ".join(value.split()) if " " in value or not value.isprintable() else value


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


def _shortened(literals: Sequence[str], values: Sequence[str], longest: int) -> str:
    """Literals and values in turn; where they exceed `longest`, the longest values are cut to one length."""
    room, most = longest - sum(map(len, literals)), LONGEST_VALUE
    while most > 1 and sum(min(len(value), most) for value in values) > room:
        most -= 1
    cut = [value if len(value) <= most else value[: most - 1] + "…" for value in values]
    return "".join(literal + value for literal, value in zip(literals, [*cut, ""], strict=True))


_Slot = tuple[str, Callable[[Mapping[str, Any]], str] | None]
"""A placeholder, and what makes its part of the sentence where it stands for one."""


@cache
def _parsed(template: str) -> tuple[str, tuple[_Slot, ...], tuple[str, ...]]:
    """A template as a % format, its placeholders, and the literals between them."""
    literals: list[str] = [""]
    slots: list[_Slot] = []
    for literal, name, _, _ in _FORMATTER.parse(template):
        literals[-1] += literal
        if name is not None:
            slots.append((name, _PARTS.get(name)))
            literals.append("")
    return "%s".join(literal.replace("%", "%%") for literal in literals), tuple(slots), tuple(literals)


def _fill(template: str, neutral: str | None, given: Mapping[str, Any], longest: int, *, clean: bool = False) -> str:
    """`template` with its placeholders filled; the neutral text where a value is missing. `clean` values are so already."""
    form, slots, literals = _parsed(template)
    values = []
    for name, part in slots:
        value = given.get(name) if part is None else part(given)
        if value is None:
            return neutral or template
        values.append((_shown(value) if clean else _value(value)) if part is None else value)
    whole = form % tuple(values)
    return whole if len(whole) <= longest else _shortened(literals, values, longest)


_Form = tuple[str, Callable[[Mapping[str, Any]], Any]]
"""A template as a % format, and what takes its values."""


def _plain_form(template: str) -> _Form | None:
    """None where a placeholder stands for a part of a sentence."""
    form, slots, _ = _parsed(template)
    if any(part is not None for _, part in slots):
        return None
    return form, itemgetter(*(name for name, _ in slots)) if slots else lambda _given: ()


@cache
def _plain_forms(row_code: str) -> tuple[_Form, _Form] | None:
    """A row's message and action; None where values alone do not fill both."""
    row = REGISTRY[row_code]
    message, action = _plain_form(row.message), _plain_form(row.action)
    return None if message is None or action is None else (message, action)


def fill_texts(row: ErrorRow, values: Mapping[str, Any]) -> tuple[str, str]:
    """Message and suggested action of a row, filled with `values`; neutral wording where one is missing."""
    message = _fill(row.message, row.neutral_message, values, LONGEST_MESSAGE)
    return message, _fill(row.action, row.neutral_action, values, LONGEST_VALUE)


def public_texts(row: ErrorRow, params: Mapping[str, Any], *, plain: bool = False) -> tuple[str, str]:
    """Message and suggested action of a row, filled with parameters that `app.core.redact.plain_params` has cleaned.

    Where all of them are `plain`, short words that a sentence can take as they are, this is done at once.
    """
    if plain and (forms := _plain_forms(row.code)) is not None:
        (message_form, of_message), (action_form, of_action) = forms
        try:
            message: str = message_form % of_message(params)
            action: str = action_form % of_action(params)
        except KeyError:
            pass  # a value is missing, for which there is the neutral wording below
        else:
            if len(message) <= LONGEST_MESSAGE and len(action) <= LONGEST_VALUE:
                return message, action
    message = _fill(row.message, row.neutral_message, params, LONGEST_MESSAGE, clean=True)
    return message, _fill(row.action, row.neutral_action, params, LONGEST_VALUE, clean=True)


def format_error_message(error_code: str | None = None, /, **kwargs: Any) -> tuple[str, str]:
    """Message and suggested action of a code, filled with the given values.

    Total: an unknown code gives SYSTEM_ERROR's text, a missing value the neutral wording; nothing is raised. The code may
    also be given by name, ``error_code``.
    """
    code = kwargs.get("error_code") if error_code is None else error_code
    row = REGISTRY.get(code) if isinstance(code, str) else None
    return fill_texts(row or REGISTRY["SYSTEM_ERROR"], kwargs)
