"""Files that are made from others: out-of-date ones are noticed, and made anew."""

from pathlib import Path

import pytest

from tools import generate, pages, reference


@pytest.fixture
def one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As if there were one generated file."""
    path = tmp_path / "folder" / "made.md"
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    monkeypatch.setattr(generate, "files", lambda: iter([(path, "new\n")]))
    monkeypatch.setattr(generate.sys, "argv", ["generate.py"])
    return path


def test_a_file_that_is_missing_or_different_is_out_of_date(one_file: Path) -> None:
    assert generate.outdated() == [one_file]
    one_file.parent.mkdir()
    one_file.write_text("old\n")
    assert generate.outdated() == [one_file]
    one_file.write_text("new\n")
    assert generate.outdated() == []


def test_making_writes_what_is_out_of_date_once(one_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main() == 0
    assert one_file.read_text() == "new\n"
    assert capsys.readouterr().out == "wrote folder/made.md\n"
    assert generate.main() == 0
    assert capsys.readouterr().out == ""


def test_checking_names_what_is_out_of_date_and_writes_nothing(
    one_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generate.sys, "argv", ["generate.py", "--check"])
    assert generate.main() == 1
    assert capsys.readouterr().err == "folder/made.md is out of date: run `make generate`\n"
    assert not one_file.exists()
    one_file.parent.mkdir()
    one_file.write_text("new\n")
    assert generate.main() == 0


def test_a_page_without_evidence_cannot_have_a_verdict() -> None:
    with pytest.raises(pages.PageError, match="no evidence"):
        pages.refreshed("CUDA_OOM", "# A\n\n```json diagnosis\n{}\n```\n")


def test_an_answer_on_a_page_is_made_from_its_parameters() -> None:
    text = '```json error\n{"error": {"params": {"resource_type": "job", "resource_id": "J-9", "secret": 1}}}\n```\n'
    made = pages.refreshed("NOT_FOUND", text)
    assert '"message": "There is no job `J-9`."' in made
    assert "secret" not in made
    assert pages.refreshed("NOT_FOUND", made) == made


def test_headings_inside_of_blocks_are_none() -> None:
    assert pages.headings("## A\n\n```log\n## B\n```\n\n## C\n") == ["A", "C"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("cli", "## vtp jobs retry"),
        ("api", "`POST /api/v1/training-jobs/{job_id}/retry`"),
        ("config", "| `VTP_MAX_OPEN_JOBS` | integer | `10000` | ≥ `1` |"),
        ("exit-codes", "| 21 | the machine is taken away"),
        ("events", "| `succeeded` | final |"),
    ],
)
def test_the_reference_is_made_from_the_code(name: str, told: str) -> None:
    assert told in dict(reference.tables())[name]
