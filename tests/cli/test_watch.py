"""How a training is shown while it runs."""

from typing import Any

import pytest

from app.cli.output import Output
from app.cli.watch import PlainWatcher, RichWatcher, duration, figure_text, make_watcher, state_text

EVENTS: list[dict[str, Any]] = [
    {"type": "state", "status": "running", "attempt": 1},
    {"type": "progress", "attempt": 1, "phase": "data"},
    {"type": "progress", "attempt": 1, "epoch": 1, "epochs": 2, "step": 1, "steps": 4, "losses": {"box": 1.23456},
     "eta_s": 9.6},
    {"type": "progress", "attempt": 1, "epoch": 1, "epochs": 2, "step": 4, "steps": 4, "epoch_end": True,
     "metrics": {"map": 0.5}, "losses": {"box": 1.0}, "eta_s": None},
    {"type": "log", "attempt": 1, "text": "hidden"},
    {"type": "error", "attempt": 1, "fatal": False, "error": {"message": "GPU memory exhausted"}},
    {"type": "state", "status": "waiting", "reason": "retry with batch 8", "retry_at": "2026-11-23T12:00:04.000Z"},
    {"type": "error", "attempt": 2, "fatal": True, "error": {"message": "told at the end"}},
    {"type": "state", "status": "failed"},
]  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "-"), (0, "0:00"), (59.6, "1:00"), (61, "1:01"), (3600, "1:00:00"), (90061, "25:01:01")]
)
def test_times_are_as_on_a_clock(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_figures_are_short_and_what_is_no_number_is_shown_as_it_is() -> None:
    assert figure_text({"box": 1.23456, "n": 3, "gone": "nan"}) == "box 1.235  n 3  gone nan"


def test_a_wait_tells_its_reason_and_end() -> None:
    assert state_text(EVENTS[6]) == "waiting: retry with batch 8; next attempt at 2026-11-23T12:00:04.000Z"
    assert state_text({"status": "queued", "reason": "all agents are busy"}) == "queued: all agents are busy"


def test_without_a_terminal_there_is_a_line_for_each_state_epoch_and_failed_attempt(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with make_watcher(Output()) as watcher:
        assert type(watcher) is PlainWatcher
        for event in EVENTS:
            watcher.event(event)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "running",
        "epoch 1/2  map 0.5  box 1  eta -",
        "attempt 1 failed: GPU memory exhausted",
        "waiting: retry with batch 8; next attempt at 2026-11-23T12:00:04.000Z",
        "failed",
    ]


def test_in_a_terminal_a_bar_shows_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with RichWatcher(Output()) as watcher:
        for event in EVENTS[:3]:
            watcher.event(event)
        (bar,) = watcher.progress.tasks
        assert (bar.description, bar.completed, bar.total) == ("epoch 1/2", 0.25, 2)
        assert bar.fields["figures"] == "box 1.235  eta 0:10"
        watcher.event(EVENTS[3])
    assert "epoch 1/2  map 0.5" in capsys.readouterr().err
