"""`vtp errors` against a real platform."""

import json

import pytest

from tests.cli.conftest import Vtp
from tests.waiting import until

pytestmark = pytest.mark.e2e


def test_a_failure_is_listed_shown_resolved_and_in_the_digest(here: Vtp) -> None:
    here("jobs", "show", "J-404404")

    def listed() -> list[dict[str, object]]:
        found: list[dict[str, object]] = json.loads(here("--json", "errors", "list", "--code", "NOT_FOUND")[1])["items"]
        return found

    until(lambda: bool(listed()), "the failure in a group", 20)
    group = str(listed()[0]["group_id"])
    code, out, _ = here("errors", "list", "--search", "found")
    assert code == 0
    assert out.splitlines()[0].split() == ["GROUP", "STATE", "COUNT", "WEEK", "LAST", "SEEN", "CODE", "WHAT"]
    assert "NOT_FOUND" in here("errors", "show", group)[1]
    assert here("errors", "resolve", group, "--note", "as it should be")[1] == f"group {group} resolved\n"
    assert [row["note"] for row in listed() if str(row["group_id"]) == group] == ["as it should be"]
    assert here("errors", "reopen", group)[1] == f"group {group} open\n"
    history = [
        line.split(" ", 1)[1].strip() for line in here("errors", "show", group)[1].splitlines() if line.startswith("history")
    ]
    assert history[0].startswith("open by owner at ")
    assert history[1].startswith("resolved by owner at ")
    assert history[1].endswith(": as it should be")
    assert here("errors", "digest")[1].startswith("# Failures from ")
    assert here("errors", "bundle", "J-404404", "--preview")[0] == 3
    assert "no failures match" in here("errors", "list", "--search", "nosuchword")[2]
