"""The agent's spans and those of training processes, as a collector gets them."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.collector import Collector, collecting
from trainers.agent import spans

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GIVEN = f"00-{TRACE}-{PARENT}-01"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A collector that this process exports to."""
    monkeypatch.setattr(spans, "_tracers", {})
    monkeypatch.setattr(spans, "_processors", [])
    with collecting() as running:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", running.url)
        spans.configure()
        yield running
        for processor in spans._processors:
            processor.shutdown()


def test_without_a_collector_the_trace_is_handed_on_as_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    spans.configure()
    assert not spans.active()
    assert spans.traceparent() == ""
    with spans.span("attempt", GIVEN):
        assert spans.traceparent() == GIVEN
        assert spans.traceparent(sampled=False) == GIVEN[:-2] + "00"
        with spans.span("fetch data"):
            assert spans.traceparent() == GIVEN
    assert spans.traceparent() == ""


def test_a_span_of_the_agent_is_inside_the_backends(collector: Collector) -> None:
    facts = {"vtp.job": "J-1", "vtp.attempt": 2}
    with spans.span("attempt", GIVEN, facts), pytest.raises(OSError, match="x"), spans.span("fetch data"):
        raise OSError("x password=hunter2")
    spans.flush()
    attempt, fetch = collector.of(TRACE)
    assert (attempt.service, attempt.parent, attempt.attributes) == (
        "vtp-agent", PARENT, {"vtp.job": "J-1", "vtp.attempt": "2"},
    )  # fmt: skip
    assert (fetch.parent, fetch.failed, fetch.attributes) == (attempt.span_id, True, {"error.type": "OSError"})
    assert not attempt.failed


def write(folder: Path, *lines: Any) -> None:
    """Writes what a training process would."""
    (folder / "spans.jsonl").write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))


def test_a_training_that_was_killed_has_its_spans_ended_with_the_signal(collector: Collector, tmp_path: Path) -> None:
    at = time.time_ns()
    with spans.span("attempt", GIVEN):
        agent = spans.traceparent().split("-")[2]
        write(
            tmp_path,
            {"span": "a" * 16, "parent": agent, "name": "training process", "at": at - 900},
            {"span": "b" * 16, "parent": "a" * 16, "name": "data", "at": at - 800},
            {"span": "b" * 16, "at": at - 700},
            {"span": "c" * 16, "parent": "a" * 16, "name": "training", "at": at - 700},
            '{"cut off by a full di',
        )
        spans.export_process(tmp_path, {"signal": 9}, {"process.pid": 42})
    spans.flush()
    process, data, training = (span for span in collector.of(TRACE) if span.service == "vtp-trainer")
    assert (process.span_id, process.parent, process.start) == ("a" * 16, agent, at - 900)
    assert (data.parent, data.start, data.end, data.failed) == ("a" * 16, at - 800, at - 700, False)
    assert training.parent == "a" * 16
    assert [process.attributes["error.type"], training.attributes["error.type"]] == ["signal 9", "signal 9"]
    assert process.attributes["process.pid"] == "42"
    assert process.end >= at


def test_a_training_that_wrote_nothing_has_no_spans_of_its_own(collector: Collector, tmp_path: Path) -> None:
    with spans.span("attempt", GIVEN):
        spans.export_process(tmp_path, {}, {})
    spans.flush()
    assert [span.name for span in collector.of(TRACE)] == ["attempt"]
