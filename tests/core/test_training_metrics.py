"""Metrics of trainings: labels that cannot grow without bound."""

import pytest
from prometheus_client import REGISTRY

from app.core import training_metrics as metrics
from app.core.error_messages import REGISTRY as CODES


def test_frameworks_beyond_the_first_share_one_label(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_frameworks", set())
    labels = {metrics.framework_label(f"framework-{number}") for number in range(100)}
    assert len(labels) == metrics.MOST_FRAMEWORKS + 1
    assert metrics.framework_label("framework-1") == "framework-1"
    assert metrics.framework_label("framework-99") == "other"


@pytest.mark.parametrize(("code", "causer"), [(None, ""), ("INVALID_MODEL", "user"), ("not a code", "unknown")])
def test_a_causer_is_one_of_the_registry(code: str | None, causer: str) -> None:
    assert metrics.causer_label(code) == causer
    assert {metrics.causer_label(known) for known in CODES} == metrics.CAUSERS


@pytest.mark.parametrize(("status", "told"), [(200, "2xx"), (404, "4xx"), (503, "5xx")])
def test_an_answer_is_counted_by_the_class_of_its_status(status: int, told: str) -> None:
    def count() -> float:
        return REGISTRY.get_sample_value("api_requests_total", {"status_class": told}) or 0.0

    before = count()
    metrics.answered(status)
    metrics.answered(0)
    metrics.answered(999)
    assert count() == before + 1
