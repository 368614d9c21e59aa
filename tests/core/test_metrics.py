"""Metrics with labels that cannot grow without bound, and the boundary that counts what it keeps in."""

import threading

import pytest
from prometheus_client import REGISTRY

from app.core import metrics
from app.core.errors import DatabaseError, NetworkError, PlatformError


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


def test_an_error_is_counted_under_the_part_that_its_code_names_wherever_it_is_handled() -> None:
    labels = {"error_type": "system_error", "severity": "critical", "component": "database"}
    before = value("platform_errors_total", **labels)
    metrics.track_error(DatabaseError("commit", OSError()), "driver")
    metrics.track_answer(DatabaseError("commit", OSError()), "api", 500, "/jobs", "GET", 0.001)
    assert value("platform_errors_total", **labels) == before + 2


def test_answers_are_in_the_metrics_when_these_are_read_and_at_the_latest_after_so_many() -> None:
    labels = {"status_code": "409", "endpoint": "/burst", "method": "GET"}
    error = PlatformError.from_code("CONFLICT")
    for _ in range(metrics.MOST_ANSWERS + 5):
        metrics.track_answer(error, "api", 409, "/burst", "GET", 0.001)
    assert len(metrics._answers) < metrics.MOST_ANSWERS
    assert value("api_errors_total", **labels) == metrics.MOST_ANSWERS + 5
    assert metrics._answers == []


def test_answers_noted_in_several_threads_are_all_counted() -> None:
    labels = {"status_code": "404", "endpoint": "/threads", "method": "GET"}
    error = PlatformError.from_code("NOT_FOUND")

    def note() -> None:
        for _ in range(3000):
            metrics.track_answer(error, "api", 404, "/threads", "GET", 0.001)

    threads = [threading.Thread(target=note) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert value("api_errors_total", **labels) == 12_000


def test_the_counters_of_alerts_begin_at_0() -> None:
    for component in ("database", "api"):
        labels = {"error_type": "system_error", "severity": "critical", "component": component}
        assert REGISTRY.get_sample_value("platform_errors_total", labels) is not None
    metrics.expect_answers([("/expected", "GET"), ("/expected", "BREW")])
    labels = {"status_code": "500", "endpoint": "/expected", "method": "GET"}
    assert REGISTRY.get_sample_value("api_errors_total", labels) == 0
