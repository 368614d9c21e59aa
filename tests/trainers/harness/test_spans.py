"""What a training process writes down of its time, for the trace that it is part of."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from trainers.harness import spans
from trainers.harness.spans import Spans

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture
def wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """As an agent that exports spans starts a training."""
    monkeypatch.setenv("TRACEPARENT", f"00-{TRACE}-{PARENT}-01")
    monkeypatch.setenv(spans.WANTED, "1")
    monkeypatch.delenv("RANK", raising=False)


def lines(folder: Path) -> list[dict[str, Any]]:
    """What was written down."""
    path = folder / "spans.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.usefixtures("wanted")
def test_the_process_is_inside_the_agents_span_and_its_phases_inside_the_process(tmp_path: Path) -> None:
    told = Spans(tmp_path)
    told.phase("data")
    told.phase("training")
    told.end()
    process, data, _, training, _, _ = written = lines(tmp_path)
    assert (process["name"], process["parent"]) == ("training process", PARENT)
    assert (data["name"], data["parent"]) == ("data", process["span"])
    assert (training["name"], training["parent"]) == ("training", process["span"])
    assert [line["span"] for line in written if "name" not in line] == [data["span"], training["span"], process["span"]]
    assert [line["at"] for line in written] == sorted(line["at"] for line in written)


@pytest.mark.usefixtures("wanted")
def test_the_context_goes_on_to_children_and_libraries_in_the_environment(tmp_path: Path) -> None:
    Spans(tmp_path)
    assert os.environ["TRACEPARENT"] == f"00-{TRACE}-{lines(tmp_path)[0]['span']}-01"


@pytest.mark.usefixtures("wanted")
def test_what_ended_the_process_stands_on_its_span_and_on_that_of_the_phase(tmp_path: Path) -> None:
    told = Spans(tmp_path)
    told.phase("training")
    told.end("CUDA_OOM")
    assert [line["error"] for line in lines(tmp_path) if "name" not in line] == ["CUDA_OOM", "CUDA_OOM"]


@pytest.mark.parametrize("change", [{"TRACEPARENT": ""}, {"TRACEPARENT": "nonsense"}, {spans.WANTED: ""}, {"RANK": "1"}])
@pytest.mark.usefixtures("wanted")
def test_nothing_is_written_where_nobody_wants_it(
    change: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in change.items():
        monkeypatch.setenv(name, value)
    told = Spans(tmp_path)
    told.phase("data")
    told.end()
    assert lines(tmp_path) == []


@pytest.mark.usefixtures("wanted")
def test_a_training_of_thousands_of_phases_writes_a_bounded_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "MOST", 5)
    told = Spans(tmp_path)
    for number in range(50):
        told.phase(f"phase {number}")
    told.end()
    assert sum("name" in line for line in lines(tmp_path)) == 5


@pytest.mark.usefixtures("wanted")
def test_a_full_disk_ends_the_trace_and_not_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = Spans(tmp_path)

    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        told.phase("data")
    told.phase("training")
    told.end()
    assert len(lines(tmp_path)) == 1
