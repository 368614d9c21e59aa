"""The table of faults says what the tests say, and nothing that no test says."""

from pathlib import Path

import pytest

from tests.integration import faults_table
from tests.integration.faults_table import PAGE, ROOT, Row, parse, record, render

TOLD = ("MLflow", "refused", "MLFLOW_UNAVAILABLE", "nothing", "kept the points", 0.04)


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table with one row."""
    path = tmp_path / "faults.md"
    monkeypatch.setenv("VTP_FAULTS", "write")
    record(*TOLD, page=path)
    monkeypatch.delenv("VTP_FAULTS")
    return path


def test_the_committed_table_is_as_it_would_be_written() -> None:
    assert render(parse(PAGE.read_text(encoding="utf-8"))) == PAGE.read_text(encoding="utf-8")


def test_every_committed_row_is_told_by_a_test() -> None:
    """A fault that no test names any more has no row."""
    files = [path for path in (ROOT / "tests").rglob("*.py") if path.name not in ("faults_table.py", "test_faults_table.py")]
    sources = "\n".join(path.read_text(encoding="utf-8") for path in files)
    rows = parse(PAGE.read_text(encoding="utf-8"))
    untold = [(row.integration, row.fault) for row in rows if row.fault not in sources or row.integration not in sources]
    assert untold == []


def test_what_was_seen_before_may_be_seen_again_however_long_it_takes(page: Path) -> None:
    record(*TOLD[:5], 99.0, page=page)


@pytest.mark.parametrize("changed", [{2: "NETWORK_ERROR"}, {3: "an error"}, {4: "lost the points"}, {1: "slow"}])
def test_what_is_not_in_the_table_is_refused(page: Path, changed: dict[int, str]) -> None:
    told = [changed.get(index, value) for index, value in enumerate(TOLD)]
    with pytest.raises(AssertionError, match="VTP_FAULTS=write"):
        record(*told, page=page)  # type: ignore[arg-type]


def test_a_code_that_does_not_exist_is_refused(page: Path) -> None:
    with pytest.raises(AssertionError, match="no such code"):
        record("MLflow", "refused", "NO_SUCH_CODE", "nothing", "kept the points", 0.0, page=page)


def test_writing_again_keeps_a_time_that_is_about_the_same(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VTP_FAULTS", "write")
    record("S3", "slow", None, "waits", "tries | again", 4.0, page=page)
    before = page.read_text()
    record("S3", "slow", None, "waits", "tries | again", 5.0, page=page)
    assert page.read_text() == before
    record("S3", "slow", None, "waits", "tries | again", 14.2, page=page)
    assert "| tries / again | 14 |" in page.read_text()
    assert len(parse(page.read_text())) == 2


def test_rows_stand_in_one_order_whoever_comes_first() -> None:
    rows = [
        Row(name, fault, None, "a", "b", "1.0") for name in ("S3", "MLflow", "Zeppelin") for fault in ("slow", "refused")
    ]
    assert render(rows) == render(rows[::-1])
    assert [row.integration for row in parse(render(rows))][::2] == ["MLflow", "S3", "Zeppelin"]
    assert parse(render(rows))[0].fault == "refused"
    assert not set(faults_table.FAULTS) & set(faults_table.INTEGRATIONS)
