"""Settings of a training, and the command that follows a refusal."""

from typing import Any

import pytest
import typer

from app.cli.jobs import job_id_of
from app.cli.train import hint_for, next_command, parse_needs, parse_settings


def test_settings_are_json_where_they_can_be_read_as_such() -> None:
    assert parse_settings(["a=1", "b=0.5", "c=null", "d=[1, 2]", "e=text", "f=a=b", "g="]) == {
        "a": 1, "b": 0.5, "c": None, "d": [1, 2], "e": "text", "f": "a=b", "g": "",
    }  # fmt: skip
    with pytest.raises(typer.BadParameter):
        parse_settings(["novalue"])


def test_needs_are_gib_of_memory_and_labels() -> None:
    needs = parse_needs(["memory=16", "gpu-memory=0.5", "zone=eu=west"])
    assert needs == {"memory_bytes": 16 * 2**30, "gpu_memory_bytes": 2**29, "labels": {"zone": "eu=west"}}
    assert parse_needs([]) is None
    for wrong in ("zone", "memory=16GB"):
        with pytest.raises(typer.BadParameter, match=wrong):
            parse_needs([wrong])


def fix(path: str, value: Any, applicability: str = "review", op: str = "add") -> dict[str, Any]:
    return {"id": "x", "applicability": applicability, "patch": [{"op": op, "path": path, "value": value}]}


MODEL = "vtp train --model yolo11n --dataset 'my set'"
WITHOUT = fix("/exclude_invalid_files", value=True, applicability="safe")


@pytest.mark.parametrize(
    ("arguments", "fixes", "command"),
    [
        (["train", "-m", "yolo11x", "--dataset", "my set"], [fix("/model", "yolo11n")], MODEL),
        (["train", "--model=a", "-d", "d"], [fix("/model", "b"), fix("/model", "c")], "vtp train --model b --dataset d"),
        (["train", "-d", "d"], [WITHOUT], "vtp train --dataset d --exclude-invalid"),
        (["train", "-d", "d"], [fix("/val_fraction", 0.2)], "vtp train --dataset d --val-fraction 0.2"),
        (["train", "-b", "64"], [fix("/model", "m"), fix("/batch_size", 8, "safe")], "vtp train --batch-size 8 --model m"),
        (["train"], [fix("/settings/x", 1)], None),
        (["train"], [fix("/lr0", None, op="remove")], None),
        (["train"], [], None),
    ],
)
def test_the_next_command_has_the_fixes_applied(
    arguments: list[str], fixes: list[dict[str, Any]], command: str | None
) -> None:
    assert next_command(arguments, fixes) == command


def test_after_a_failed_job_the_safe_fix_is_one_command_away() -> None:
    error = {"fixes": [{"id": "less", "applicability": "review"}, {"id": "halve-batch", "applicability": "safe"}]}
    assert hint_for("J-12", error) == "vtp jobs retry J-12 --apply halve-batch"
    assert hint_for("J-12", {"fixes": []}) == "vtp jobs log J-12"


@pytest.mark.parametrize(("text", "meant"), [("12", "J-12"), ("j-12", "J-12"), ("J-12", "J-12"), ("name", "name")])
def test_a_job_may_be_named_by_its_number(text: str, meant: str) -> None:
    assert job_id_of(text) == meant
