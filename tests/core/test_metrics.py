"""Metrics with labels that cannot grow without bound, and the boundary that counts what it keeps in."""

import pytest
from prometheus_client import REGISTRY

from app.core import metrics
from app.core.errors import NetworkError


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_an_error_is_counted_by_type_severity_and_component() -> None:
    labels = {"error_type": "transient", "severity": "medium", "component": "test-component"}
    before = value("platform_errors_total", **labels)
    metrics.track_error(NetworkError("x", OSError()), "test-component")
    assert value("platform_errors_total", **labels) == before + 1


@pytest.mark.parametrize(
    ("endpoint", "method", "shown"), [("/jobs/{id}", "GET", ("/jobs/{id}", "GET")), (None, "BREW", ("unmatched", "OTHER"))]
)
def test_an_error_answer_is_counted_by_route_template_and_known_method(
    endpoint: str | None, method: str, shown: tuple[str, str]
) -> None:
    labels = {"status_code": "418", "endpoint": shown[0], "method": shown[1]}
    before = value("api_errors_total", **labels)
    metrics.track_api_error(418, endpoint, method)
    assert value("api_errors_total", **labels) == before + 1


def test_a_code_label_is_bounded_by_the_registry() -> None:
    assert metrics.code_label("CUDA_OOM") == "CUDA_OOM"
    assert metrics.code_label("something else") == "UNKNOWN_FAILURE"


def test_a_contained_error_is_counted_and_goes_no_further() -> None:
    before = value("platform_errors_contained_total", component="test-boundary")
    with metrics.contained("test-boundary"):
        raise KeyError("x")
    with metrics.contained("test-boundary"):
        pass
    assert value("platform_errors_contained_total", component="test-boundary") == before + 1


def test_a_boundary_lets_the_end_of_the_process_through() -> None:
    with pytest.raises(KeyboardInterrupt), metrics.contained("test-boundary"):
        raise KeyboardInterrupt
