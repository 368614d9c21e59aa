"""What the metrics are told of trainings."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.services.training_counts import detection, lost_epochs, seconds_between

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("reached", "checkpoint", "lost"),
    [
        (5, {"epoch": 4}, 1),
        (5, {"epoch": 5}, 0),
        (5, None, 5),
        (None, None, 0),
        (3, {"epoch": 4}, 0),
        (2, {"epoch": None}, 2),
    ],
)
def test_epochs_beyond_the_checkpoint_are_lost(reached: int | None, checkpoint: dict[str, Any] | None, lost: int) -> None:
    assert lost_epochs(reached, checkpoint) == lost


@pytest.mark.parametrize(
    ("code", "evidence", "found"),
    [
        ("TRAINER_LOST", {"heartbeat_age_s": 31.5}, ("silence", 31.5)),
        ("TRAINING_HUNG", {"step_age_s": 600, "heartbeat_age_s": 1}, ("hang", 600.0)),
        ("CUDA_OOM", {"process_heartbeat_age_s": 0.2}, ("exit", 0.2)),
        ("CUDA_OOM", {}, None),
        ("CUDA_OOM", {"process_heartbeat_age_s": "soon"}, None),
        ("CUDA_OOM", {"process_heartbeat_age_s": -1}, None),
        ("CUDA_OOM", {"process_heartbeat_age_s": True}, None),
    ],
)
def test_an_end_is_noticed_after_the_last_sign_of_life_that_its_kind_leaves(
    code: str, evidence: dict[str, Any], found: tuple[str, float] | None
) -> None:
    assert detection(code, evidence) == found


def test_time_does_not_run_backwards_where_clocks_differ() -> None:
    assert seconds_between(NOW, NOW - timedelta(seconds=3)) == 0.0
    assert seconds_between(NOW, NOW + timedelta(seconds=3)) == 3.0
    assert seconds_between(None, NOW) is None
