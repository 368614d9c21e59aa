"""What an exception of another library means: code, whether to try again, what a breaker makes of it, how long to wait.

The rules are data (`app.core.classify_rules`); no library is imported for them. What a class always means is looked up by
type; the rest is read off the exception: errno, gaierror, SQLSTATE, S3 and gRPC codes, HTTP status, signal, words.
"""

import re
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from app.core import classify_classes as classes
from app.core import classify_rules as rules
from app.core.errors import CircuitOpenError, DatabaseError, ErrorType, PlatformError, StorageError
from app.core.foreign import attribute, said, told_by
from app.core.retry_after import headers_of, seconds_of, wait_asked

DEEPEST = 6
_ADDRESS = re.compile(r"\b[a-z][a-z0-9+.-]*://\S+")
MOST_TYPES = 4096


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to make of an exception.

    `counts` is what a circuit breaker takes it for: the dependency failed, it answered (``success``), or neither
    (``neutral``). `retry_after` is the wait in seconds that the other side asked for.
    """

    code: str
    retryable: bool
    counts: rules.Counts
    retry_after: float | None = None


VERDICTS = {name: Verdict(*row) for name, row in rules.VERDICTS.items()}
# Verdicts that nothing inside an exception of such a class could change.
_FINAL = {"timeout", "timeout_final", "own_pool", "cancelled", "host_memory", "misused", "garbled", "data", "library"}
_fixed: dict[type[BaseException], Verdict] = {}
_own_verdicts: dict[tuple[str, ErrorType], Verdict] = {}
_listed: dict[type[BaseException], tuple[str, str] | None] = {}


def classify(error: BaseException) -> Verdict:
    """The verdict on any exception. Total: what no rule knows is SYSTEM_ERROR, not retried, a failure."""
    verdict = _fixed.get(type(error))
    return verdict if verdict is not None else _judge(error, 0)


def translate(error: BaseException, details: Mapping[str, Any] | None = None) -> PlatformError:
    """`error` as one of the platform's own, with the exception as its cause; the platform's own stay as they are."""
    if isinstance(error, PlatformError):
        return error
    verdict = classify(error)
    wait = {} if verdict.retry_after is None else {"retry_after": verdict.retry_after}
    return PlatformError.from_code(verdict.code, {**wait, **(details or {})}, cause=error)


def _judge(error: BaseException, depth: int) -> Verdict:
    if isinstance(error, PlatformError):
        return _own(error, depth)
    if isinstance(error, BaseExceptionGroup):
        return _group(error, depth)
    listed = _rule_of(type(error))
    name = listed[1] if listed else None
    plain = type(error).__module__ == "builtins" and listed is not None and listed[0] not in classes.BY_TEXT
    if name in _FINAL or (plain and name in ("network", "unknown")):
        if len(_fixed) >= MOST_TYPES:
            _fixed.clear()
        verdict = _fixed[type(error)] = _of_service(error, VERDICTS[str(name)])
        return verdict
    name = _content(error) or _words(error, listed) or name
    return _of_service(error, _inner(error, depth, name) or _with_wishes(error, VERDICTS[name or "unknown"]))


def _of_service(error: BaseException, verdict: Verdict) -> Verdict:
    """The verdict with the code of the one service that the exception's library is for."""
    codes = rules.BY_SERVICE.get(_package(error), {})
    return replace(verdict, code=codes[verdict.code]) if verdict.code in codes else verdict


def _group(group: BaseExceptionGroup[BaseException], depth: int) -> Verdict:
    """Of several exceptions, the first that forbids another try decides."""
    if depth >= DEEPEST:
        return VERDICTS["unknown"]
    verdicts = [_judge(inner, depth + 1) for inner in group.exceptions]
    return next((verdict for verdict in verdicts if not verdict.retryable), verdicts[0])


