"""The registry's rows and the texts made from them."""

import re
from string import Formatter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.error_messages import (
    _PARTS,
    ERROR_MESSAGES,
    LONGEST_MESSAGE,
    REGISTRY,
    ErrorRow,
    fill_texts,
    format_error_message,
)

# The design document's nine templates, word for word.
DOCUMENTED = {
    "CUDA_OOM": (
        "Training failed due to insufficient GPU memory.",
        "Try reducing batch size (currently {batch_size}) or use a smaller model.",
    ),
    "DATASET_NOT_FOUND": (
        "The dataset you selected no longer exists.",
        "Please select a different dataset or upload a new one.",
    ),
    "INVALID_CONFIG": (
        "Training configuration has errors: {details}",
        "Please review your configuration and correct the highlighted fields.",
    ),
    "TRAINER_UNREACHABLE": (
        "Unable to start training at this time.",
        "Our system is temporarily busy. Please try again in a few minutes.",
    ),
    "DATASET_INVALID_FORMAT": (
        "Dataset format is invalid: {details}",
        "Please ensure your dataset follows the {format} format specification.",
    ),
    "DATASET_TOO_LARGE": (
        "Dataset size ({size_gb}GB) exceeds your limit of {limit_gb}GB.",
        "Delete unused datasets or upgrade your plan for more storage.",
    ),
    "INSUFFICIENT_PERMISSIONS": (
        "You don't have permission to {action}.",
        "Contact your project owner to request access.",
    ),
    "QUOTA_EXCEEDED": (
        "You've reached your limit of {limit} {resource}.",
        "Delete unused {resource} or upgrade to increase your limit.",
    ),
    "SYSTEM_ERROR": (
        "An unexpected error occurred (ID: {trace_id}).",
        "Our team has been notified. Please try again or contact support with this error ID.",
    ),
}
REALISTIC: dict[str, Any] = {
    "batch_size": 128,
    "details": "settings/erasing: 1.7 is greater than the maximum of 0.9",
    "format": "ImageFolder",
    "size_gb": 1024.55,
    "limit_gb": 20,
    "action": "delete the job of another project",
    "limit": 10000,
    "resource": "open jobs",
    "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    "entity": "images/train/canvas-0123456789.png",
    "model": "yolo11n-obb-with-a-long-name",
    "model_task": "classification",
    "dataset_task": "detection",
    "device": "0,1,2,3",
    "epoch": 88,
    "signal": 11,
    "max_duration_s": 86400,
    "lr0": 0.01,
    "service": "the tracking server",
    "resource_type": "data set",
    "resource_id": "digits-classify-2026",
    "state": "used by J-17, J-18, J-19",
    "retry_after": 30,
    "limit_bytes": 1048576,
    "claimed_code": "GPU_ON_FIRE",
    "suggestions": ["yolo11n", "yolo11s"],
    "first": ": epochs must be at least 1",
}
BLAME = re.compile(r"\b(you failed|your fault|you must|oops|illegal|please don't|invalid input by)\b", re.IGNORECASE)
# Words that tell what to do; they belong into the action.
ADVICE = re.compile(r"\b(try|please|lower|choose|use|check|raise|wait|replace|open)\b", re.IGNORECASE)
ROWS = list(REGISTRY.values())


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("code", DOCUMENTED)
def test_the_documents_templates_keep_their_words(code: str) -> None:
    row = REGISTRY[code]
    assert (row.message, row.action) == DOCUMENTED[code]
    assert ERROR_MESSAGES[code] == {"message": row.message, "action": row.action}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.code)
def test_a_message_with_realistic_values_is_short_and_complete(row: ErrorRow) -> None:
    message, action = format_error_message(row.code, **REALISTIC)
    assert len(message) < 100
    assert "…" not in message + action, "a realistic value was cut"
    assert "{" not in message + action
    assert message[0].isupper() or message[0] == "`" or row.message.startswith("{")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.code)
def test_a_message_without_values_is_a_whole_sentence(row: ErrorRow) -> None:
    for text in format_error_message(row.code):
        assert "{" not in text
        assert not re.search(r"\(\s*\)|``|\s\.|  |:\s*$", text), text


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.code)
def test_a_message_tells_what_happened_and_neither_blames_nor_advises(row: ErrorRow) -> None:
    assert not BLAME.search(row.message + row.action)
    assert not ADVICE.search(row.message)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.code)
def test_every_placeholder_is_declared_or_made_from_what_is_declared(row: ErrorRow) -> None:
    used = placeholders(row.message) | placeholders(row.action)
    assert used <= set(row.params) | set(_PARTS)
    plain = used - set(_PARTS)
    for template, neutral in ((row.message, row.neutral_message), (row.action, row.neutral_action)):
        assert (neutral is not None) == bool(placeholders(template) & plain)
        assert not placeholders(neutral or "")


