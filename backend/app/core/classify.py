"""What an exception of another library means, by rules that are data. No library is imported for it."""

import asyncio
import errno
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from app.core.errors import CircuitOpenError, ErrorType, PlatformError

Outcome = Literal["failure", "success", "neutral"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to make of an exception: its code, whether the same call may work later, what a breaker counts it as."""

    code: str
    retryable: bool
    counts: Outcome
    retry_after: float | None = None


_NETWORK = Verdict("NETWORK_ERROR", retryable=True, counts="failure")
_TIMEOUT = Verdict("OPERATION_TIMEOUT", retryable=True, counts="failure")
_BUSY = Verdict("SERVICE_UNAVAILABLE", retryable=True, counts="failure")
_LIMITED = Verdict("SERVICE_UNAVAILABLE", retryable=True, counts="neutral")
_DATABASE = Verdict("DATABASE_ERROR", retryable=False, counts="failure")
_DATABASE_AGAIN = Verdict("DATABASE_ERROR", retryable=True, counts="failure")
_REFUSED = Verdict("INVALID_CONFIG", retryable=False, counts="success")
_DENIED = Verdict("FILE_PERMISSION_DENIED", retryable=False, counts="success")
_MISSING = Verdict("NOT_FOUND", retryable=False, counts="success")
_DISK = Verdict("DISK_FULL", retryable=False, counts="failure")
_MEMORY = Verdict("HOST_OOM", retryable=False, counts="neutral")
_CANCELLED = Verdict("TRAINING_CANCELLED", retryable=False, counts="neutral")
_UNKNOWN = Verdict("SYSTEM_ERROR", retryable=False, counts="failure")

BY_ERRNO: dict[int, Verdict] = {
    errno.ENOSPC: _DISK,
    errno.EDQUOT: _DISK,
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EROFS: _DENIED,
    errno.ENOENT: _MISSING,
    errno.ENOMEM: _MEMORY,
    errno.ETIMEDOUT: _TIMEOUT,
    **dict.fromkeys(
        (
            errno.ECONNREFUSED,
            errno.ECONNRESET,
            errno.ECONNABORTED,
            errno.EPIPE,
            errno.EHOSTUNREACH,
            errno.ENETUNREACH,
            errno.ENETDOWN,
        ),
        _NETWORK,
    ),
}
BY_STATUS: dict[int, Verdict] = {
    408: _TIMEOUT,
    425: _BUSY,
    429: _LIMITED,
    500: _BUSY,
    502: _BUSY,
    503: _BUSY,
    504: _TIMEOUT,
    529: _BUSY,
    404: _MISSING,
}
# SQLSTATE: serialization failure and deadlock; class 08 (connection), 53 (resources), 57P0x (shut down).
SQLSTATE_AGAIN = ("40001", "40P01", "08", "53", "57P0")
BY_NAME: dict[str, Verdict] = {
    "TimeoutException": _TIMEOUT,
    "ConnectTimeout": _TIMEOUT,
    "ReadTimeout": _TIMEOUT,
    "ReadTimeoutError": _TIMEOUT,
    "ConnectTimeoutError": _TIMEOUT,
    "APITimeoutError": _TIMEOUT,
    "TransportError": _NETWORK,
    "ConnectionError": _NETWORK,
    "EndpointConnectionError": _NETWORK,
    "ConnectionClosedError": _NETWORK,
    "ClientConnectionError": _NETWORK,
    "IncompleteRead": _NETWORK,
    "APIConnectionError": _NETWORK,
    "InterfaceError": _DATABASE_AGAIN,
    "DBAPIError": _DATABASE,
    "SQLAlchemyError": _DATABASE,
    "OutOfMemoryError": _MEMORY,
}
BY_TYPE: dict[type[BaseException], Verdict] = {
    asyncio.CancelledError: _CANCELLED,
    KeyboardInterrupt: _CANCELLED,
    TimeoutError: _TIMEOUT,
    MemoryError: _MEMORY,
    socket.gaierror: _NETWORK,
    EOFError: _NETWORK,
}
LOCKED = ("database is locked", "database table is locked", "database is busy")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception and what it was raised from or wraps, outermost first; at most eight."""
    seen: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in seen and len(seen) < 8:
        seen.append(current)
        yield current
        wrapped = getattr(current, "orig", None)
        current = wrapped if isinstance(wrapped, BaseException) else current.__cause__


def _status(error: BaseException) -> int | None:
    """The HTTP status that an exception carries, wherever its library keeps it."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        value = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:
        value = getattr(response, "status_code", None) or getattr(error, "status_code", None)
        value = value or getattr(error, "status", None)
    return value if isinstance(value, int) else None


def _judge(error: BaseException) -> Verdict | None:
    status = _status(error)
    if status is not None and status >= 400:
        return BY_STATUS.get(status, _BUSY if status >= 500 else _REFUSED)
    state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    if isinstance(state, str):
        return _DATABASE_AGAIN if state.startswith(SQLSTATE_AGAIN) else _DATABASE
    if isinstance(error, OSError) and error.errno in BY_ERRNO and not isinstance(error, socket.gaierror):
        return BY_ERRNO[error.errno]
    for kind in type(error).__mro__:
        found = BY_TYPE.get(kind) or BY_NAME.get(kind.__name__)
        if found is not None:
            if found is _DATABASE and any(text in str(error) for text in LOCKED):
                return _DATABASE_AGAIN
            return found
    return None


def classify(error: BaseException) -> Verdict:
    """The verdict on any exception; total. Wrapped exceptions are judged by what they wrap where they tell nothing."""
    if isinstance(error, PlatformError):
        return _own(error)
    verdicts = [verdict for verdict in map(_judge, _chain(error)) if verdict is not None]
    return next((verdict for verdict in verdicts if verdict.retryable), verdicts[0] if verdicts else _UNKNOWN)


def _own(error: PlatformError) -> Verdict:
    if isinstance(error, CircuitOpenError):
        return Verdict(error.code, retryable=False, counts="neutral", retry_after=error.retry_after)
    if error.error_type is ErrorType.TRANSIENT:
        return Verdict(error.code, retryable=True, counts="failure", retry_after=error.retry_after)
    if error.error_type in (ErrorType.USER_ERROR, ErrorType.PERMANENT):
        return Verdict(error.code, retryable=False, counts="neutral")
    original = error.original_exception
    again = original is not None and classify(original).retryable
    return Verdict(error.code, retryable=again, counts="failure")
