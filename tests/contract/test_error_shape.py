"""Every path that can fail gives the one shape: 400 to 504, the framework's own, static files, WebSocket."""

import asyncio
import http.client
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from structlog.testing import capture_logs

from app.api.deps import Platform
from app.config import Settings
from app.core.circuit_breaker import CircuitBreaker
from app.core.error_messages import REGISTRY
from app.core.errors import (
    DatabaseError,
    NetworkError,
    PlatformError,
    QuotaExceededError,
    ServiceUnavailableError,
    StorageError,
    TimeoutError,  # noqa: A004 - the platform's own
)
from app.services.tokens import AttemptTokens
from tests.asgi import Socket
from tests.conftest import SECRET, TOKEN, Clock, TrainerService
from tests.contract.shape import TRACE, assert_canonical_error, assert_public_error

JOBS = "/api/v1/training-jobs"
BODY = {"model": "yolo11n", "dataset_id": "test-dataset", "epochs": 3}
ORIGIN = "http://page.test"
FOREIGN = AttemptTokens(SECRET).token("J-9", 1)

Call = Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"cors_origins": [ORIGIN], "max_body_bytes": 2048, "max_open_jobs": 1})


def get(path: str, **options: Any) -> Call:
    return lambda client: client.get(path, **options)


def post(path: str, **options: Any) -> Call:
    return lambda client: client.post(path, **options)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


JSON = {"Content-Type": "application/json"}
CASES: dict[str, tuple[Call, int, str]] = {
    "malformed JSON": (post(JOBS, content=b'{"model": ', headers=JSON), 400, "VALIDATION_FAILED"),
    "bytes that are no text": (post(JOBS, content=b"\xff\xfe\x00", headers=JSON), 400, "VALIDATION_FAILED"),
    "no body": (post(JOBS), 400, "VALIDATION_FAILED"),
    "a list for an object": (post(JOBS, json=[1]), 400, "VALIDATION_FAILED"),
    "wrong fields": (post(JOBS, json={"model": "", "dataset_id": "x", "epoch": 1}), 400, "VALIDATION_FAILED"),
    "a wrong query": (get(JOBS, params={"limit": 0}), 400, "VALIDATION_FAILED"),
    "a wrong cursor": (get(JOBS, params={"cursor": "?"}), 400, "VALIDATION_FAILED"),
    "a wrong header": (post(JOBS, json=BODY, headers={"Idempotency-Key": "k" * 300}), 400, "VALIDATION_FAILED"),
    "a wrong path": (get("/api/v1/datasets/x/thumbnails/seven"), 400, "VALIDATION_FAILED"),
    "no token": (get(JOBS, headers={"Authorization": ""}), 401, "INVALID_TOKEN"),
    "a wrong token": (get(JOBS, headers=bearer("wrong")), 401, "INVALID_TOKEN"),
    "a wrong scheme": (get(JOBS, headers={"Authorization": f"Basic {TOKEN}"}), 401, "INVALID_TOKEN"),
    "an attempt's token on a user's path": (get(JOBS, headers=bearer(FOREIGN)), 403, "INSUFFICIENT_PERMISSIONS"),
    "a user's token on an agent's path": (
        lambda client: client.put("/api/v1/agents/a", json={"name": "a", "url": "http://a", "slots": 1}),
        403,
        "INSUFFICIENT_PERMISSIONS",
    ),
    "another job's token, of a job that does not exist": (
        post(f"{JOBS}/J-1/callback", json={"status": "running"}, headers=bearer(FOREIGN)),
        403,
        "INSUFFICIENT_PERMISSIONS",
    ),
    "an unknown job": (get(f"{JOBS}/J-404"), 404, "NOT_FOUND"),
    "an unknown data set": (get("/api/v1/datasets/nothing"), 404, "DATASET_NOT_FOUND"),
    "an unknown code": (get("/api/v1/errors/NO_SUCH_CODE"), 404, "NOT_FOUND"),
    "an unknown code's page": (get("/errors/NO_SUCH_CODE"), 404, "NOT_FOUND"),
    "an unknown trace": (get(f"/api/v1/errors/occurrences/{'0' * 31}1"), 404, "NOT_FOUND"),
    "an unknown breaker": (post("/api/v1/system/dependencies/nothing/reset"), 404, "NOT_FOUND"),
    "an unknown path": (get("/api/v1/nothing"), 404, "NOT_FOUND"),
    "an unknown path by POST": (post("/api/v1/nothing", json={}), 404, "NOT_FOUND"),
    "a trailing slash": (get(f"{JOBS}/"), 404, "NOT_FOUND"),
    "an unknown static file": (get("/assets/nothing.js"), 404, "NOT_FOUND"),
    "a static file outside the page": (get("/assets/..%2f..%2f..%2fpyproject.toml"), 404, "NOT_FOUND"),
    "a wrong method": (lambda client: client.delete(JOBS), 405, "NOT_FOUND"),
    "a wrong method on the page": (post("/login"), 405, "NOT_FOUND"),
    "a body over the limit": (post(JOBS, content=b" " * 3000, headers=JSON), 413, "PAYLOAD_TOO_LARGE"),
    "a body over the limit that is no JSON": (
        post(JOBS, content=b" " * 3000, headers={"Content-Type": "text/plain"}),
        413,
        "PAYLOAD_TOO_LARGE",
    ),
    "a wrong content type": (
        post("/api/v1/datasets", params={"name": "x"}, content=b"x", headers={"Content-Type": "text/plain"}),
        415,
        "VALIDATION_FAILED",
    ),
    "a form for JSON": (post(JOBS, data={"model": "yolo11n"}), 400, "VALIDATION_FAILED"),
}