def _own(error: PlatformError, depth: int) -> Verdict:
    """An open breaker's refusal is never retried nor counted; a wrapped failure is judged by what it wraps."""
    wait = error.retry_after
    if isinstance(error, CircuitOpenError):
        return Verdict(error.code, retryable=False, counts="neutral", retry_after=wait)
    cause = error.original_exception
    if cause is not None and depth < DEEPEST and isinstance(error, DatabaseError | StorageError):
        return replace(_judge(cause, depth + 1), code=error.code)
    verdict = _own_verdicts.get((error.code, error.error_type))
    if verdict is None:
        transient, failed = error.error_type is ErrorType.TRANSIENT, error.error_type in _DEPENDENCY_FAILED
        verdict = Verdict(error.code, retryable=transient, counts="failure" if failed else "neutral")
        _own_verdicts[error.code, error.error_type] = verdict
    return verdict if wait is None or not verdict.retryable else replace(verdict, retry_after=wait)


_DEPENDENCY_FAILED = (ErrorType.TRANSIENT, ErrorType.SYSTEM_ERROR)


def _rule_of(kind: type[BaseException]) -> tuple[str, str] | None:
    """The listed class that `kind` is or derives from nearest, and its verdict's name."""
    if kind not in _listed:
        if len(_listed) >= MOST_TYPES:
            _listed.clear()
        names = (f"{base.__module__.partition('.')[0].lstrip('_')}.{base.__name__}" for base in kind.__mro__)
        known = (_ALIASES.get(name, name) for name in names)
        _listed[kind] = next(((name, classes.BY_CLASS[name]) for name in known if name in classes.BY_CLASS), None)
    return _listed[kind]


_ALIASES = {"builtins.OutOfMemoryError": "torch.OutOfMemoryError"}


def _package(error: BaseException) -> str:
    return type(error).__module__.partition(".")[0]


def _content(error: BaseException) -> str | None:
    """The verdict's name by what an exception carries, None where it carries nothing that decides."""
    for look in (_by_errno, _by_sql, _by_boto, _by_llm, _by_status, _by_grpc, _by_exit):
        name = look(error)
        if name is not None:
            return name
    return None


def _by_errno(error: BaseException) -> str | None:
    if not isinstance(error, OSError) or isinstance(error, ssl.SSLError) or error.errno is None:
        return None
    if isinstance(error, socket.gaierror):
        return rules.BY_GAI.get(error.errno)
    return rules.BY_ERRNO.get(error.errno)


def _by_sql(error: BaseException) -> str | None:
    state = attribute(error, "sqlstate") or attribute(error, "pgcode")
    # MLflow puts an SQLSTATE on everything.
    if isinstance(state, str) and _package(error) != "mlflow":
        return next(rules.BY_SQLSTATE[state[:n]] for n in range(5, -1, -1) if state[:n] in rules.BY_SQLSTATE)
    number = attribute(error, "sqlite_errorcode")
    return rules.BY_SQLITE.get(number & 0xFF) if isinstance(number, int) else None


def _by_boto(error: BaseException) -> str | None:
    response = attribute(error, "response")
    if not isinstance(response, dict):
        return None
    told, metadata = response.get("Error"), response.get("ResponseMetadata")
    code = told.get("Code") if isinstance(told, dict) else None
    if isinstance(code, str) and code in rules.BY_BOTO:
        return rules.BY_BOTO[code]
    return _of_status(metadata.get("HTTPStatusCode") if isinstance(metadata, dict) else None, "storage_denied")


def _by_llm(error: BaseException) -> str | None:
    if _package(error) not in ("anthropic", "openai"):
        return None
    body = attribute(error, "body")
    inner = body.get("error", body) if isinstance(body, dict) else {}
    said = [attribute(error, "code"), attribute(error, "type")]
    said += [inner.get("code"), inner.get("type")] if isinstance(inner, dict) else []
    names = [rules.BY_LLM_TYPE[word] for word in said if isinstance(word, str) and word in rules.BY_LLM_TYPE]
    if names:
        return names[0]
    return _of_status(attribute(error, "status_code"), "llm")


def _of_status(status: object, refused: str = "refused") -> str | None:
    """The verdict on an HTTP status from 400 on; `refused` for what the other side understood and does not want."""
    if not isinstance(status, int) or isinstance(status, bool) or not 400 <= status < 600:
        return None
    name = rules.BY_STATUS.get(status) or ("busy" if status >= 500 else refused)
    return refused if name in ("refused", "denied") and refused != "refused" else name


