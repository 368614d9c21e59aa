"""The design document's own unit tests."""

from app.core.errors import *  # noqa: F403 - as the document's users import it

# ruff: noqa: F405


def test_transient_error_classification() -> None:
    """A network error is transient and of medium severity."""
    error = NetworkError(service="trainer", original=Exception("Connection refused"))
    assert error.error_type == ErrorType.TRANSIENT
    assert error.severity == ErrorSeverity.MEDIUM


def test_error_serialization() -> None:
    """An error's dictionary tells its type and what was wrong."""
    error = ValidationError(field="epochs", constraint="must be > 0", value=-5)
    error_dict = error.to_dict()
    assert error_dict["error"]["type"] == "user_error"
    assert "epochs" in error_dict["error"]["message"]


def test_retry_policy() -> None:
    """What fails twice in passing succeeds at the third try."""

    @retry_on_transient_error()
    def flaky_function() -> str:
        if not hasattr(flaky_function, "attempts"):
            flaky_function.attempts = 0
        flaky_function.attempts += 1
        if flaky_function.attempts < 3:
            raise NetworkError(service="test", original=Exception())
        return "success"

    result = flaky_function()
    assert result == "success"
    assert flaky_function.attempts == 3
