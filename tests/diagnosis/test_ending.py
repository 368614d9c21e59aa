"""How a process ended, read by evidence; the table in the docs is what the code does."""

from pathlib import Path

import pytest

from app.diagnosis.ending import silence
from app.diagnosis.evidence import Evidence
from app.diagnosis.truth_table import truth_table_markdown

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "exit-137.md"


@pytest.mark.parametrize(
    ("raw", "signal"),
    [
        ({"exit_code": 137}, 9),
        ({"exit_code": -9}, 9),
        ({"exit_code": 247}, 9),
        ({"exit_code": 245}, 11),
        ({"exit_code": 0xC0000005}, 11),
        ({"exit_code": 1}, None),
        ({"exit_code": 255}, None),
        ({"exit_code": 137, "signal": 0}, 9),
        ({"signal": -15}, 15),
        ({"signal": 9999}, None),
    ],
)
def test_a_signal_is_known_however_it_is_told(raw: dict[str, int], signal: int | None) -> None:
    assert Evidence.from_dict(raw).signal == signal


def test_the_table_in_the_docs_is_current() -> None:
    assert truth_table_markdown() in PAGE.read_text(encoding="utf-8"), "the table of exit-137.md is out of date"


def test_the_table_names_only_ends_of_processes_and_their_causes() -> None:
    rows = [line.split(" | ") for line in truth_table_markdown().splitlines()[2:]]
    assert len(rows) == 20
    assert rows[0][1:4] == ["`TRAINER_KILLED`", "`TRAINER_CRASHED`", "`TRAINER_KILLED`"]
    assert all("UNKNOWN_FAILURE" not in cell and "NONE" not in cell for row in rows for cell in row)


def test_a_hang_is_measured_by_the_limit_that_was_learned() -> None:
    told = {"heartbeat_age_s": 3, "step_age_s": 100}
    assert silence(Evidence.from_dict(told)) is None
    found = silence(Evidence.from_dict({**told, "step_limit_s": 90}))
    assert found is not None
    assert found.code == "TRAINING_HUNG"
    assert silence(Evidence.from_dict({**told, "step_limit_s": 120})) is None