def _by_status(error: BaseException) -> str | None:
    """By the HTTP status, wherever a library keeps it."""
    if error.__cause__ is not None and _package(error) == _package(error.__cause__) == "aiohttp":
        # It gives an answer that is no HTTP the status 400.
        return "network"
    response = attribute(error, "response")
    candidates = [attribute(response, "status_code"), attribute(response, "status")]
    candidates += [attribute(error, "status_code"), attribute(error, "status")]
    if _package(error) == "urllib":
        candidates.append(attribute(error, "code"))
    candidates.append(told_by(error, "get_http_status_code"))
    refused = "tracker" if _package(error) == "mlflow" else "refused"
    return next((name for name in (_of_status(status, refused) for status in candidates) if name), None)


def _by_grpc(error: BaseException) -> str | None:
    """By the gRPC status: grpc's ``code()``, Temporal's ``status``."""
    status = told_by(error, "code") or attribute(error, "status")
    name = rules.BY_GRPC.get(str(attribute(status, "name")))
    # Temporal's client calls its own time-out a cancellation.
    return "timeout" if name == "cancelled" and "timeout" in str(error).lower() else name


def _by_exit(error: BaseException) -> str | None:
    if not isinstance(error, subprocess.CalledProcessError):
        return None
    code = int(error.returncode)
    number = -code if code < 0 else code - 128 if code > 128 else 0
    return rules.BY_SIGNAL.get(number) if number in set(signal.Signals) else None


def _words(error: BaseException, listed: tuple[str, str] | None) -> str | None:
    """By words of the text, for the few classes that tell nothing else."""
    for base in (listed[0] if listed else None, f"builtins.{_builtin_base(error)}"):
        table = classes.BY_TEXT.get(str(base))
        if table:
            text = _ADDRESS.sub("", said(error).lower())
            found = next((name for words, name in table if words in text), None)
            if found:
                return found
    return None


def _builtin_base(error: BaseException) -> str:
    return next(base.__name__ for base in type(error).__mro__ if base.__module__ == "builtins")


def _wrapped(error: BaseException) -> Iterator[BaseException]:
    """What an exception was made from, as the libraries keep it."""
    for name in ("orig", "reason", "os_error", "last_exc", "__cause__", "__context__"):
        if name == "__context__" and error.__suppress_context__:
            continue
        value = attribute(error, name)
        if isinstance(value, BaseException):
            yield value
    yield from (argument for argument in error.args if isinstance(argument, BaseException))


def _inner(error: BaseException, depth: int, name: str | None) -> Verdict | None:
    """The verdict on what `error` wraps, where that tells more than `error` itself."""
    if depth >= DEEPEST:
        return None
    if name in ("network", "timeout"):
        causes = (_judge(inner, depth + 1) for inner in _wrapped(error))
        return next((verdict for verdict in causes if verdict in _DECISIVE), None)
    if name == "database":
        return _database(error, depth)
    inner = error.__cause__
    if _package(error) in _MERE_WRAPPERS:
        inner = inner or error.__context__
    elif name is not None:
        return None
    return _judge(inner, depth + 1) if isinstance(inner, Exception) else None


_DECISIVE = tuple(VERDICTS[name] for name in ("certificate", "unresolvable", "timeout", "broken", "busy", "limited"))
# Their own exceptions say little and are raised where "from" was meant: MLflow calls every outage an internal error.
_MERE_WRAPPERS = ("boto3", "mlflow")


def _database(error: BaseException, depth: int) -> Verdict | None:
    if attribute(error, "connection_invalidated") is True:
        return VERDICTS["database_again"]
    original = attribute(error, "orig") or error.__cause__
    if not isinstance(original, BaseException):
        return None
    verdict = _judge(original, depth + 1)
    return verdict if verdict.code in rules.TELLING else replace(verdict, code="DATABASE_ERROR")


def _with_wishes(error: BaseException, verdict: Verdict) -> Verdict:
    """The verdict with what the other side asked for: how long to wait, or not to try again."""
    if verdict.code not in ("SERVICE_UNAVAILABLE", "NETWORK_ERROR", "OPERATION_TIMEOUT") or verdict.counts == "success":
        return verdict
    headers = headers_of(error)
    if not headers:
        return verdict
    pushback = headers.get("grpc-retry-pushback-ms")
    if headers.get("x-should-retry") == "false" or (pushback is not None and seconds_of(pushback) is None):
        return replace(verdict, retryable=False)
    return replace(verdict, retry_after=wait_asked(headers))
