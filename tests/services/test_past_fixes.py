"""What helped before, told from how jobs went on."""

import pytest

from app.services.past_fixes import Outcome, changes, counted, named

BATCH = (("batch_size", 16),)


def outcome(number: int, patch: tuple[tuple[str, object], ...], *, worked: bool = True) -> Outcome:
    return Outcome(f"J-{number}", patch, worked, f"J-{number + 100}")


def test_the_most_frequent_fix_comes_first_and_counts_against_all_that_were_tried() -> None:
    outcomes = [outcome(number, BATCH) for number in range(11)]
    outcomes += [outcome(11, ()), outcome(12, (), worked=False), outcome(13, BATCH, worked=False)]
    first, second = counted(outcomes)
    assert first == {
        "text": "11 of 14 were fixed by batch 16", "fix": "batch 16", "worked": 11, "tried": 14, "patch": {"batch_size": 16},
        "example": "J-100",
    }  # fmt: skip
    assert second["text"] == "1 of 14 was fixed by another try"


def test_nothing_helped_is_no_fix() -> None:
    assert counted([outcome(1, BATCH, worked=False)]) == counted([]) == []


@pytest.mark.parametrize(
    ("after", "words"),
    [
        ({"batch_size": 16, "name": "b", "accumulate": 4}, "batch 16"),
        ({"batch_size": 32}, "another try"),
        ({"batch_size": 32, "lr0": 0.001, "workers": 0}, "learning rate 0.001, workers 0"),
        ({}, "batch default"),
        (
            {"batch_size": 1, "image_size": 2, "lr0": 3, "workers": 4, "amp": False},
            "amp False, batch 1, image size 2 and 2 more",
        ),
        ({"batch_size": 32, "exclude_invalid_files": True}, "training without the broken files"),
        ({"batch_size": 32, "excluded": ["a", "b"]}, "excluded ['a', 'b']"),
    ],
)
def test_a_change_is_named_by_the_settings_that_matter(after: dict[str, object], words: str) -> None:
    assert named(changes({"batch_size": 32, "name": "a", "accumulate": 2}, after)) == words