@pytest.mark.parametrize(
    ("code", "values", "said"),
    [
        ("TRAINING_DIVERGED", {"epoch": 3}, "The loss became infinite or not a number at epoch 3."),
        ("TRAINING_DIVERGED", {"epoch": 0}, "The loss became infinite or not a number."),
        ("TRAINER_CRASHED", {"signal": 11}, "The training process crashed (SIGSEGV)."),
        ("TRAINER_CRASHED", {"signal": 99}, "The training process crashed (signal 99)."),
        ("TRAINER_CRASHED", {"signal": True}, "The training process crashed."),
        ("TRAINING_TIMEOUT", {"max_duration_s": 60}, "The training ran longer than its limit of 60 s."),
        ("UNKNOWN_FAILURE", {"claimed_code": "X"}, "The training failed and nothing tells why (the trainer said X)."),
        ("VALIDATION_FAILED", {"first": " (3)"}, "The request has invalid fields (3)."),
        ("VALIDATION_FAILED", {"first": ": epochs is 0"}, "The request has invalid fields: epochs is 0."),
        ("INVALID_MODEL", {"model": "yolo99"}, "There is no model `yolo99`."),
        ("CONFLICT", {"state": ["a", "b"]}, "This is not possible in the present state (a, b)."),
        ("DATASET_TOO_LARGE", {"size_gb": 21.0, "limit_gb": 20}, "Dataset size (21GB) exceeds your limit of 20GB."),
    ],
)
def test_values_stand_in_the_message_as_they_were_given(code: str, values: dict[str, Any], said: str) -> None:
    assert format_error_message(code, **values)[0] == said


def test_near_names_stand_in_the_suggested_action() -> None:
    action = format_error_message("INVALID_MODEL", model="yolo11", suggestions=["yolo11n", "yolo11s"])[1]
    assert action == "Choose one of the listed models, for example `yolo11n` or `yolo11s`."
    assert format_error_message("INVALID_MODEL", suggestions="yolo11n")[1] == "Choose one of the listed models."


def test_an_unknown_code_gives_the_text_of_a_system_error() -> None:
    expected = ("An unexpected error occurred (ID: T1).", DOCUMENTED["SYSTEM_ERROR"][1])
    assert format_error_message("NO_SUCH_CODE", trace_id="T1") == expected
    assert format_error_message(None, trace_id="T1") == expected
    assert format_error_message(error_code="SYSTEM_ERROR", trace_id="T1") == expected


def test_long_values_are_cut_so_that_the_message_stays_short() -> None:
    message, _ = format_error_message("NOT_FOUND", resource_type="x" * 300, resource_id="y" * 300)
    assert len(message) in (LONGEST_MESSAGE - 1, LONGEST_MESSAGE)
    assert message == f"There is no {'x' * 40}… `{'y' * 40}…`."


class Hostile:
    """An object whose every method raises."""

    def __str__(self) -> str:
        raise RuntimeError

    __repr__ = __bool__ = __format__ = __len__ = __eq__ = __iter__ = __str__  # type: ignore[assignment]
    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("value", "shown"), [(Hostile(), "Hostile"), ([Hostile()], "Hostile"), ({"b"}, "b"), ("  a\n b ", "a b")]
)
def test_a_value_that_cannot_tell_itself_is_named_by_its_kind(value: Any, shown: str) -> None:
    assert format_error_message("CONFLICT", state=value)[0] == f"This is not possible in the present state ({shown})."


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.lists(st.integers() | st.text(), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    st.builds(Hostile),
    st.builds(list, st.tuples(st.builds(Hostile))),
    st.just(10**5000),
)
NAMES = st.sampled_from([*sorted({name for row in ROWS for name in row.params}), "error_code", "self", "code"])


@given(
    code=st.sampled_from([*REGISTRY, "NOPE", "", None, 3, Hostile()]), values=st.dictionaries(NAMES, ANYTHING, max_size=8)
)
def test_formatting_never_raises_and_keeps_the_message_short(code: Any, values: dict[str, Any]) -> None:
    message, action = format_error_message(code, **values)
    assert 0 < len(message) <= LONGEST_MESSAGE
    assert 0 < len(action) <= 200
    row = REGISTRY.get(code) if isinstance(code, str) else None
    assert row is None or fill_texts(row, values) == (message, action)


def test_a_row_tells_whether_repeating_helps() -> None:
    helps = {row.code for row in ROWS if row.retryable}
    assert {"TRAINER_UNREACHABLE", "RATE_LIMITED", "TRAINER_CRASHED", "DISK_FULL"} <= helps
    assert not helps & {"QUOTA_EXCEEDED", "INVALID_CONFIG", "DATASET_BROKEN", "TRAINING_CANCELLED"}


def test_a_row_as_json_names_its_page() -> None:
    row = REGISTRY["DISK_FULL"].to_dict()
    assert row["doc_url"] == "/errors/DISK_FULL"
    assert row["retryable"] is True
    assert row["runbook"] == "disk-full"
