"""Errors made from a code: their texts are there when somebody reads them, and travel with them."""

import copy
import pickle

import pytest

from app.core.base import ErrorType, PlatformError
from app.core.errors import ServiceUnavailableError, TimeoutError  # noqa: A004 - the platform's own

DETAILS = {"resource_type": "job", "resource_id": "J-1"}


def missing() -> PlatformError:
    return PlatformError.from_code("NOT_FOUND", DETAILS)


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
    error = PlatformError.from_code(code, {**DETAILS, "service": "trainer"}, cause=OSError("gone"))
    travelled = twin(error)  # type: ignore[operator]
    assert type(travelled) is type(error)
    assert travelled.to_dict() == error.to_dict()
    assert (str(travelled), repr(travelled)) == (str(error), repr(error))
    assert isinstance(travelled.__cause__, OSError)


def test_the_texts_are_filled_from_values_that_cannot_travel_before_they_do() -> None:
    error = PlatformError.from_code("NOT_FOUND", {"resource_type": "lock", "resource_id": lambda: None})
    travelled = pickle.loads(pickle.dumps(error))
    assert travelled.user_message == error.user_message


@pytest.mark.parametrize("error", [missing(), ServiceUnavailableError("trainer"), TimeoutError("upload", 3)])
def test_other_attributes_are_missing_as_usual(error: PlatformError) -> None:
    assert not hasattr(error, "status_code")
    with pytest.raises(AttributeError, match="has no attribute 'status_code'") as caught:
        error.status_code  # noqa: B018 - reading it is what is tested
    assert (caught.value.name, caught.value.obj) == ("status_code", error)
    bare = PlatformError.__new__(PlatformError)
    assert not hasattr(bare, "message")
