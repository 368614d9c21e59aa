"""The one hierarchy of errors.

    PlatformError               any error of the platform; made from a code by ``PlatformError.from_code``
    ├── transient: retried
    │   ├── NetworkError                  NETWORK_ERROR
    │   ├── ServiceUnavailableError       SERVICE_UNAVAILABLE, TRAINER_UNREACHABLE
    │   │   └── CircuitOpenError          SERVICE_UNAVAILABLE, an open breaker refuses; never counted nor retried
    │   └── TimeoutError                  OPERATION_TIMEOUT, also the builtin TimeoutError
    ├── permanent: not retried
    │   ├── ConfigurationError            INVALID_CONFIG, INVALID_MODEL
    │   ├── ResourceNotFoundError         NOT_FOUND, DATASET_NOT_FOUND
    │   └── InsufficientPermissionsError  INSUFFICIENT_PERMISSIONS
    ├── the user's
    │   ├── ValidationError               VALIDATION_FAILED
    │   ├── QuotaExceededError            QUOTA_EXCEEDED
    │   └── DatasetValidationError        DATASET_INVALID_FORMAT, DATASET_BROKEN
    └── the system's
        ├── DatabaseError                 DATABASE_ERROR
        ├── StorageError                  STORAGE_ERROR
        └── UnexpectedError               SYSTEM_ERROR

Names, signatures and texts of the classes are the design document's. `message`, `context` and `to_dict` are for logs and
the database; what a user may see is made by `app.core.responses.public` alone.
"""

import builtins
from typing import TYPE_CHECKING, Any

from app.core.base import ErrorSeverity, ErrorType, FieldError, PlatformError
from app.core.fixes import Fix

if TYPE_CHECKING:
    from app.core.retry import retry_on_transient_error

__all__ = [
    "CircuitOpenError",
    "ConfigurationError",
    "DatabaseError",
    "DatasetValidationError",
    "ErrorSeverity",
    "ErrorType",
    "FieldError",
    "Fix",
    "InsufficientPermissionsError",
    "NetworkError",
    "PlatformError",
    "QuotaExceededError",
    "ResourceNotFoundError",
    "ServiceUnavailableError",
    "StorageError",
    "TimeoutError",
    "UnexpectedError",
    "ValidationError",
    "retry_on_transient_error",
]


def __getattr__(name: str) -> Any:
    # The design document's users take this decorator from here; the module that has it builds on this one.
    if name == "retry_on_transient_error":
        from app.core.retry import retry_on_transient_error

        return retry_on_transient_error
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)


class NetworkError(PlatformError):
    """Network connectivity issues."""

    default_code = "NETWORK_ERROR"
    codes = ("NETWORK_ERROR",)

    def __init__(self, service: str, original: BaseException) -> None:
        super().__init__(
            message=f"Network error communicating with {service}",
            error_type=ErrorType.TRANSIENT,
            severity=ErrorSeverity.MEDIUM,
            user_message=f"Unable to connect to {service}. Retrying...",
            suggested_action="Please wait while we retry the connection.",
            context={"service": service},
            original_exception=original,
        )


class ServiceUnavailableError(PlatformError):
    """External service temporarily unavailable; `retry_after` in seconds."""

    default_code = "SERVICE_UNAVAILABLE"
    codes = ("SERVICE_UNAVAILABLE", "TRAINER_UNREACHABLE")

    def __init__(self, service: str, retry_after: float | None = None) -> None:
        super().__init__(
            message=f"{service} is temporarily unavailable",
            error_type=ErrorType.TRANSIENT,
            severity=ErrorSeverity.HIGH,
            user_message=f"{service} is currently busy. We'll retry automatically.",
            suggested_action=f"Wait {retry_after:g}s" if retry_after else "Please try again later",
            context={"service": service, "retry_after": retry_after},
        )


class CircuitOpenError(ServiceUnavailableError):
    """A call that an open breaker refused; `retry_after` is the time in seconds until it lets a probe through."""

    def __init__(self, service: str, retry_after: float | None = None) -> None:
        # An open breaker refuses many calls a second: the texts are filled when somebody reads them.
        self.__dict__ = {
            "code": self.default_code,
            "error_type": ErrorType.TRANSIENT,
            "severity": ErrorSeverity.HIGH,
            "context": {"service": service, "retry_after": retry_after},
            "original_exception": None,
            "errors": (),
            "fixes": (),
        }


class TimeoutError(PlatformError, builtins.TimeoutError):  # noqa: A001 - the design document's name
    """Operation timed out (may be transient or permanent)."""

    default_code = "OPERATION_TIMEOUT"
    codes = ("OPERATION_TIMEOUT",)

    def __init__(self, operation: str, timeout_seconds: float, is_retryable: bool = True) -> None:
        super().__init__(
            message=f"{operation} timed out after {timeout_seconds}s",
            error_type=ErrorType.TRANSIENT if is_retryable else ErrorType.PERMANENT,
            severity=ErrorSeverity.MEDIUM,
            user_message="The operation took too long and was cancelled.",
            suggested_action=("Please try again. If the issue persists, try reducing dataset size or model complexity."),
            context={"operation": operation, "timeout_seconds": timeout_seconds},
        )


