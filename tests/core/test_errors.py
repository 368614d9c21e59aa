"""The classes: the document's signatures, one code each, and a copy that is as good as the original."""

import builtins
import copy
import multiprocessing
import pickle
from typing import Any

import pytest

from app.core import errors
from app.core.error_messages import REGISTRY
from app.core.errors import ErrorType, FieldError, PlatformError

MADE: list[tuple[PlatformError, str, str, str, str]] = [
    (
        errors.NetworkError("trainer", OSError("refused")),
        "transient",
        "medium",
        "NETWORK_ERROR",
        "Network error communicating with trainer",
    ),
    (
        errors.ServiceUnavailableError("MLflow", 7),
        "transient",
        "high",
        "SERVICE_UNAVAILABLE",
        "MLflow is temporarily unavailable",
    ),
    (
        errors.CircuitOpenError("MLflow", 7),
        "transient",
        "high",
        "SERVICE_UNAVAILABLE",
        "SERVICE_UNAVAILABLE: MLflow is not available now.",
    ),
    (errors.TimeoutError("upload", 30), "transient", "medium", "OPERATION_TIMEOUT", "upload timed out after 30s"),
    (
        errors.ConfigurationError("epochs", "is negative"),
        "permanent",
        "medium",
        "INVALID_CONFIG",
        "Invalid configuration: epochs - is negative",
    ),
    (errors.ResourceNotFoundError("model", "m1"), "permanent", "low", "NOT_FOUND", "model not found: m1"),
    (errors.ResourceNotFoundError("dataset", "d1"), "permanent", "low", "DATASET_NOT_FOUND", "dataset not found: d1"),
    (
        errors.InsufficientPermissionsError("delete", "owner"),
        "permanent",
        "low",
        "INSUFFICIENT_PERMISSIONS",
        "Insufficient permissions for delete. Required role: owner",
    ),
    (
        errors.ValidationError("epochs", "must be > 0", -5),
        "user_error",
        "low",
        "VALIDATION_FAILED",
        "Validation failed: epochs must be > 0 (got: -5)",
    ),
    (
        errors.QuotaExceededError("datasets", 3, 4),
        "user_error",
        "medium",
        "QUOTA_EXCEEDED",
        "Quota exceeded for datasets: 4/3",
    ),
    (
        errors.DatasetValidationError("no images", {"file": "a.png"}),
        "user_error",
        "medium",
        "DATASET_INVALID_FORMAT",
        "Dataset validation failed: no images",
    ),
    (
        errors.DatabaseError("insert", ValueError("x")),
        "system_error",
        "critical",
        "DATABASE_ERROR",
        "Database error during insert: x",
    ),
    (
        errors.StorageError("put", "b", "k", OSError("x")),
        "system_error",
        "high",
        "STORAGE_ERROR",
        "Storage error during put: b/k",
    ),
    (errors.UnexpectedError(KeyError("k")), "system_error", "critical", "SYSTEM_ERROR", "Unexpected error: KeyError: 'k'"),
]
IDS = [f"{type(row[0]).__name__}-{row[3]}" for row in MADE]


@pytest.mark.parametrize(("error", "kind", "severity", "code", "message"), MADE, ids=IDS)
def test_a_class_has_the_documents_type_severity_message_and_its_code(
    error: PlatformError, kind: str, severity: str, code: str, message: str
) -> None:
    assert (error.error_type.value, error.severity.value, error.code, str(error)) == (kind, severity, code, message)
    assert error.user_message
    assert error.suggested_action
    assert error.causer == REGISTRY[code].causer
    assert error.http_status == (REGISTRY[code].http or 500)


def test_every_class_of_the_module_is_in_the_table_above() -> None:
    classes = {value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, PlatformError)} - {
        PlatformError
    }
    assert {type(row[0]) for row in MADE} == classes


def same(one: PlatformError, other: Any) -> None:
    assert type(other) is type(one)
    assert other is not one
    assert str(other) == str(one)
    assert (other.code, other.user_message, other.errors, other.fixes) == (one.code, one.user_message, one.errors, one.fixes)
    assert other.context == one.context
    assert repr(other.__cause__) == repr(one.__cause__)
    assert repr(other.original_exception) == repr(one.original_exception)


@pytest.mark.parametrize("error", [row[0] for row in MADE], ids=IDS)
def test_a_copy_by_any_way_is_the_same_error_with_its_cause(error: PlatformError) -> None:
    for twin in (copy.copy(error), copy.deepcopy(error), *(pickle.loads(pickle.dumps(error, p)) for p in range(6))):
        same(error, twin)


def _raise_all(_: int) -> None:
    raise errors.StorageError("put", "bucket", "key", OSError(28, "No space left on device"))


def test_an_error_crosses_a_process_boundary_with_its_cause() -> None:
    context = multiprocessing.get_context("spawn")
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(1, mp_context=context) as pool, pytest.raises(errors.StorageError) as caught:
        pool.submit(_raise_all, 1).result(60)
    assert isinstance(caught.value.original_exception, OSError)
    assert caught.value.original_exception.errno == 28


def test_a_time_out_that_may_not_be_retried_is_permanent() -> None:
    error = errors.TimeoutError("training", 3600, is_retryable=False)
    assert error.error_type is ErrorType.PERMANENT
    assert not error.retryable
    assert isinstance(error, builtins.TimeoutError)


def test_retryable_follows_the_type_and_else_the_registry() -> None:
    assert errors.NetworkError("x", OSError()).retryable
    assert not errors.ValidationError("a", "b", 1).retryable
    assert PlatformError.from_code("CUDA_ERROR").retryable


def test_a_wrong_field_is_pointed_at() -> None:
    error = errors.ValidationError("settings.lr", "must be > 0", 0)
    assert error.errors == (FieldError("#/settings/lr", "invalid", "must be > 0"),)


def test_wait_is_part_of_the_advice_only_where_it_is_known() -> None:
    assert errors.ServiceUnavailableError("x", 7).suggested_action == "Wait 7s"
    assert errors.ServiceUnavailableError("x").suggested_action == "Please try again later"


def test_the_module_offers_the_documents_names_and_no_others() -> None:
    for name in errors.__all__:
        assert getattr(errors, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        errors.nonsense  # noqa: B018 - looking is the test
