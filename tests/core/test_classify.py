"""The rules of `classify` that no server can be made to provoke, and that nothing makes it raise."""

import asyncio
import errno
import socket
import subprocess
from types import SimpleNamespace as Some
from typing import Any

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from app.core import classify as module
from app.core import errors
from app.core.classify import VERDICTS, Verdict, classify, translate
from app.core.error_messages import REGISTRY
from app.core.errors import PlatformError


class Bearing(Exception):
    """An exception with the attributes it is given."""

    def __init__(self, text: str = "", **given: Any) -> None:
        super().__init__(text)
        self.__dict__.update(given)


def foreign(name: str, *bases: type[BaseException], **given: Any) -> BaseException:
    """An exception of the class ``package.Name``, as a library would have it."""
    package, _, kind = name.rpartition(".")
    made: Any = type(kind, bases or (Exception,), {"__module__": package})
    error: BaseException = made(given.pop("text", ""))
    error.__dict__.update(given)
    return error


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.EHOSTUNREACH, "network"),
        (errno.ENETUNREACH, "network"),
        (errno.ETIMEDOUT, "timeout"),
        (errno.EDQUOT, "disk"),
        (errno.EROFS, "file_denied"),
        (errno.EIO, "storage"),
        (errno.ESTALE, "storage_again"),
        (errno.ENOMEM, "host_memory"),
        (errno.EBUSY, "limited"),
    ],
)
def test_an_operating_systems_error_is_judged_by_its_number(number: int, expected: str) -> None:
    assert classify(OSError(number, "x")) == VERDICTS[expected]


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (socket.EAI_AGAIN, "network"),
        (socket.EAI_NONAME, "unresolvable"),
        (socket.EAI_FAIL, "network"),
        (socket.EAI_FAMILY, "network"),
    ],
)
def test_a_name_services_error_is_judged_by_its_number(number: int, expected: str) -> None:
    assert classify(socket.gaierror(number, "x")) == VERDICTS[expected]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("UNAVAILABLE", "network"),
        ("DEADLINE_EXCEEDED", "timeout"),
        ("RESOURCE_EXHAUSTED", "limited"),
        ("PERMISSION_DENIED", "denied"),
        ("CANCELLED", "cancelled"),
        ("INTERNAL", "broken"),
        ("UNHEARD_OF", "unknown"),
    ],
)
def test_a_grpc_error_is_judged_by_its_status(status: str, expected: str) -> None:
    assert classify(foreign("grpc.RpcError", code=lambda: Some(name=status))) == VERDICTS[expected]


def test_grpc_tells_when_to_come_back_and_when_not_to() -> None:
    def error(pushback: str) -> BaseException:
        metadata = (("grpc-retry-pushback-ms", pushback),)
        return foreign("grpc.RpcError", code=lambda: Some(name="UNAVAILABLE"), trailing_metadata=lambda: metadata)

    assert classify(error("1500")) == Verdict("NETWORK_ERROR", retryable=True, counts="failure", retry_after=1.5)
    assert classify(error("-1")) == Verdict("NETWORK_ERROR", retryable=False, counts="failure")


