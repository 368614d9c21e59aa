"""Signs of a failure before it comes, with the code that it would have."""

from typing import Any

import pytest

from app.diagnosis.early_signs import early_signs

CONFIG = {"batch_size": 32}
GB = 1_000_000_000


def losses(*values: float | str) -> list[dict[str, Any]]:
    return [{"epoch": number, "losses": {"train/loss": value}} for number, value in enumerate(values, 1)]


def metrics(*values: float) -> list[dict[str, Any]]:
    return [{"epoch": number, "metrics": {"metrics/mAP50": value}} for number, value in enumerate(values, 1)]


def disk(*free_gb: float) -> list[dict[str, Any]]:
    return [{"epoch": number, "disk": {"free_bytes": free * GB}} for number, free in enumerate(free_gb, 1)]


def kinds(epochs: list[dict[str, Any]], progress: dict[str, Any]) -> list[tuple[str, str | None, int | None]]:
    return [(sign.kind, sign.code, sign.since_epoch) for sign in early_signs(epochs, progress, CONFIG)]


@pytest.mark.parametrize(
    ("epochs", "progress", "expected"),
    [
        (losses(1.0, 0.5, 0.4), {}, []),
        (losses(1.0, "nan", "nan"), {}, [("loss-not-finite", "TRAINING_DIVERGED", 2)]),
        (losses(1.0), {"epoch": 2, "losses": {"train/loss": "inf"}}, [("loss-not-finite", "TRAINING_DIVERGED", 2)]),
        (losses(1.0, "nan", 0.9), {}, []),
        (losses(1.0, 0.5, 0.6, 0.7, 0.9), {}, [("loss-rising", "TRAINING_DIVERGED", 3)]),
        (losses(1.0, 0.5, 0.51, 0.52, 0.53), {}, []),
        (losses(1.0, 0.5, 0.7, 0.6, 0.9), {}, []),
        ([], {"memory": {"gpu_bytes": 7.7e9, "gpu_total_bytes": 8e9}}, [("gpu-memory", "CUDA_OOM", None)]),
        ([], {"memory": {"gpu_bytes": 7.5e9, "gpu_total_bytes": 8e9}}, []),
        (
            [],
            {"memory": {"rss_bytes": 3.9e9, "rss_limit_bytes": 4e9}},
            [("host-memory", "HOST_OOM", None)],
        ),
        ([], {"memory": {"rss_bytes": 3.9e9, "rss_limit_bytes": None}}, []),
        (metrics(0.1, *[0.5] * 11), {"epochs": 20}, [("metric-flat", None, 3)]),
        (metrics(0.1, *[0.5] * 11), {"epochs": 100}, []),
        (metrics(0.1, *[1.0] * 30), {"epochs": 40}, []),
        (disk(100, 90, 80, 70), {"epochs": 20}, [("disk", "DISK_FULL", None)]),
        (disk(100, 90, 80, 70), {"epochs": 8}, []),
        ([], {"disk": {"free_bytes": 1.5e9}}, [("disk", "DISK_FULL", None)]),
    ],
)
def test_a_sign_is_seen_only_where_there_is_one(
    epochs: list[dict[str, Any]], progress: dict[str, Any], expected: list[tuple[str, str | None, int | None]]
) -> None:
    assert kinds(epochs, progress) == expected


def test_a_sign_tells_the_users_own_values() -> None:
    (sign,) = early_signs([], {"memory": {"gpu_bytes": 7.7e9, "gpu_total_bytes": 8e9}}, CONFIG)
    assert sign.message == "GPU memory is 96% full (7.7 of 8.0 GB)"
    assert "batch 32 would become 16" in sign.advice
