"""What every error is: made from any code, with the details that may leave, copied with its cause."""

import copy
import pickle
from typing import Any

import pytest

from app.core import base, errors
from app.core.error_messages import REGISTRY
from app.core.errors import ErrorSeverity, ErrorType, Fix, PlatformError
from tests.core.test_errors import same


class Unpicklable(Exception):
    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} {two}")


class Hostile(Exception):
    def __reduce__(self) -> Any:
        raise RuntimeError("not me")


def test_a_cause_that_cannot_travel_is_told_by_type_and_text() -> None:
    for cause in (Unpicklable("one", "two"), Hostile("mine")):
        error = errors.NetworkError("trainer", cause)
        error.context["handle"] = (item for item in ())
        twin = pickle.loads(pickle.dumps(error))
        assert isinstance(twin.__cause__, base.ForeignError)
        assert str(twin.__cause__) == f"{type(cause).__name__}: {cause}"
        assert twin.context["handle"] == "generator (TypeError)"
        assert copy.copy(error).__cause__ is cause


def test_an_error_of_any_code_has_the_rows_values_and_survives_pickling() -> None:
    for code, row in REGISTRY.items():
        error = PlatformError.from_code(code, {"details": "d"}, cause=ValueError("why"))
        assert (error.code, error.error_type.value, error.severity.value) == (code, row.type, row.severity)
        assert isinstance(error.__cause__, ValueError)
        same(error, pickle.loads(pickle.dumps(error)))


def test_a_code_with_a_class_of_its_own_gives_that_class() -> None:
    assert type(PlatformError.from_code("STORAGE_ERROR")) is errors.StorageError
    assert type(PlatformError.from_code("INVALID_MODEL")) is errors.ConfigurationError
    assert type(PlatformError.from_code("CUDA_OOM")) is PlatformError


@pytest.mark.parametrize("code", ["GREMLINS", "", None, 7, ["a"], {"b": 1}])
def test_from_code_is_total_and_keeps_an_unknown_code(code: Any) -> None:
    error = PlatformError.from_code(code, {1: "one"})
    assert error.code == "UNKNOWN_FAILURE"
    assert error.context["claimed_code"] == code
    assert error.context["1"] == "one"


def test_the_base_class_takes_the_documents_arguments_and_has_a_message_for_every_type() -> None:
    for kind in ErrorType:
        error = PlatformError("it broke", kind, ErrorSeverity.LOW, context={"a": 1})
        assert error.user_message == base._DEFAULT_USER_MESSAGES[kind]
        assert error.code == "SYSTEM_ERROR"
        assert error.suggested_action is None
        assert error.to_dict()["error"]["context"] == {"a": 1}
    told = PlatformError("it broke", ErrorType.PERMANENT, user_message="Sorry.", code="CUDA_OOM")
    assert (told.user_message, told.code, told.severity) == ("Sorry.", "CUDA_OOM", ErrorSeverity.MEDIUM)


def test_only_declared_details_are_parameters() -> None:
    error = PlatformError.from_code("QUOTA_EXCEEDED", {"resource": "jobs", "limit": 3, "secret": "s", "current": None})
    assert error.params["resource"] == "jobs"
    assert "secret" not in error.params
    assert "current" not in error.params


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        (3, 3.0),
        (0, 0.0),
        (2.5, 2.5),
        (None, None),
        (True, None),
        ("3", None),
        (-1, None),
        (float("inf"), None),
        (float("nan"), None),
    ],
)
def test_retry_after_is_a_finite_number_of_seconds_or_none(value: Any, wait: float | None) -> None:
    assert PlatformError.from_code("SERVICE_UNAVAILABLE", {"retry_after": value}).retry_after == wait


def test_fixes_stay_with_the_error() -> None:
    fix = Fix("x", "Do x", "safe")
    assert PlatformError.from_code("CUDA_OOM", fixes=[fix]).fixes == (fix,)


MISSING = {"resource_type": "job", "resource_id": "J-1"}


def missing() -> PlatformError:
    return PlatformError.from_code("NOT_FOUND", MISSING)


def test_the_texts_are_filled_when_one_of_them_is_read() -> None:
    error = missing()
    assert not error.has_own_texts
    assert error.user_message == "There is no job `J-1`."
    assert error.message == f"NOT_FOUND: {error.user_message}"
    assert error.suggested_action == "Check the job and try again."
    assert error.has_own_texts


def test_a_text_that_was_given_later_is_kept() -> None:
    error = missing()
    error.suggested_action = "Ask Ada."
    assert error.has_own_texts
    assert error.user_message == "There is no job `J-1`."
    assert error.suggested_action == "Ask Ada."


def test_it_reads_as_other_exceptions_do() -> None:
    error = missing()
    assert str(error) == "NOT_FOUND: There is no job `J-1`."
    assert repr(missing()) == "ResourceNotFoundError('NOT_FOUND: There is no job `J-1`.')"
    own = PlatformError("words", ErrorType.PERMANENT)
    assert (str(own), repr(own)) == ("words", "PlatformError('words')")


@pytest.mark.parametrize("twin", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy])
@pytest.mark.parametrize("code", ["NOT_FOUND", "OPERATION_TIMEOUT", "SERVICE_UNAVAILABLE", "UNKNOWN_FAILURE"])
def test_an_error_whose_texts_nobody_read_travels_whole(code: str, twin: object) -> None:
    error = PlatformError.from_code(code, {**MISSING, "service": "trainer"}, cause=OSError("gone"))
    travelled = twin(error)  # type: ignore[operator]
    assert type(travelled) is type(error)
    assert travelled.to_dict() == error.to_dict()
    assert (str(travelled), repr(travelled)) == (str(error), repr(error))
    assert isinstance(travelled.__cause__, OSError)


def test_the_texts_are_filled_from_values_that_cannot_travel_before_they_do() -> None:
    error = PlatformError.from_code("NOT_FOUND", {"resource_type": "lock", "resource_id": lambda: None})
    travelled = pickle.loads(pickle.dumps(error))
    assert travelled.user_message == error.user_message


@pytest.mark.parametrize("error", [missing(), errors.ServiceUnavailableError("trainer"), errors.TimeoutError("upload", 3)])
def test_other_attributes_are_missing_as_usual(error: PlatformError) -> None:
    assert not hasattr(error, "status_code")
    with pytest.raises(AttributeError, match="has no attribute 'status_code'") as caught:
        error.status_code  # noqa: B018 - reading it is what is tested
    assert (caught.value.name, caught.value.obj) == ("status_code", error)
    bare = PlatformError.__new__(PlatformError)
    assert not hasattr(bare, "message")