def test_a_method_called_code_that_is_not_grpcs_does_no_harm() -> None:
    def code() -> None:
        raise RuntimeError

    assert classify(Bearing(code=code)) == VERDICTS["unknown"]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (NotADirectoryError(), "file_missing"),
        (Bearing(response=Some(status_code=503)), "busy"),
        (Bearing(response=Some(status=404)), "missing"),
        (Bearing(status_code=418), "refused"),
        (Bearing(status=599), "busy"),
        (Bearing(status=200), "unknown"),
        (Bearing(status=True), "unknown"),
        (Bearing(status_code=600), "unknown"),
        (Bearing(response={}), "unknown"),
        (Bearing(response={"Error": "text", "ResponseMetadata": None}), "unknown"),
        (Bearing(response={"Error": {"Code": ["odd"]}}), "unknown"),
        (Bearing(response={"Error": {"Code": "Odd"}, "ResponseMetadata": {"HTTPStatusCode": 403}}), "storage_denied"),
        (Bearing(response={"Error": {"Code": "SlowDown"}}), "limited"),
        (Bearing(get_http_status_code=lambda: 404), "missing"),
        (Bearing(get_http_status_code=lambda: 1 / 0), "unknown"),
        (foreign("urllib.error.HTTPError", code=503), "busy"),
        (Bearing(code=503), "unknown"),
        (Bearing(sqlstate="40001"), "database_contended"),
        (Bearing(pgcode="ZZ999"), "database"),
        (Bearing(sqlite_errorcode=5 | (1 << 8)), "database_contended"),
        (Bearing(sqlite_errorcode=99), "unknown"),
        (foreign("sqlalchemy.exc.DBAPIError", connection_invalidated=True), "database_again"),
        (foreign("sqlalchemy.exc.DBAPIError"), "database"),
        (foreign("sqlalchemy.exc.DBAPIError", orig="no exception"), "database"),
        (foreign("sqlalchemy.exc.DBAPIError", text="connection was closed in the middle of operation"), "database_again"),
        (foreign("torch.OutOfMemoryError", RuntimeError), "gpu_memory"),
        (foreign("builtins.OutOfMemoryError", RuntimeError), "gpu_memory"),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), "gpu"),
        (RuntimeError("NCCL communicator was aborted"), "ranks"),
        (AssertionError("Torch not compiled with CUDA enabled"), "no_gpu"),
        (subprocess.CalledProcessError(200, "x"), "child"),
        (subprocess.CalledProcessError(-15, "x"), "killed"),
        (asyncio.CancelledError(), "cancelled"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_an_exception_carries_decides(error: BaseException, expected: str) -> None:
    assert classify(error) == VERDICTS[expected]


def test_a_language_models_error_without_words_or_status_is_a_refusal() -> None:
    for body in (None, "text", {"error": "text"}, {"error": {"type": 3}}):
        verdict = classify(foreign("anthropic.APIError", body=body))
        assert verdict.code == "SYSTEM_ERROR"
        assert classify(foreign("anthropic.AnthropicError", body=body)) == VERDICTS["llm"]


def test_a_language_models_error_is_judged_by_its_word_before_its_status() -> None:
    body = {"error": {"type": "insufficient_quota"}}
    verdict = classify(foreign("openai.RateLimitError", body=body, status_code=429))
    assert (verdict.code, verdict.retryable, verdict.counts) == ("LLM_UNAVAILABLE", False, "neutral")


def test_an_answer_that_is_no_http_is_no_refusal() -> None:
    error = foreign("aiohttp.ClientResponseError", status=400)
    assert classify(error) == VERDICTS["refused"]
    error.__cause__ = foreign("aiohttp.http_exceptions.BadStatusLine")
    assert classify(error) == VERDICTS["network"]


def test_an_unlisted_exception_is_judged_by_its_cause() -> None:
    error = Bearing("translated")
    error.__cause__ = ConnectionResetError()
    assert classify(error) == VERDICTS["network"]
    error.__cause__ = KeyboardInterrupt()
    assert classify(error) == VERDICTS["unknown"]


def test_a_network_error_around_a_distrusted_certificate_is_not_tried_again() -> None:
    import ssl

    error = foreign("httpx.ConnectError", ConnectionError)
    error.__context__ = ssl.SSLCertVerificationError("self-signed")
    assert not classify(error).retryable
    error.__suppress_context__ = True
    assert classify(error).retryable


def test_of_a_group_the_first_that_forbids_another_try_decides() -> None:
    group = ExceptionGroup("several", [ConnectionResetError(), KeyError("bug"), TimeoutError()])
    assert classify(group) == VERDICTS["unknown"]
    assert classify(ExceptionGroup("several", [TimeoutError(), ConnectionResetError()])) == VERDICTS["timeout"]


def test_chains_and_groups_without_end_come_to_an_end() -> None:
    circle = Bearing()
    circle.__cause__ = circle
    assert classify(circle) == VERDICTS["unknown"]
    deep: Exception = TimeoutError()
    for _ in range(20):
        deep = ExceptionGroup("deeper", [deep])
    assert classify(deep) == VERDICTS["unknown"]
    wrapped = errors.DatabaseError("x", ValueError())
    wrapped.original_exception = wrapped
    assert classify(wrapped).code == "DATABASE_ERROR"
    around = foreign("sqlalchemy.exc.DBAPIError")
    around.__dict__["orig"] = around
    assert classify(around) == VERDICTS["database"]
    network = foreign("requests.ConnectionError", OSError)
    network.__context__ = network
    assert classify(network) == VERDICTS["network"]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.NetworkError("x", OSError()), ("NETWORK_ERROR", True, "failure", None)),
        (PlatformError.from_code("NETWORK_ERROR", {"retry_after": 7}), ("NETWORK_ERROR", True, "failure", 7)),
        (errors.ServiceUnavailableError("x", 3), ("SERVICE_UNAVAILABLE", True, "failure", 3)),
        (errors.CircuitOpenError("x", 3), ("SERVICE_UNAVAILABLE", False, "neutral", 3)),
        (errors.TimeoutError("x", 3), ("OPERATION_TIMEOUT", True, "failure", None)),
        (errors.TimeoutError("x", 3, is_retryable=False), ("OPERATION_TIMEOUT", False, "neutral", None)),
        (errors.ValidationError("a", "b", 1), ("VALIDATION_FAILED", False, "neutral", None)),
        (PlatformError.from_code("RATE_LIMITED", {"retry_after": 7}), ("RATE_LIMITED", False, "neutral", None)),
        (errors.UnexpectedError(ConnectionResetError()), ("SYSTEM_ERROR", False, "failure", None)),
        (errors.DatabaseError("x", ConnectionResetError()), ("DATABASE_ERROR", True, "failure", None)),
        (errors.StorageError("x", "b", "k", PermissionError(13, "x")), ("STORAGE_ERROR", False, "neutral", None)),
        (PlatformError.from_code("DATABASE_ERROR"), ("DATABASE_ERROR", False, "failure", None)),
    ],
)
def test_the_platforms_own_errors_are_judged_by_type_or_by_what_they_wrap(
    error: PlatformError, expected: tuple[str, bool, str, float | None]
) -> None:
    for _ in range(2):
        verdict = classify(error)
        assert (verdict.code, verdict.retryable, verdict.counts, verdict.retry_after) == expected


