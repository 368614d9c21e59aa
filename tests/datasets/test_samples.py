"""The sample sets that ship are what their description says."""

from pathlib import Path

import pytest

from app.datasets.intake import examine
from app.datasets.unpack import Limits
from app.services.datasets import SAMPLES


@pytest.mark.parametrize(
    ("name", "task", "counts", "problems"),
    [
        ("digits-classify", "classify", {"train": 1563, "val": 224, "test": 0}, {}),
        ("digits-detect", "detect", {"train": 200, "val": 40, "test": 0}, {}),
        ("digits-broken", "classify", {"train": 400, "val": 224, "test": 0}, {"image_truncated": 5, "image_unreadable": 2}),
    ],
)
def test_a_sample_has_its_images_and_only_the_faults_it_is_meant_to_have(
    tmp_path: Path, name: str, task: str, counts: dict[str, int], problems: dict[str, int]
) -> None:
    if not SAMPLES[name].exists():
        pytest.skip("the samples are not built (make setup)")
    found = examine(SAMPLES[name], tmp_path / "out", Limits(10**9, 10**5), name)
    assert found.summary["task"] == task
    assert found.counts == counts
    assert found.summary["problems"] == problems
    assert found.summary["classes"] == [str(digit) for digit in range(10)]
    assert found.summary["excludable"] == (7 if problems else None)
