"""What a training tells, line by line."""

import json
import math
from pathlib import Path

import pytest

from trainers.harness.reporter import PROGRESS_INTERVAL, Reporter, figures, number, resident_bytes


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reporter(tmp_path: Path, clock: Clock) -> Reporter:
    return Reporter(tmp_path, clock)


def lines(reporter: Reporter) -> list[dict]:
    return [json.loads(line) for line in (reporter.folder / "events.jsonl").read_text().splitlines()]


def test_figures_that_json_cannot_carry_are_told_as_text() -> None:
    assert figures({"a": math.nan, "b": -math.inf, "c": 1 / 3}) == {"a": "nan", "b": "-inf", "c": 0.333333}
    assert number(math.inf) == "inf"
    assert number(7.123456789e-8) == 7.12346e-08, "a small learning rate is not 0"
    assert figures(None) == {}


def test_a_phase_is_told_once(reporter: Reporter) -> None:
    for name in ("data", "data", "training", "data"):
        reporter.phase(name)
    assert [line["phase"] for line in lines(reporter)] == ["data", "training", "data"]


def test_steps_are_told_at_most_twice_a_second_and_at_an_epochs_end(reporter: Reporter, clock: Clock) -> None:
    reporter.start(2)
    for step in range(1, 101):
        clock.now += PROGRESS_INTERVAL / 10
        reporter.progress(epoch=1, step=step, steps=100)
    told = [line["step"] for line in lines(reporter) if line["kind"] == "progress"]
    assert told[0] == 1
    assert told[-1] == 100
    assert 10 <= len(told) <= 12
    assert reporter.where() == {"phase": "training", "epoch": 1, "step": 100}


def test_the_rest_is_estimated_from_the_last_five_epochs_and_not_before_the_first(reporter: Reporter, clock: Clock) -> None:
    reporter.start(3)
    clock.now += 10
    reporter.progress(epoch=1, step=1, steps=2, images=20)
    reporter.epoch_end(epoch=1, metrics={"m": 1}, images=40)
    first, end = lines(reporter)[1:]
    assert first["images_per_s"] == 2.0
    assert first["eta_s"] is None
    assert end["eta_s"] == 20.0
    assert end["duration_s"] == 10.0
    assert end["disk"]["free_bytes"] > 0
    assert end["memory"]["rss_bytes"] <= end["memory"]["rss_limit_bytes"]
    for epoch in range(2, 8):
        clock.now += 2
        reporter.epoch_end(epoch=epoch)
    reporter.epochs = 12
    reporter.progress(epoch=8, step=1, steps=2)
    assert lines(reporter)[-1]["eta_s"] == 9.0, "the slow first epoch is forgotten: 4.5 epochs of 2 s"


def test_a_checkpoint_stays_while_the_next_one_takes_its_place(reporter: Reporter, tmp_path: Path) -> None:
    last = tmp_path / "last.pt"
    for epoch in (1, 2):
        last.unlink(missing_ok=True)
        last.write_text(f"epoch {epoch}")
        reporter.checkpoint(last, epoch)
    told = lines(reporter)
    assert [(line["epoch"], (tmp_path / line["path"]).read_text()) for line in told] == [(1, "epoch 1"), (2, "epoch 2")]


def test_memory_in_use_is_measured() -> None:
    assert resident_bytes() > 10_000_000