@pytest.mark.parametrize("name", CASES)
async def test_a_refusal_has_the_one_shape(client: httpx.AsyncClient, name: str) -> None:
    call, status, code = CASES[name]
    for accept in ("*/*", "application/json", "application/problem+json, application/json;q=0.5"):
        client.headers["Accept"] = accept
        response = await call(client)
        assert_canonical_error(response, status, code)
        assert ("problem" in response.headers["content-type"]) == ("problem" in accept)
        assert "ratelimit" in response.headers


async def test_a_body_without_a_declared_length_is_refused_too(client: httpx.AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 1000

    response = await client.post(JOBS, content=endless(), headers=JSON)
    error = assert_canonical_error(response, 413, "PAYLOAD_TOO_LARGE")
    assert error["params"] == {"limit_bytes": 2048}


async def test_an_upload_has_limits_of_its_own(client: httpx.AsyncClient) -> None:
    response = await client.post("/api/v1/weights", params={"name": "mine"}, content=b"w" * 5000)
    assert response.status_code == 201


async def test_all_wrong_fields_come_at_once_with_pointers_and_near_misses(client: httpx.AsyncClient) -> None:
    body = {"modle": "x", "dataset_id": "", "epochs": "many", "settings": [], "batch_size": 0}
    error = assert_canonical_error(await client.post(JOBS, json=body), 400)
    told = {item["pointer"]: item["message"] for item in error["errors"]}
    assert set(told) == {"#/model", "#/modle", "#/dataset_id", "#/epochs", "#/settings", "#/batch_size"}
    assert told["#/modle"] == "unknown field; did you mean `model`?"
    assert error["params"] == {"field": "model", "count": 6, "first": " (6)"}
    assert "many" not in json.dumps(error)


async def test_conflict_and_unprocessable(client: httpx.AsyncClient, mock_trainer_service: TrainerService) -> None:
    wrong = await client.post(JOBS, json={**BODY, "model": "yolo11x-nothing"})
    assert_canonical_error(wrong, 422, "INVALID_MODEL")
    job_id = (await client.post(JOBS, json=BODY, headers={"Prefer": "respond-async"})).json()["job_id"]
    assert_canonical_error(await client.post(f"{JOBS}/{job_id}/retry"), 409, "CONFLICT")


async def test_a_reached_quota_is_429_without_a_time_to_wait(client: httpx.AsyncClient) -> None:
    assert (await client.post(JOBS, json=BODY, headers={"Prefer": "respond-async"})).status_code == 202
    error = assert_canonical_error(await client.post(JOBS, json=BODY), 429, "QUOTA_EXCEEDED")
    assert (error["retryable"], error["retry_after"]) == (False, None)
    assert error["params"] == {"limit": 1, "resource": "open jobs", "current": 1}


def failing(platform: Platform, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Makes the list of jobs end with `error`."""

    async def page(*_: Any) -> None:
        raise error

    monkeypatch.setattr(platform.reader, "page", page)


BROKEN = OSError("disk of password=hunter2 is gone")
FAILURES: dict[str, tuple[BaseException, int, str]] = {
    "a bug": (ZeroDivisionError("division by zero"), 500, "SYSTEM_ERROR"),
    "a bug in a group": (ExceptionGroup("several", [ValueError("x")]), 500, "SYSTEM_ERROR"),
    "the database": (DatabaseError("select", BROKEN), 500, "DATABASE_ERROR"),
    "the storage": (StorageError("get", "bucket", "key", BROKEN), 500, "STORAGE_ERROR"),
    "the network": (NetworkError("mlflow", BROKEN), 503, "NETWORK_ERROR"),
    "a busy service": (ServiceUnavailableError("trainer", 7.2), 503, "SERVICE_UNAVAILABLE"),
    "a busy service that says nothing": (ServiceUnavailableError("trainer"), 503, "SERVICE_UNAVAILABLE"),
    "a time-out": (TimeoutError("upload", 30), 504, "OPERATION_TIMEOUT"),
    "a quota": (QuotaExceededError("GB", 10, 11), 429, "QUOTA_EXCEEDED"),
    "a failed training": (PlatformError.from_code("CUDA_OOM"), 500, "CUDA_OOM"),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_a_failure_has_the_one_shape(
    client: httpx.AsyncClient, platform: Platform, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    error, status, code = FAILURES[name]
    failing(platform, monkeypatch, error)
    response = await client.get(JOBS, headers={"Origin": ORIGIN})
    shown = assert_canonical_error(response, status, code)
    assert response.headers["access-control-allow-origin"] == ORIGIN
    assert "Server-Timing" in response.headers["access-control-expose-headers"]
    if code == "SYSTEM_ERROR":
        assert shown["message"] == f"An unexpected error occurred (ID: {shown['trace_id']})."


async def test_an_unhandled_error_is_logged_once_with_the_trace_id_that_the_answer_carries(
    client: httpx.AsyncClient, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.core.tracing import get_trace_id

    failing(platform, monkeypatch, ZeroDivisionError("x"))
    seen = []
    with capture_logs(processors=[lambda _l, _m, event: {**event, "trace_id": get_trace_id()}]) as lines:
        seen.append(assert_canonical_error(await client.get(JOBS), 500)["trace_id"])
        response = await client.get("/api/v1/system/health/live")
    failed = [line for line in lines if line["event"] == "request failed"]
    assert [line["trace_id"] for line in failed] == seen
    answered = [line for line in lines if line["event"] == "answered"]
    traced = TRACE.search(response.headers["server-timing"])
    assert traced is not None
    assert [line["trace_id"] for line in answered] == [*seen, traced[1]]
    assert [line["status"] for line in answered] == [500, 200]


async def test_an_open_breaker_answers_503_with_the_seconds_that_are_left(
    client: httpx.AsyncClient, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    breaker = CircuitBreaker(1, 60, clock=lambda: now, name="trainer test")
    with pytest.raises(ConnectionRefusedError):
        breaker.call(lambda: (_ for _ in ()).throw(ConnectionRefusedError()))
    now = 117.5

    async def page(*_: Any) -> None:
        breaker.call(lambda: None)

    monkeypatch.setattr(platform.reader, "page", page)
    error = assert_canonical_error(await client.get(JOBS), 503, "SERVICE_UNAVAILABLE")
    assert error["retry_after"] == 43
    assert error["params"] == {"service": "trainer", "retry_after": 43}


async def test_an_answer_that_had_begun_is_broken_off_and_counted(
    app: FastAPI, client: httpx.AsyncClient, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"begun"
        raise ZeroDivisionError

    row = type("Row", (), {"bytes": 10, "sha256": "0"})()

    async def opened(*_: Any) -> tuple[Any, AsyncIterator[bytes]]:
        return row, pieces()

    monkeypatch.setattr(platform.artifacts, "open_weights", opened)
    with capture_logs() as lines, pytest.raises(ZeroDivisionError):
        await client.get("/api/v1/weights/x/content")
    assert [line["code"] for line in lines if line["event"] == "request failed"] == ["SYSTEM_ERROR"]


async def test_the_traceparent_of_a_caller_is_continued(client: httpx.AsyncClient) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"}
    assert assert_canonical_error(await client.get(f"{JOBS}/J-1", headers=headers), 404)["trace_id"] == trace_id
    assert trace_id in (await client.get(JOBS, headers=headers)).headers["server-timing"]
    wrong = {"traceparent": "00-zz-00f067aa0ba902b7-01"}
    assert assert_canonical_error(await client.get(f"{JOBS}/J-1", headers=wrong), 404)["trace_id"] != trace_id


async def test_a_preflight_from_a_foreign_page_is_refused_in_the_one_shape(client: httpx.AsyncClient) -> None:
    headers = {"Origin": "http://evil.test", "Access-Control-Request-Method": "POST"}
    assert_canonical_error(await client.options(JOBS, headers=headers), 400, "VALIDATION_FAILED")
    allowed = await client.options(JOBS, headers={**headers, "Origin": ORIGIN})
    assert allowed.status_code == 200


async def test_a_static_file_ignores_a_wrong_range(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "index.html").write_text("<p>page</p>")
    monkeypatch.setattr("app.api.page.DIST", tmp_path)
    for wrong in ("bytes=900-", "pears=1-2"):
        response = await client.get("/jobs", headers={"Range": wrong})
        assert (response.status_code, response.text) == (200, "<p>page</p>")


async def test_every_codes_page_can_be_read_by_anybody(anonymous: httpx.AsyncClient) -> None:
    for code in REGISTRY:
        page = await anonymous.get(f"/errors/{code}")
        assert page.status_code == 200, code
        assert code in page.text
        row = (await anonymous.get(f"/api/v1/errors/{code}")).json()
        assert (row["code"], row["doc_url"]) == (code, f"/errors/{code}")


async def test_the_status_map_is_the_designs(client: httpx.AsyncClient) -> None:
    wanted = {
        "VALIDATION_FAILED": 400, "DATASET_INVALID_FORMAT": 400, "INVALID_TOKEN": 401, "INSUFFICIENT_PERMISSIONS": 403,
        "NOT_FOUND": 404, "DATASET_NOT_FOUND": 404, "CONFLICT": 409, "PAYLOAD_TOO_LARGE": 413, "DATASET_TOO_LARGE": 413,
        "INVALID_CONFIG": 422, "INVALID_MODEL": 422, "DATASET_BROKEN": 422, "QUOTA_EXCEEDED": 429, "RATE_LIMITED": 429,
        "DATABASE_ERROR": 500, "STORAGE_ERROR": 500, "SYSTEM_ERROR": 500, "SERVICE_UNAVAILABLE": 503, "NETWORK_ERROR": 503,
        "TRAINER_UNREACHABLE": 503, "TEMPORAL_ERROR": 503, "OPERATION_TIMEOUT": 504,
    }  # fmt: skip
    rows = (await client.get("/api/v1/errors")).json()["items"]
    assert {row["code"]: row["http"] for row in rows if row["http"] is not None} == wanted


SOCKETS: dict[str, tuple[str, str, str | None, int, str]] = {
    "no token": ("/ws/training-jobs/J-1", "", None, 401, "INVALID_TOKEN"),
    "a wrong token": ("/ws/training-jobs/J-1", "", "wrong", 401, "INVALID_TOKEN"),
    "an attempt's token": ("/ws/training-jobs/J-1", "", FOREIGN, 403, "INSUFFICIENT_PERMISSIONS"),
    "a wrong query": ("/ws/training-jobs/J-1", "since=-1", TOKEN, 400, "VALIDATION_FAILED"),
    "an unknown path": ("/ws/nothing", "", TOKEN, 404, "NOT_FOUND"),
}


@pytest.mark.parametrize("name", SOCKETS)
async def test_a_refused_handshake_has_the_one_shape(app: FastAPI, name: str) -> None:
    path, query, token, status, code = SOCKETS[name]
    async with Socket(app, path, query=query, token=token) as watcher:
        answered, headers, body = await watcher.denied()
    assert (answered, body["error"]["code"], headers["x-error-code"]) == (status, code, code)
    assert_public_error(body["error"])
    assert body["error"]["trace_id"] in headers["server-timing"]


@pytest.mark.parametrize("name", SOCKETS)
async def test_a_server_that_cannot_answer_a_handshake_closes_it_with_a_short_reason(app: FastAPI, name: str) -> None:
    path, query, token, _, _ = SOCKETS[name]
    async with Socket(app, path, query=query, token=token, denial=False) as watcher:
        assert watcher.begun["type"] == "websocket.close"
        assert watcher.begun["code"] == 1008
        assert 0 < len(watcher.begun["reason"].encode()) <= 123


@pytest.mark.parametrize(
    ("error", "close"),
    [
        (PlatformError.from_code("NOT_FOUND"), 1008),
        (ZeroDivisionError("x"), 1011),
        (ServiceUnavailableError("trainer", 3), 1013),
        (PlatformError.from_code("VALIDATION_FAILED", {"first": ": " + "ü" * 90}), 1008),
    ],
)
async def test_an_accepted_watcher_is_told_why_it_ends(
    app: FastAPI, platform: Platform, monkeypatch: pytest.MonkeyPatch, error: Exception, close: int
) -> None:
    async def stream(*_: Any) -> AsyncIterator[tuple[int, bytes]]:
        raise error
        yield 0, b""

    async def read(*_: Any) -> None:
        return

    monkeypatch.setattr(platform.hub, "stream", stream)
    monkeypatch.setattr(platform.db, "read", read)
    async with Socket(app, "/ws/training-jobs/J-1", query="since=41", token=TOKEN) as watcher:
        assert watcher.begun["type"] == "websocket.accept"
        event = await watcher.event()
        end = await watcher.next()
    assert {key: event[key] for key in ("type", "seq", "fatal")} == {"type": "error", "seq": 41, "fatal": True}
    assert_public_error(event["error"])
    assert (end["type"], end["code"]) == ("websocket.close", close)
    assert 0 < len(end["reason"].encode()) <= 123
    assert event["error"]["message"].startswith(end["reason"])


async def test_over_a_real_connection_a_bug_costs_neither_the_trace_nor_the_connection(
    app: FastAPI, platform: Platform, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    failing(platform, monkeypatch, ZeroDivisionError("x"))
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="critical"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))

    def talk() -> list[tuple[int, str, Any]]:
        connection = http.client.HTTPConnection(*listener.getsockname(), timeout=10)
        answers = []
        connection.connect()
        first = connection.sock
        for path in (JOBS, JOBS, "/api/v1/system/health/live"):
            connection.request("GET", path, headers=bearer(TOKEN))
            response = connection.getresponse()
            answers.append((response.status, response.headers["Server-Timing"], json.loads(response.read())))
            assert connection.sock is first
        connection.close()
        return answers

    try:
        answers = await asyncio.to_thread(talk)
    finally:
        server.should_exit = True
        await serving
    assert [status for status, _, _ in answers] == [500, 500, 200]
    for _, timing, body in answers[:2]:
        assert_public_error(body["error"])
        assert body["error"]["trace_id"] in timing