def test_translation_keeps_the_platforms_own_and_the_cause_and_the_wait() -> None:
    own = errors.ValidationError("a", "b", 1)
    assert translate(own) is own
    cause = foreign("httpx.HTTPStatusError", response=Some(status_code=503, headers={"Retry-After": "9"}))
    error = translate(cause, {"service": "trainer"})
    assert (error.code, error.retry_after, error.context["service"]) == ("SERVICE_UNAVAILABLE", 9, "trainer")
    assert error.__cause__ is cause
    assert translate(KeyError("k")).code == "SYSTEM_ERROR"


def test_what_is_known_of_types_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_fixed", {})
    monkeypatch.setattr(module, "_listed", {})
    monkeypatch.setattr(module, "MOST_TYPES", 3)
    for number in range(10):
        assert classify(foreign(f"httpx.Timeout{number}", type(foreign("httpx.TimeoutException")))) == VERDICTS["timeout"]
        assert len(module._fixed) <= 3
        assert len(module._listed) <= 3


def test_a_known_type_is_one_look_up() -> None:
    error = ConnectionResetError()
    assert classify(error) is classify(ConnectionResetError(104, "again"))
    assert module._fixed[ConnectionResetError] is classify(error)


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 700),
    st.text(max_size=8),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=6), st.text(max_size=4), max_size=2),
    st.just(ValueError("inner")),
)
NAMES = [
    "response",
    "status",
    "status_code",
    "code",
    "sqlstate",
    "pgcode",
    "sqlite_errorcode",
    "body",
    "orig",
    "reason",
    "headers",
    "type",
    "os_error",
    "last_exc",
    "trailing_metadata",
    "connection_invalidated",
    "get_http_status_code",
]


@seed(20261125)
@settings(max_examples=500, deadline=None, database=None)
@given(
    given_=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5),
    package=st.sampled_from(["httpx", "sqlalchemy", "anthropic", "mlflow", "boto3", "aiohttp", "nothing_known"]),
    kind=st.sampled_from(["Odd", "ConnectionError", "DBAPIError", "APIError", "MlflowException", "ClientError"]),
)
def test_whatever_an_exception_carries_there_is_a_verdict(given_: dict[str, Any], package: str, kind: str) -> None:
    verdict = classify(foreign(f"{package}.{kind}", **given_))
    assert verdict.code in REGISTRY
    assert verdict.counts in ("failure", "success", "neutral")
