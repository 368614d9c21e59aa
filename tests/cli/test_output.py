"""Data to stdout, messages to stderr, the error box."""

import json
from typing import Any

import pytest

from app.cli.output import Output, exit_code, shown
from app.core.error_messages import REGISTRY
from app.core.errors import PlatformError

ERROR: dict[str, Any] = {
    "type": "user_error", "code": "DATASET_BROKEN", "message": "7 images cannot be read", "trace_id": "abc",
    "suggested_action": "Replace them.", "errors": [{"pointer": "#/dataset_id", "code": "x", "message": "is broken"}],
    "fixes": [{"id": "exclude", "label": "Train without them", "applicability": "safe", "patch": []}],
}  # fmt: skip


def test_an_error_tells_what_then_what_to_do_and_code_and_trace_last(capsys: pytest.CaptureFixture[str]) -> None:
    Output().error(ERROR, "vtp datasets show d")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "error: 7 images cannot be read",
        "  dataset_id: is broken",
        "help: Replace them.",
        "fix:  Train without them (safe, exclude)",
        "next: vtp datasets show d",
        "code: DATASET_BROKEN (vtp explain DATASET_BROKEN), trace abc",
    ]


def test_an_error_is_one_line_of_json_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=True).error(ERROR, "not shown")
    assert json.loads(capsys.readouterr().err) == {"error": ERROR}


def test_notes_are_for_people_and_stay_away_when_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    Output().note("seen")
    Output(quiet=True).note("hidden")
    Output(as_json=True).note("hidden")
    assert capsys.readouterr() == ("", "seen\n")


def test_a_table_is_aligned_and_a_gap_is_a_dash(capsys: pytest.CaptureFixture[str]) -> None:
    Output().table(("A", "LONG"), [("longer", None), ("x", "")])
    assert capsys.readouterr().out == "A       LONG\nlonger  -\nx       -\n"


def test_a_list_is_a_table_or_json(capsys: pytest.CaptureFixture[str]) -> None:
    Output().result({"items": [1]}, ("N",), [(1,)])
    assert capsys.readouterr().out == "N\n1\n"
    Output(as_json=True).result({"items": ["ü"]}, ("N",), [("ü",)])
    text = capsys.readouterr().out
    assert json.loads(text) == {"items": ["ü"]}
    assert "ü" in text


def test_every_code_of_the_registry_has_an_exit_code_of_its_class() -> None:
    found = {code: exit_code(shown(PlatformError.from_code(code))) for code in REGISTRY}
    assert set(found.values()) == {1, 3, 4, 5}
    assert {code for code, value in found.items() if value == 1} == {"SYSTEM_ERROR"}
    assert {code for code, value in found.items() if value == 5} == {
        "INVALID_TOKEN", "INSUFFICIENT_PERMISSIONS", "QUOTA_EXCEEDED",
    }  # fmt: skip
    for code in ("SERVICE_UNAVAILABLE", "NETWORK_ERROR", "OPERATION_TIMEOUT", "TRAINER_UNREACHABLE"):
        assert found[code] == 4
    for code in ("DATASET_BROKEN", "INVALID_MODEL", "CUDA_OOM", "NOT_FOUND", "CONFLICT"):
        assert found[code] == 3