class ConfigurationError(PlatformError):
    """Invalid configuration that won't work with retries."""

    default_code = "INVALID_CONFIG"
    codes = ("INVALID_CONFIG", "INVALID_MODEL")

    def __init__(self, field: str, issue: str) -> None:
        super().__init__(
            message=f"Invalid configuration: {field} - {issue}",
            error_type=ErrorType.PERMANENT,
            severity=ErrorSeverity.MEDIUM,
            user_message=f"Configuration error: {issue}",
            suggested_action=f"Please correct the '{field}' field in your configuration.",
            context={"field": field, "issue": issue, "details": issue},
        )


class ResourceNotFoundError(PlatformError):
    """Requested resource does not exist."""

    default_code = "NOT_FOUND"
    codes = ("NOT_FOUND", "DATASET_NOT_FOUND")

    def __init__(self, resource_type: str, resource_id: str) -> None:
        super().__init__(
            message=f"{resource_type} not found: {resource_id}",
            error_type=ErrorType.PERMANENT,
            severity=ErrorSeverity.LOW,
            user_message=f"The {resource_type} you requested does not exist.",
            suggested_action=f"Please check the {resource_type} ID and try again.",
            context={"resource_type": resource_type, "resource_id": resource_id},
            code="DATASET_NOT_FOUND" if resource_type == "dataset" else None,
        )


class InsufficientPermissionsError(PlatformError):
    """User lacks required permissions."""

    default_code = "INSUFFICIENT_PERMISSIONS"
    codes = ("INSUFFICIENT_PERMISSIONS",)

    def __init__(self, action: str, required_role: str) -> None:
        super().__init__(
            message=f"Insufficient permissions for {action}. Required role: {required_role}",
            error_type=ErrorType.PERMANENT,
            severity=ErrorSeverity.LOW,
            user_message=f"You don't have permission to {action}.",
            suggested_action=f"Contact your administrator to request '{required_role}' role access.",
            context={"action": action, "required_role": required_role},
        )


class ValidationError(PlatformError):
    """User input validation failed."""

    default_code = "VALIDATION_FAILED"
    codes = ("VALIDATION_FAILED",)

    def __init__(self, field: str, constraint: str, value: Any) -> None:
        super().__init__(
            message=f"Validation failed: {field} {constraint} (got: {value})",
            error_type=ErrorType.USER_ERROR,
            severity=ErrorSeverity.LOW,
            user_message=f"Invalid value for {field}: {constraint}",
            suggested_action=f"Please provide a valid value for '{field}'.",
            context={"field": field, "constraint": constraint, "value": value},
            errors=[FieldError("#/" + field.replace(".", "/"), "invalid", constraint)],
        )


class QuotaExceededError(PlatformError):
    """User exceeded resource quota."""

    default_code = "QUOTA_EXCEEDED"
    codes = ("QUOTA_EXCEEDED",)

    def __init__(self, resource: str, limit: int, current: int) -> None:
        super().__init__(
            message=f"Quota exceeded for {resource}: {current}/{limit}",
            error_type=ErrorType.USER_ERROR,
            severity=ErrorSeverity.MEDIUM,
            user_message=f"You've reached your limit of {limit} {resource}.",
            suggested_action=f"Please delete unused {resource} or upgrade your plan.",
            context={"resource": resource, "limit": limit, "current": current},
        )


class DatasetValidationError(PlatformError):
    """Dataset format or content validation failed."""

    default_code = "DATASET_INVALID_FORMAT"
    codes = ("DATASET_INVALID_FORMAT", "DATASET_BROKEN")

    def __init__(self, issue: str, details: dict[str, Any]) -> None:
        super().__init__(
            message=f"Dataset validation failed: {issue}",
            error_type=ErrorType.USER_ERROR,
            severity=ErrorSeverity.MEDIUM,
            user_message=f"Dataset validation error: {issue}",
            suggested_action="Please check your dataset format and try uploading again.",
            context={"issue": issue, **details},
        )


class DatabaseError(PlatformError):
    """Database operation failed."""

    default_code = "DATABASE_ERROR"
    codes = ("DATABASE_ERROR",)

    def __init__(self, operation: str, original: BaseException) -> None:
        super().__init__(
            message=f"Database error during {operation}: {original!s}",
            error_type=ErrorType.SYSTEM_ERROR,
            severity=ErrorSeverity.CRITICAL,
            user_message="A system error occurred. Our team has been notified.",
            suggested_action="Please try again later. If the issue persists, contact support.",
            context={"operation": operation},
            original_exception=original,
        )


class StorageError(PlatformError):
    """S3/storage operation failed."""

    default_code = "STORAGE_ERROR"
    codes = ("STORAGE_ERROR",)

    def __init__(self, operation: str, bucket: str, key: str, original: BaseException) -> None:
        super().__init__(
            message=f"Storage error during {operation}: {bucket}/{key}",
            error_type=ErrorType.SYSTEM_ERROR,
            severity=ErrorSeverity.HIGH,
            user_message="Unable to access storage. Our team has been notified.",
            suggested_action="Please try again later.",
            context={"operation": operation, "bucket": bucket, "key": key},
            original_exception=original,
        )


class UnexpectedError(PlatformError):
    """Uncaught exception (bug)."""

    default_code = "SYSTEM_ERROR"
    codes = ("SYSTEM_ERROR",)

    def __init__(self, original: BaseException) -> None:
        super().__init__(
            message=f"Unexpected error: {type(original).__name__}: {original!s}",
            error_type=ErrorType.SYSTEM_ERROR,
            severity=ErrorSeverity.CRITICAL,
            user_message="An unexpected error occurred. Our team has been notified.",
            suggested_action="Please contact support if the issue persists.",
            original_exception=original,
        )
