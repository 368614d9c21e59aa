"""The last failure of each dependency is kept, with what lies beneath and the trace it belongs to; no more than that."""

import pytest

from app.core import last_errors
from app.core.errors import CircuitOpenError, DatabaseError, NetworkError, PlatformError
from app.core.metrics import track_answer, track_error
from app.core.tracing import set_trace_id


@pytest.fixture(autouse=True)
def nothing_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """No failure is known."""
    monkeypatch.setattr(last_errors, "_last", {})


def caused(code: str, cause: Exception) -> PlatformError:
    """An error as a client raises it."""
    error = PlatformError.from_code(code, cause=cause)
    error.__cause__ = cause
    return error


def test_an_error_whose_code_names_its_dependency_is_remembered_where_it_is_counted() -> None:
    set_trace_id("1" * 32)
    track_error(caused("TEMPORAL_ERROR", NetworkError("temporal", OSError())), "driver")
    found = last_errors.last("temporal")
    assert found is not None
    assert (found.code, found.beneath, found.trace_id) == ("TEMPORAL_ERROR", "NETWORK_ERROR", "1" * 32)
    track_answer(DatabaseError("x", TimeoutError()), "api", 500, "/x", "GET", 0.1)
    assert last_errors.last("database") is not None
    assert last_errors.last("mlflow") is None


def test_the_innermost_cause_that_says_something_is_what_lies_beneath() -> None:
    last_errors.note("storage", caused("STORAGE_ERROR", ConnectionRefusedError()))
    found = last_errors.last("storage")
    assert found is not None
    assert found.beneath == "NETWORK_ERROR"
    last_errors.note("storage", caused("STORAGE_ERROR", RuntimeError("no idea")))
    found = last_errors.last("storage")
    assert found is not None
    assert found.beneath is None


def test_a_call_that_the_breaker_refused_is_not_taken_for_a_failure_of_the_dependency() -> None:
    last_errors.note("temporal", caused("TEMPORAL_ERROR", CircuitOpenError("temporal", 3)))
    assert last_errors.last("temporal") is None


def test_only_so_many_dependencies_are_remembered_each_once() -> None:
    for number in range(2 * last_errors.MOST):
        last_errors.note(f"d{number}", caused("NETWORK_ERROR", TimeoutError()))
    last_errors.note("d0", caused("OPERATION_TIMEOUT", OSError()))
    assert len(last_errors._last) == last_errors.MOST
    found = last_errors.last("d0")
    assert found is not None
    assert found.code == "OPERATION_TIMEOUT"


def test_a_chain_of_causes_that_never_ends_is_cut() -> None:
    error, other = PlatformError.from_code("STORAGE_ERROR"), OSError("x")
    error.__cause__, other.__cause__ = other, error
    last_errors.note("storage", error)
    assert last_errors.last("storage") is not None
