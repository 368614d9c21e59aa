"""What is kept of a failure, and under which exit code the process leaves."""

import errno
import json
from pathlib import Path
from typing import Any, ClassVar

import pytest

from app.core.error_messages import REGISTRY
from trainers.harness.failure import (
    RESERVED_BYTES,
    FailureRecord,
    TrainingError,
    chain,
    code_of,
    entity_of,
    exit_code,
    fitted,
)

EXIT_BY_TYPE = {"user_error": 10, "permanent": 11, "transient": 12, "system_error": 13}


class Reporter:
    """Stands where a test says."""

    batch: ClassVar[list[str]] = ["images/1.png"]

    def where(self) -> dict[str, Any]:
        return {"phase": "training", "epoch": 3, "step": 7}


def caught(function: Any) -> BaseException:
    try:
        function()
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is looked at
        return error
    raise AssertionError("nothing was raised")


def write(folder: Path, error: BaseException, **more: Any) -> dict[str, Any]:
    record = FailureRecord(folder)
    record.write(error, Reporter(), more.get("dataset"), more.get("config", {}))
    return dict(json.loads((folder / "error.json").read_text()))


@pytest.mark.parametrize("code", sorted(REGISTRY))
def test_the_exit_code_follows_the_type_of_the_failure_code(code: str) -> None:
    """The harness imports nothing of the backend; this holds the two together."""
    assert exit_code(code) == EXIT_BY_TYPE[str(REGISTRY[code].type)]


def test_an_undecided_failure_leaves_as_a_system_error() -> None:
    assert exit_code(None) == 13


def nested() -> None:
    try:
        try:
            Path("/data/set/a.png").read_bytes()
        except FileNotFoundError as error:
            raise TrainingError("DATASET_BROKEN", "cannot read", file="a.png") from error
    except TrainingError:
        raise RuntimeError("epoch failed")  # noqa: B904 - the context counts too


def test_the_chain_has_the_root_first_also_through_a_context() -> None:
    assert [type(item).__name__ for item in chain(caught(nested))] == ["FileNotFoundError", "TrainingError", "RuntimeError"]


def test_a_suppressed_context_is_no_cause_and_a_circle_ends() -> None:
    def hidden() -> None:
        try:
            {}["x"]
        except KeyError:
            raise ValueError("y") from None

    assert len(chain(caught(hidden))) == 1
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert chain(first) == [second, first]


def test_a_nested_failure_is_kept_with_its_code_entity_place_and_frames(tmp_path: Path) -> None:
    record = write(tmp_path, caught(nested), dataset=Path("/data/set"), config={"model": "m", "batch_size": 8, "x": 1})
    assert [item["type"] for item in record["exceptions"]] == ["FileNotFoundError", "TrainingError", "RuntimeError"]
    assert record["code"] == "DATASET_BROKEN"
    assert record["details"] == {"file": "a.png"}
    assert record["entity"] == "a.png"
    assert (record["phase"], record["epoch"], record["step"]) == ("training", 3, 7)
    assert record["batch"] == ["images/1.png"]
    assert record["exit_code"] == 11
    assert record["config_excerpt"]["batch_size"] == 8
    assert record["memory"]["rss_bytes"] > 1e6
    assert "nested" in [frame["function"] for frame in record["exceptions"][0]["frames"]]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(errno.ENOSPC, "full"), "DISK_FULL"),
        (OSError(errno.EDQUOT, "quota"), "DISK_FULL"),
        (OSError(errno.EACCES, "no"), None),
        (MemoryError(), "HOST_OOM"),
        (FloatingPointError(), "TRAINING_DIVERGED"),
        (ModuleNotFoundError("x"), "DEPENDENCY_ERROR"),
        (type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory"), "CUDA_OOM"),
        (RuntimeError("CUDA out of memory"), None),
        (TrainingError("INVALID_CONFIG", "x"), "INVALID_CONFIG"),
    ],
)
def test_only_what_the_type_decides_is_decided_here(error: BaseException, code: str | None) -> None:
    assert code_of(error) == code


@pytest.mark.parametrize(
    ("text", "entity"),
    [
        ("cannot identify image file '/data/set/train/a b.png'", "train/a b.png"),
        ("broken: /data/set/x/1.jpeg: truncated", "x/1.jpeg"),
        ("/usr/lib/python3/x.py failed", None),
        ("nothing named", None),
    ],
)
def test_the_entity_is_the_file_of_the_data_set_that_is_named(text: str, entity: str | None) -> None:
    assert entity_of(ValueError(text), Path("/data/set")) == entity
    assert entity_of(ValueError(text), None) is None


def test_a_record_always_fits_into_what_was_reserved_and_stays_json(tmp_path: Path) -> None:
    """Frames and what only wrapped the root give way first; the root's message stays."""
    deep: BaseException = ValueError("the root " + "x" * 5000)
    for number in range(200):
        wrapper = RuntimeError(f"wrapper {number} " + "y" * 4000)
        wrapper.__cause__ = deep
        deep = wrapper
    record = write(tmp_path, deep)
    assert (tmp_path / "error.json").stat().st_size <= RESERVED_BYTES
    assert record["exceptions"][0]["message"].startswith("the root")
    huge = {"exceptions": [{"message": "m" * 4000, "frames": []}], "details": {"d": "z" * 200_000}, "batch": None}
    assert json.loads(fitted(huge))["details"] == {}


def test_the_room_is_given_back_when_nothing_failed(tmp_path: Path) -> None:
    record = FailureRecord(tmp_path)
    assert (tmp_path / ".error.json.reserved").stat().st_size == RESERVED_BYTES
    record.drop()
    assert list(tmp_path.iterdir()) == []


def test_each_rank_has_a_record_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    FailureRecord(tmp_path).write(ValueError("x"), Reporter(), None, {})
    assert json.loads((tmp_path / "error.rank1.json").read_text())["rank"] == 1
