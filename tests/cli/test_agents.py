"""Machines on the command line: listed, drained, taken back; and the database brought up to date."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Vtp

pytestmark = pytest.mark.e2e


def test_a_machine_is_listed_drained_and_taken_back(here: Vtp) -> None:
    assert here("agents", "list")[:2] == (0, "agent test: ready, 0 of 2 slots busy\n")
    assert here("agents", "drain", "test")[:2] == (0, "agent test: drained, 0 of 2 slots busy\n")
    assert "agent test: drained" in here("status")[1]
    code, out, _ = here("--json", "agents", "resume", "test")
    assert (code, json.loads(out)["state"]) == (0, "ready")
    code, _, err = here("agents", "drain", "no/body")
    assert code == 3
    assert "no/body" in err


def test_the_database_is_brought_to_its_newest_form_as_often_as_one_likes(
    vtp: Vtp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VTP_HOME", str(tmp_path))
    for _ in range(2):
        assert vtp("migrate") == (0, "", "the database is in its newest form\n")
    assert (tmp_path / "vtp.db").stat().st_size > 0
