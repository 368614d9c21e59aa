"""What every error of the platform is; the classes are in `app.core.errors`."""

import copyreg
import pickle
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from app.core.error_messages import REGISTRY, ErrorRow, fill_texts
from app.core.fixes import Fix


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


# A code that is transient by itself is not once its error says otherwise.
_RETRYABLE = {code: row.retryable and row.type != "transient" for code, row in REGISTRY.items()}
_TYPES = {kind.value: kind for kind in ErrorType}
_SEVERITIES = {severity.value: severity for severity in ErrorSeverity}


_CLASSES: dict[str, type["PlatformError"]] = {}
"""The class that stands for a code, where it has one of its own."""
_TRANSIENT = ErrorType.TRANSIENT  # an enumeration's member is looked up slowly, and every answer asks for it
_TEXTS = frozenset({"message", "user_message", "suggested_action"})


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field of a request: a JSON pointer into it, a machine code, a sentence fragment."""

    pointer: str
    code: str
    message: str


_DEFAULT_USER_MESSAGES = {
    ErrorType.TRANSIENT: "A temporary issue occurred. Please try again.",
    ErrorType.PERMANENT: "Unable to complete the operation. Please check your configuration.",
    ErrorType.USER_ERROR: "There was a problem with your request. Please review and try again.",
    ErrorType.SYSTEM_ERROR: "An unexpected error occurred. Our team has been notified.",
}


class ForeignError(Exception):
    """Stands for an exception that cannot be copied to another process: its type and its text."""


class _Text:
    """A text of an error made from a code: filled when somebody reads it, as most errors are only answered.

    A plain descriptor, not ``__getattr__``, which would make every other attribute slower.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, error: Any, owner: type | None = None) -> Any:
        if error is None:
            return self
        if "code" not in error.__dict__:
            message = f"{type(error).__name__!r} object has no attribute {self.name!r}"
            raise AttributeError(message, name=self.name, obj=error)
        row = error.row
        user_message, action = fill_texts(row, error.context)
        texts = {"message": f"{row.code}: {user_message}", "user_message": user_message, "suggested_action": action}
        error.__dict__.update({**texts, **error.__dict__})
        return error.__dict__[self.name]


class PlatformError(Exception):
    """Base of all errors of the platform.

    `code` is a key of the registry. `params` are the details the registry declares for it, `context` all details.
    """

    default_code: ClassVar[str] = "SYSTEM_ERROR"
    codes: ClassVar[tuple[str, ...]] = ()
    """Codes whose errors `from_code` makes of this class."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for code in cls.__dict__.get("codes", ()):
            _CLASSES[code] = cls

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
        """The error of a registry code with its texts filled from `details`, of the class that stands for the code.

        Total: a code that the registry does not know becomes UNKNOWN_FAILURE and is kept in ``context["claimed_code"]``.
        """
        context = _with_text_keys(details) if details else {}
        if not isinstance(code, str) or code not in REGISTRY:
            context["claimed_code"] = code
            code = "UNKNOWN_FAILURE"
        kind, error_type, severity = _kind_of(code)
        # The classes' own constructors take other arguments; they only fill in what the registry knows here.
        error = kind.__new__(kind)
        error.__dict__ = {
            "error_type": error_type,
            "severity": severity,
            "context": context,
            "original_exception": cause,
            "code": code,
            "errors": tuple(errors) if errors else (),
            "fixes": tuple(fixes) if fixes else (),
        }
        if cause is not None:
            error.__cause__ = cause
        return error

    if not TYPE_CHECKING:
        message = _Text()
        user_message = _Text()
        suggested_action = _Text()

    def __str__(self) -> str:
        return self.message

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message!r})"

    @property
    def has_own_texts(self) -> bool:
        """Whether the texts were given or read; else they follow from the registry's row and the context."""
        return not _TEXTS.isdisjoint(self.__dict__)

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
        return self.error_type is _TRANSIENT or _RETRYABLE[self.code]

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait before the next try, where they are known."""
        value = self.context.get("retry_after")
        usable = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")
        return float(value) if usable and value is not None else None

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
        # The constructors of the subclasses differ; state is what makes an error, so state is what is copied. The texts are
        # filled before, from values that may not travel.
        _ = self.message
        state = {**self.__dict__, "args": self.args, "__cause__": _portable(self.__cause__)}
        state["original_exception"] = _portable(self.original_exception)
        state["context"] = {key: _portable(value) for key, value in self.context.items()}
        return copyreg.__newobj__, (type(self),), state  # type: ignore[attr-defined]

    def __setstate__(self, state: dict[str, Any] | None) -> None:
        state = dict(state or {})
        # Some builtin bases take the arguments of their constructor only.
        self.args = state.pop("args", ())
        self.__cause__ = state.pop("__cause__", None)
        self.__dict__.update(state)

    def __copy__(self) -> "PlatformError":
        twin = type(self).__new__(type(self))
        twin.__setstate__({**self.__dict__, "args": self.args, "__cause__": self.__cause__})
        return twin


def _with_text_keys(details: Mapping[Any, Any]) -> dict[str, Any]:
    """A copy of `details` whose keys are text."""
    try:
        # The quickest question whether all keys are text: nearly always they are.
        "".join(details)
    except TypeError:
        return {str(key): value for key, value in details.items()}
    return dict(details)


@cache
def _kind_of(code: str) -> tuple[type[PlatformError], ErrorType, ErrorSeverity]:
    """Class, type and severity of the errors of a registry code."""
    row = REGISTRY[code]
    return _CLASSES.get(code, PlatformError), _TYPES[row.type], _SEVERITIES[row.severity]


def _portable(value: Any) -> Any:
    """`value` itself where it survives a copy to another process, what can be said of it otherwise."""
    if value is None or isinstance(value, str | int | float):
        return value
    try:
        pickle.loads(pickle.dumps(value))  # noqa: S301 - our own bytes of this moment
    except Exception as error:  # noqa: BLE001 - whatever a foreign object's own methods raise, it cannot travel
        kind = type(value).__name__
        said = f"{kind}: {value}" if isinstance(value, BaseException) else f"{kind} ({type(error).__name__})"
        return ForeignError(said) if isinstance(value, BaseException) else said
    return value
