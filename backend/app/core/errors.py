"""The one hierarchy of errors.

    PlatformError               any error of the platform; made from a code by ``PlatformError.from_code``
    ├── transient: retried
    │   ├── NetworkError                  NETWORK_ERROR
    │   ├── ServiceUnavailableError       SERVICE_UNAVAILABLE
    │   │   └── CircuitOpenError          SERVICE_UNAVAILABLE, an open breaker refuses; never counted nor retried
    │   └── TimeoutError                  OPERATION_TIMEOUT, also the builtin TimeoutError
    ├── permanent: not retried
    │   ├── ConfigurationError            INVALID_CONFIG
    │   ├── ResourceNotFoundError         NOT_FOUND, DATASET_NOT_FOUND
    │   └── InsufficientPermissionsError  INSUFFICIENT_PERMISSIONS
    ├── the user's
    │   ├── ValidationError               VALIDATION_FAILED
    │   ├── QuotaExceededError            QUOTA_EXCEEDED
    │   └── DatasetValidationError        DATASET_INVALID_FORMAT
    └── the system's
        ├── DatabaseError                 DATABASE_ERROR
        ├── StorageError                  STORAGE_ERROR
        └── UnexpectedError               SYSTEM_ERROR

Names, signatures and texts of the classes are the design document's. `message`, `context` and `to_dict` are for logs and
the database; what a user may see is made by `app.core.responses.public` alone.
"""

import builtins
import copyreg
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal

from app.core.error_messages import REGISTRY, ErrorRow, format_error_message

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
]


class ErrorType(str, Enum):
    """Error classification for automated handling."""

    TRANSIENT = "transient"
    PERMANENT = "permanent"
    USER_ERROR = "user_error"
    SYSTEM_ERROR = "system_error"


class ErrorSeverity(str, Enum):
    """Impact severity for alerting."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field of a request: a JSON pointer into it, a machine code, a sentence fragment."""

    pointer: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Fix:
    """A remedy that a program can apply: an RFC 6902 patch on the job's configuration.

    `applicability`: ``safe`` may be applied with one click, ``review`` wants a look at the change, ``manual`` is advice.
    """

    id: str
    label: str
    applicability: Literal["safe", "review", "manual"]
    patch: tuple[dict[str, Any], ...] = field(default=())


_DEFAULT_USER_MESSAGES = {
    ErrorType.TRANSIENT: "A temporary issue occurred. Please try again.",
    ErrorType.PERMANENT: "Unable to complete the operation. Please check your configuration.",
    ErrorType.USER_ERROR: "There was a problem with your request. Please review and try again.",
    ErrorType.SYSTEM_ERROR: "An unexpected error occurred. Our team has been notified.",
}


class PlatformError(Exception):
    """Base of all errors of the platform.

    `code` is a key of the registry. `params` are the details the registry declares for it, `context` all details.
    """

    default_code = "SYSTEM_ERROR"

    def __init__(
        self,
        message: str,
        error_type: ErrorType,
        severity: ErrorSeverity = ErrorSeverity.MEDIUM,
        user_message: str | None = None,
        suggested_action: str | None = None,
        context: dict[str, Any] | None = None,
        original_exception: BaseException | None = None,
        *,
        code: str | None = None,
        errors: Iterable[FieldError] = (),
        fixes: Iterable[Fix] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.error_type = error_type
        self.severity = severity
        self.user_message = user_message or self._default_user_message()
        self.suggested_action = suggested_action
        self.context = dict(context or {})
        self.original_exception = original_exception
        self.code = code if code in REGISTRY else self.default_code
        self.errors = tuple(errors)
        self.fixes = tuple(fixes)
        if original_exception is not None:
            self.__cause__ = original_exception

    @classmethod
    def from_code(
        cls,
        code: str,
        details: Mapping[str, Any] | None = None,
        *,
        errors: Iterable[FieldError] = (),
        fixes: Iterable[Fix] = (),
        cause: BaseException | None = None,
    ) -> "PlatformError":
        """The error of a registry code with its texts filled from `details`.

        Total: a code that the registry does not know becomes UNKNOWN_FAILURE and is kept in ``context["claimed_code"]``.
        """
        context = dict(details or {})
        row = REGISTRY.get(code)
        if row is None:
            context["claimed_code"] = code
            row = REGISTRY["UNKNOWN_FAILURE"]
        user_message, action = format_error_message(row.code, **{str(key): value for key, value in context.items()})
        return PlatformError(
            message=f"{row.code}: {user_message}",
            error_type=ErrorType(row.type),
            severity=ErrorSeverity(row.severity),
            user_message=user_message,
            suggested_action=action,
            context=context,
            original_exception=cause,
            code=row.code,
            errors=errors,
            fixes=fixes,
        )

    def _default_user_message(self) -> str:
        """A message for users by the kind of error."""
        return _DEFAULT_USER_MESSAGES[self.error_type]

    @property
    def row(self) -> ErrorRow:
        """The registry's row of this error's code."""
        return REGISTRY[self.code]

    @property
    def params(self) -> dict[str, Any]:
        """The details that may leave the platform: those the registry declares for the code."""
        return {name: self.context[name] for name in self.row.params if self.context.get(name) is not None}

    @property
    def causer(self) -> str:
        """Whose fault it is: user, data, platform, hardware, dependency or unknown."""
        return self.row.causer

    @property
    def retryable(self) -> bool:
        """Whether trying the same again can help."""
        return self.error_type is ErrorType.TRANSIENT or (self.row.retryable and self.row.type != "transient")

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait before the next try, where they are known."""
        value = self.context.get("retry_after")
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    @property
    def http_status(self) -> int:
        """The HTTP status that answers this error."""
        return self.row.http or 500

    def to_dict(self) -> dict[str, Any]:
        """Everything, for logs and the database; never for users."""
        return {
            "error": {
                "type": self.error_type.value,
                "severity": self.severity.value,
                "code": self.code,
                "message": self.message,
                "user_message": self.user_message,
                "suggested_action": self.suggested_action,
                "context": self.context,
            }
        }

    def __reduce__(self) -> tuple[Any, ...]:
        # The constructors of the subclasses differ; state is what makes an error, so state is what is copied.
        state = {**self.__dict__, "__cause__": self.__cause__}
        return copyreg.__newobj__, (type(self), *self.args), state  # type: ignore[attr-defined]

    def __setstate__(self, state: dict[str, Any] | None) -> None:
        state = dict(state or {})
        self.__cause__ = state.pop("__cause__", None)
        self.__dict__.update(state)


class NetworkError(PlatformError):
    """Network connectivity issues."""

    default_code = "NETWORK_ERROR"

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


class TimeoutError(PlatformError, builtins.TimeoutError):  # noqa: A001 - the design document's name
    """Operation timed out (may be transient or permanent)."""

    default_code = "OPERATION_TIMEOUT"

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

    def __init__(self, original: BaseException) -> None:
        super().__init__(
            message=f"Unexpected error: {type(original).__name__}: {original!s}",
            error_type=ErrorType.SYSTEM_ERROR,
            severity=ErrorSeverity.CRITICAL,
            user_message="An unexpected error occurred. Our team has been notified.",
            suggested_action="Please contact support if the issue persists.",
            original_exception=original,
        )
