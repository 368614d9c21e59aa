"""The pod's own program ends as the training did, and says what it misses."""

from pathlib import Path
from typing import Any

import pytest

from tests.trainers.fakes import spec_of
from trainers.agent.kubernetes import pod


@pytest.mark.parametrize(
    ("last", "code"),
    [
        ({"status": "succeeded", "result": {}}, 0),
        ({"status": "failed", "evidence": {"exit_code": 12}}, 12),
        ({"status": "failed", "evidence": {"exit_code": None, "signal": 9}}, 137),
        ({"status": "failed", "error": {"code": "DOWNLOAD_FAILED"}}, 1),
        ({"status": "cancelled", "at": "t"}, 20),
        ({"status": "cancelled", "evidence": {"exit_code": 21}}, 21),
        (None, 0),
    ],
)
def test_a_pods_exit_code_is_that_of_its_training(last: dict[str, Any] | None, code: int) -> None:
    assert pod.exit_code(last) == code


def test_without_an_assignment_or_the_trainer_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VTP_ASSIGNMENT", str(tmp_path))
    with pytest.raises(SystemExit, match="there is no assignment here"):
        pod.main()
    monkeypatch.setenv("VTP_TRAINERS_DIR", str(tmp_path))
    with pytest.raises(SystemExit, match="the image has no trainer toy"):
        pod._framework(spec_of()["framework"], tmp_path)
