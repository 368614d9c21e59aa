"""Texts and values before they leave: what is taken out, and what must stay as it is."""

import math
from typing import Any

import pytest

from app.core.redact import HIDDEN, is_public, plain_params, public_pointer, public_text, public_value, redact, redact_text


@pytest.mark.parametrize(
    "text",
    [
        "There is no job `J-1`.",
        "Please select a different dataset or upload a new one.",
        "Select one from the list, then update the set of labels.",
        "Insert the disk into the machine; delete from the trash what you no longer need.",
        "The machine's shared memory (/dev/shm) was full while images were loaded.",
        "There is no path `/api/v1/training-jobs/J-1`.",
        "See /errors/CUDA_OOM or https://example.org/help/pages.",
        "Use lr0 = 0.01; images/train/7.png is damaged at 3/4 of its size.",
        "a/b, ./data/set and ~/models",
        "Größe: 3 × 4 → 5 „gut“",
        "job",
    ],
)
def test_ordinary_sentences_stay_as_they_are(text: str) -> None:
    assert public_text(text) == text
    assert redact_text(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cannot open /srv/vtp/data.yaml", "cannot open data.yaml"),
        ("at path:/srv/vtp/data.yaml", "at path:data.yaml"),
        ("file:///srv/vtp/data.yaml is gone", "data.yaml is gone"),
        (r"cannot open C:\Users\ada\x.txt", "cannot open x.txt"),
        (r"on \\server\share\x.txt", "on x.txt"),
        ("failed: SELECT a FROM b WHERE c", "failed: …"),
        ("failed: select a from b where c = 1", "failed: …"),
        ("x\nTraceback (most recent call last):\n  File", "x\n"),
        ('x File "a.py", line 3, in f\n    g(1)\nend', "x\nend"),
        ("password = 'a b c' and more", f"password = {HIDDEN} and more"),
        ('{"password": "a, b"}', f'{{"password": {HIDDEN}}}'),
        ("Bearer abcdefgh12345", HIDDEN),
        ("token=x", f"token={HIDDEN}"),
        ("lone \udc80 surrogate", "lone ? surrogate"),
    ],
)
def test_what_is_internal_is_taken_out(text: str, shown: str) -> None:
    assert public_text(text) == shown
    assert is_public(text) is False


def test_long_texts_are_cleaned_before_they_are_cut() -> None:
    assert public_text("x" * 200) == "x" * 200
    assert public_text("x" * 201) == "x" * 199 + "…"
    assert public_text("y " * 95 + "password=hunter2") == "y " * 95 + "password=…"
    assert public_text("abcdef", 4) == "abc…"


def test_pointers_keep_their_slashes_and_lose_secrets() -> None:
    assert public_pointer("#/settings/a/b") == "#/settings/a/b"
    assert public_pointer("#/token=abc") == f"#/token={HIDDEN}"
    assert len(public_pointer("#/" + "x" * 500)) == 200
    assert public_pointer("#/\udc80") == "#/?"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None), (True, True), (3, 3), (0.5, 0.5), ("x", "x"), (math.nan, "nan"), (-math.inf, "-inf"),
        (2**63 - 1, 2**63 - 1), (2**63, str(2**63)), (-(2**63), -(2**63)), (-(2**63) - 1, str(-(2**63) - 1)),
        (10**200, "int"), (b"x", "bytes"), ({1}, "set"), (ValueError("x"), "ValueError"),
        ([1, [2, [3]]], [1, [2, "list"]]), (list(range(30)), list(range(20))), ((1, 2), [1, 2]),
        ({"a": 1, 2: 3, "password": "x"}, {"a": 1, "password": HIDDEN}),
        ({str(i): i for i in range(30)}, {str(i): i for i in range(20)}),
    ],
)  # fmt: skip
def test_values_become_plain_json(value: Any, shown: Any) -> None:
    assert public_value(value) == shown


def test_only_declared_parameters_are_shown() -> None:
    context = {"model": "yolo11n", "workers": 2, "epoch": None, "bucket": "b"}
    assert plain_params(("model", "workers", "epoch"), context) == ({"model": "yolo11n", "workers": 2}, False)
    assert plain_params(("model", "epoch"), context) == ({"model": "yolo11n"}, True)
    assert plain_params(("bucket",), {"bucket": "two\nlines"})[1] is False


def test_the_value_of_a_secret_field_is_hidden() -> None:
    declared = ("field", "value")
    assert plain_params(declared, {"field": "api_key", "value": "abc"}) == ({"field": "api_key", "value": HIDDEN}, False)
    assert plain_params(declared, {"field": "lr0", "value": 3})[0]["value"] == 3
    assert plain_params(declared, {"field": "api_key"})[0] == {"field": "api_key"}
    assert plain_params(declared, {"value": 3})[0] == {"value": 3}


@pytest.mark.parametrize(
    ("value", "fit"),
    [
        (None, True), (False, True), (16, True), (0.1, True), ("yolo11n", True), ("x" * 500, True),
        ([1, "a", {"b": [None]}], True), ((1, 2), True), (math.inf, False), (2**70, False), ("/srv/vtp/x", False),
        ({"api_key": 1}, False), ({1: 2}, False), ([object()], False), ({"a": ["token=x"]}, False),
    ],
)  # fmt: skip
def test_a_value_is_public_only_as_a_whole(value: Any, fit: bool) -> None:
    assert is_public(value) is fit


def test_what_is_nested_without_end_is_not_public() -> None:
    deep: Any = 1
    for _ in range(12):
        deep = [deep]
    assert is_public(deep) is False


def test_secrets_are_replaced_at_any_depth() -> None:
    given = {"a": [{"api_key": "x", "note": "password=y"}], "t": ("token=z",), 3: {"cookie": 1}, "n": 5}
    assert redact(given) == {
        "a": [{"api_key": HIDDEN, "note": f"password={HIDDEN}"}],
        "t": [f"token={HIDDEN}"],
        3: {"cookie": HIDDEN},
        "n": 5,
    }
    deep: Any = "x"
    for _ in range(12):
        deep = [deep]
    assert "…" in str(redact(deep))
