"""The published figures of the diagnosis are current and above the bars."""

import pytest

from tools import corpus


def page_block(name: str) -> str:
    text = corpus.PAGE.read_text(encoding="utf-8")
    return text.split(corpus.BEGIN.format(name))[1].split(corpus.END.format(name))[0].strip()


def test_the_published_figures_of_the_own_examples_are_current_and_above_the_bars() -> None:
    report = corpus.measure(corpus.rows_of(corpus.OWN))
    assert corpus.misses(report) == []
    assert page_block("own") == corpus.markdown(report).strip(), "run `python tools/corpus.py --write`"


def test_the_published_figures_of_sentences_are_current_and_hold_for_every_style() -> None:
    found = corpus.styles()
    assert page_block("sentences") == corpus.sentences_markdown(found).strip(), "run `python tools/corpus.py --write`"
    for style in found:
        assert style.right / style.total > 0.8, style
        assert style.clear_right / style.clear > 0.92, style


def test_rows_that_were_not_written_here_are_judged_above_the_bars() -> None:
    if not corpus.SHARED.is_dir():
        pytest.skip(f"there is no {corpus.SHARED.parent.name}/{corpus.SHARED.name} beside the repository")
    assert corpus.misses(corpus.measure(corpus.rows_of(corpus.SHARED))) == []


def test_the_own_examples_are_many_and_their_healthy_logs_too() -> None:
    rows = corpus.rows_of(corpus.OWN)
    assert len(rows) >= 150
    assert sum(row["expect"]["code"] == "NONE" for row in rows) >= 40
    assert len({row["id"] for row in rows}) == len(rows)
    for row in rows:
        if row["expect"]["entity"]:
            assert row["expect"]["entity"] in str(row["evidence"]), "an entity is a part of the evidence"


def test_wrong_verdicts_lower_the_figures() -> None:
    def row(code: str, log: str, exit_code: int = 1) -> dict[str, object]:
        return {"id": "x", "evidence": {"log": log, "exit_code": exit_code}, "expect": {"code": code, "also": []}}

    key = "KeyError: 'x'"
    report = corpus.measure(
        [
            row("CUDA_ERROR", key),
            row("NONE", key),
            row("DISK_FULL", "", 1),
            row("TRAINING_CODE_ERROR", "CUDA error: misaligned address"),
            row("TRAINING_CODE_ERROR", key),
        ]
    )
    assert report.share("right code") == 0.2
    assert report.share("false stops") == 0.5, "a CUDA_ERROR and a full disk would have been tried again"
    assert report.share("false retries") == 0.25
    assert report.share("false alarms on healthy logs") == 1.0
    assert report.share("unknown where a cause exists") == 0.25
    assert len(corpus.misses(report)) == 5
