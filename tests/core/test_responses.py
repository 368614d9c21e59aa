"""The public form is total and tells only what it may; how it leaves over HTTP and WebSocket."""

import json
from typing import Any

import httpx
import orjson
import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY as METRICS
from starlette.exceptions import HTTPException
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.websockets import WebSocket, WebSocketState
from structlog.testing import capture_logs

from app.core import errors, responses
from app.core.catch_all import CatchAll
from app.core.error_messages import REGISTRY
from app.core.errors import FieldError, Fix, PlatformError
from app.core.responses import Answered, WayOut, error_response, install, public, wait_seconds
from app.core.tracing import set_trace_id
from tests.asgi import Socket
from tests.contract.shape import assert_canonical_error, assert_public_error

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class Hostile:
    """An object whose every method raises."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no equality")

    def __hash__(self) -> int:
        return 1


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**300, max_value=10**301)
    | st.floats()
    | st.text()
    | st.text(alphabet=st.characters(categories=["Cs", "Cc", "Co"]))
    | st.binary()
    | st.builds(Hostile)
    | st.sampled_from([Exception("x"), object, Ellipsis, errors.ErrorType.TRANSIENT, set, 1j]),
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(st.text() | st.integers(), inner, max_size=5),
    max_leaves=20,
)
texts = st.text() | st.text(alphabet=st.characters(categories=["Cs"]))


@settings(max_examples=100, deadline=None)
@given(
    code=st.sampled_from(sorted(REGISTRY)) | texts | anything,
    values=st.lists(anything, min_size=8, max_size=8),
    wait=anything,
    text=texts,
    extra=st.dictionaries(texts, anything, max_size=3),
)
def test_the_public_form_is_total(code: Any, values: list[Any], wait: Any, text: str, extra: dict[str, Any]) -> None:
    declared = REGISTRY[code].params if isinstance(code, str) and code in REGISTRY else ()
    details = {**dict(zip(declared, values, strict=False)), **extra, "retry_after": wait}
    fixes = [Fix(text, text, "safe", ({"op": "add", "path": "/x", "value": values[0]},))]
    fields = [FieldError(text, text, text)]
    error = PlatformError.from_code(code, details, errors=fields, fixes=fixes, cause=ValueError(text))
    body = public(error)
    assert json.loads(orjson.dumps(body)) == body
    assert json.loads(json.dumps(body, allow_nan=False)) == body
    assert len(body["message"]) <= 200
    assert error_response(error).status_code == error.http_status


@settings(max_examples=40, deadline=None)
@given(message=texts, user_message=texts, action=texts | st.none(), context=st.dictionaries(texts, anything, max_size=3))
def test_the_public_form_is_total_for_errors_that_are_made_by_hand(
    message: str, user_message: str, action: str | None, context: dict[str, Any]
) -> None:
    error = PlatformError(
        message, errors.ErrorType.USER_ERROR, user_message=user_message, suggested_action=action, context=context
    )
    assert set(json.loads(orjson.dumps(public(error)))) == set(public(error))


@settings(max_examples=60, deadline=None)
@given(
    code=st.sampled_from(sorted(REGISTRY)),
    values=st.lists(st.text() | st.integers(-(2**63), 2**63 - 1) | st.floats(), min_size=8, max_size=8),
)
def test_the_texts_are_the_same_whether_or_not_somebody_read_them_before(code: str, values: list[Any]) -> None:
    details = dict(zip(REGISTRY[code].params, values, strict=False))
    details.pop("retry_after", None)
    read, unread = PlatformError.from_code(code, details), PlatformError.from_code(code, details)
    assert str(read)
    assert read.has_own_texts
    assert not unread.has_own_texts
    assert public(read, at="t", trace_id=TRACE) == public(unread, at="t", trace_id=TRACE)


@pytest.mark.parametrize("code", REGISTRY)
def test_every_code_has_a_public_form(code: str) -> None:
    assert_public_error(public(PlatformError.from_code(code)))


def test_the_public_form_tells_what_the_error_is() -> None:
    fix = Fix("halve-batch", "Batch size 32 → 16", "safe", ({"op": "replace", "path": "/batch_size", "value": 16},))
    error = PlatformError.from_code("CUDA_OOM", {"batch_size": 32, "secret": 1}, fixes=[fix])
    body = public(error, at="2026-11-23T16:20:31.123Z", trace_id=TRACE, attempts_url="/a")
    assert body == {
        "type": "system_error",
        "severity": "high",
        "message": "Training failed due to insufficient GPU memory.",
        "suggested_action": "Try reducing batch size (currently 32) or use a smaller model.",
        "timestamp": "2026-11-23T16:20:31.123Z",
        "trace_id": TRACE,
        "code": "CUDA_OOM",
        "title": "GPU memory exhausted",
        "retryable": error.retryable,
        "retry_after": None,
        "params": {"batch_size": 32},
        "errors": [],
        "fixes": [
            {
                "id": "halve-batch",
                "label": "Batch size 32 → 16",
                "applicability": "safe",
                "patch": [{"op": "replace", "path": "/batch_size", "value": 16}],
            }
        ],
        "doc_url": "/errors/CUDA_OOM",
        "attempts_url": "/a",
    }


def test_the_classes_keep_the_texts_that_the_design_document_gives_them() -> None:
    shown = {
        "Configuration error: lr0 is too high": errors.ConfigurationError("lr0", "lr0 is too high"),
        "Invalid value for epochs: must be > 0": errors.ValidationError("epochs", "must be > 0", -5),
        "The job you requested does not exist.": errors.ResourceNotFoundError("job", "J-1"),
        "trainer is currently busy. We'll retry automatically.": errors.ServiceUnavailableError("trainer", 5),
        "You've reached your limit of 5 datasets.": errors.QuotaExceededError("datasets", 5, 5),
    }
    for message, error in shown.items():
        assert public(error)["message"] == message


def test_an_unexpected_error_names_its_trace_instead_of_itself() -> None:
    set_trace_id(TRACE)
    body = public(errors.UnexpectedError(ValueError("inner")))
    assert body["message"] == f"An unexpected error occurred (ID: {TRACE})."
    assert (body["trace_id"], body["code"]) == (TRACE, "SYSTEM_ERROR")


def test_an_error_without_an_action_shows_none() -> None:
    assert public(PlatformError("x", errors.ErrorType.PERMANENT))["suggested_action"] is None
    assert public(PlatformError("x", errors.ErrorType.PERMANENT, suggested_action=""))["suggested_action"] is None


@pytest.mark.parametrize(
    ("told", "waits"), [(None, None), (0, 1), (0.2, 1), (1, 1), (1.2, 2), (59.99, 60), (10**9, 7 * 24 * 3600), (-1, None)]
)
def test_the_wait_is_in_whole_seconds_and_never_too_short(told: float | None, waits: int | None) -> None:
    error = PlatformError.from_code("SERVICE_UNAVAILABLE", {"service": "trainer", "retry_after": told})
    body = public(error)
    assert wait_seconds(error) == body["retry_after"] == waits
    # The parameter is there where a number was given, and agrees.
    assert body["params"].get("retry_after") == waits
    headers = dict(error_response(error).raw_headers)
    assert headers.get(b"retry-after") == (None if waits is None else str(waits).encode())


def test_an_answer_carries_what_protocols_ask_for() -> None:
    error = PlatformError.from_code("INVALID_TOKEN")
    answer = error_response(error, headers={"Allow": "GET"})
    headers = dict(answer.raw_headers)
    assert answer.status_code == 401
    assert headers.pop(b"content-length") == str(len(answer.body)).encode()
    assert headers == {
        b"content-type": b"application/json",
        b"x-error-code": b"INVALID_TOKEN",
        b"cache-control": b"no-store",
        b"content-language": b"en",
        b"link": b'</errors/INVALID_TOKEN>; rel="describedby"; type="text/html"',
        b"www-authenticate": b'Bearer realm="vtp"',
        b"allow": b"GET",
    }
    assert b"www-authenticate" not in dict(error_response(error, 403).raw_headers)


def test_a_problem_document_repeats_the_error_in_the_words_of_rfc_9457() -> None:
    scope = {"scheme": "https", "headers": [(b"accept", b"application/problem+json"), (b"host", b"vtp.test")]}
    answer = error_response(PlatformError.from_code("CONFLICT", {"state": "failed"}), 422, scope=scope)
    body = json.loads(bytes(answer.body))
    error = body.pop("error")
    assert dict(answer.raw_headers)[b"content-type"] == b"application/problem+json"
    assert body == {
        "type": "https://vtp.test/errors/CONFLICT",
        "title": error["title"],
        "status": 422,
        "detail": error["message"],
        "instance": f"/api/v1/errors/occurrences/{error['trace_id']}",
    }
    assert error["params"] == {"state": "failed"}


def test_a_problem_document_names_the_limit_that_was_reached() -> None:
    scope = {"scheme": "http", "headers": [(b"accept", b"application/problem+json")]}
    answer = error_response(PlatformError.from_code("RATE_LIMITED", {"policy": "default", "retry_after": 3}), scope=scope)
    assert json.loads(bytes(answer.body))["violated-policies"] == ["default"]


def test_answers_of_one_code_share_no_headers() -> None:
    error = PlatformError.from_code("NOT_FOUND")
    error_response(error).headers["X-Mine"] = "1"
    assert "X-Mine" not in error_response(error).headers


def test_times_are_rfc_3339_in_utc_with_milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    for now, shown in (
        (1764032400.0, "2025-11-25T01:00:00.000Z"),
        (1764032400.0625, "2025-11-25T01:00:00.062Z"),
        (1764032460.999, "2025-11-25T01:01:00.999Z"),
    ):
        monkeypatch.setattr(responses, "time", lambda now=now: now)
        assert responses.timestamp() == shown


SCOPE = {"type": "http", "method": "GET", "path": "/x", "headers": []}


def test_observers_hear_of_each_answer_and_a_broken_one_harms_nobody() -> None:
    heard: list[Answered] = []

    def broken(_: Answered) -> None:
        raise ValueError("observer")

    answer = WayOut([broken, heard.append]).answer(SCOPE, PlatformError.from_code("NOT_FOUND"))
    assert [(one.status, one.method, one.endpoint, one.error["code"]) for one in heard] == [
        (404, "GET", "unmatched", "NOT_FOUND")
    ]
    assert json.loads(bytes(answer.body))["error"] == heard[0].error


def test_ours_is_logged_with_its_stack_a_dependencys_without_a_users_not_at_all() -> None:
    way_out = WayOut()
    with capture_logs() as lines:
        way_out.answer(SCOPE, errors.UnexpectedError(ValueError("x")))
        way_out.answer(SCOPE, errors.ServiceUnavailableError("trainer", 1))
        way_out.answer(SCOPE, PlatformError.from_code("NOT_FOUND"))
    assert [(line["code"], line["exc_info"] is not None) for line in lines] == [
        ("SYSTEM_ERROR", True),
        ("SERVICE_UNAVAILABLE", False),
    ]


def metric(name: str, **labels: str) -> float:
    return METRICS.get_sample_value(name, labels) or 0.0


def test_answers_are_counted_by_route_template() -> None:
    counted = {"status_code": "409", "endpoint": "/jobs/{job_id}", "method": "POST"}
    typed = {"error_type": "permanent", "severity": "low", "component": "api"}
    unmatched = {"status_code": "401", "endpoint": "unmatched", "method": "WEBSOCKET"}
    before = [metric("api_errors_total", **counted), metric("platform_errors_total", **typed)]
    of_sockets = metric("api_errors_total", **unmatched)
    typed_of_sockets = metric("platform_errors_total", **{**typed, "component": "websocket"})
    way_out, route = WayOut(), type("Route", (), {"path": "/jobs/{job_id}"})()
    way_out.answer({**SCOPE, "method": "POST", "route": route}, PlatformError.from_code("CONFLICT"))
    way_out.note({"type": "websocket", "path": "/ws", "headers": []}, PlatformError.from_code("INVALID_TOKEN"))
    assert [metric("api_errors_total", **counted), metric("platform_errors_total", **typed)] == [x + 1 for x in before]
    assert metric("api_errors_total", **unmatched) == of_sockets + 1
    assert metric("platform_errors_total", **{**typed, "component": "websocket"}) == typed_of_sockets + 1


def test_the_time_that_an_answer_took_is_noted_by_kind_of_error(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([10.0, 10.25])
    monkeypatch.setattr(responses, "perf_counter", lambda: next(times))
    before = metric("error_handling_seconds_sum", error_type="permanent")
    WayOut().answer(SCOPE, PlatformError.from_code("CONFLICT"))
    assert metric("error_handling_seconds_sum", error_type="permanent") == pytest.approx(before + 0.25)


def test_an_application_has_one_last_resort_and_it_is_ours() -> None:
    app = FastAPI()
    install(app)
    layer, layers = app.build_middleware_stack(), []
    while layer is not None:
        layers.append(type(layer))
        layer = getattr(layer, "app", None)
    assert CatchAll in layers
    assert ServerErrorMiddleware not in layers


class Recorder:
    """A WebSocket's other end that may be gone."""

    def __init__(self, gone: Exception | None = None) -> None:
        self.sent: list[dict[str, Any]] = []
        self.gone = gone

    async def __call__(self, message: Any) -> None:
        if self.gone is not None:
            raise self.gone
        self.sent.append(message)


def socket(recorder: Recorder, state: WebSocketState, **extensions: Any) -> WebSocket:
    scope = {"type": "websocket", "path": "/ws", "headers": [], "extensions": extensions}
    websocket = WebSocket(scope, receive=Recorder(), send=recorder)  # type: ignore[arg-type]
    websocket.application_state = state
    if state is WebSocketState.CONNECTING:
        websocket.client_state = WebSocketState.CONNECTED
    return websocket


async def test_a_closed_websocket_is_told_nothing_more() -> None:
    recorder = Recorder()
    await WayOut().end(socket(recorder, WebSocketState.DISCONNECTED), PlatformError.from_code("NOT_FOUND"))
    assert recorder.sent == []


async def test_a_handshake_that_cannot_be_answered_is_closed_with_the_reason() -> None:
    recorder = Recorder()
    await WayOut().end(socket(recorder, WebSocketState.CONNECTING), PlatformError.from_code("INVALID_TOKEN"))
    assert recorder.sent == [{"type": "websocket.close", "code": 1008, "reason": "Your token is missing, wrong or expired."}]


@pytest.mark.parametrize("gone", [RuntimeError("closed"), OSError("reset")])
async def test_a_watcher_that_has_left_is_no_error(gone: Exception) -> None:
    with capture_logs() as lines:
        await WayOut().end(socket(Recorder(gone), WebSocketState.CONNECTED), PlatformError.from_code("NOT_FOUND"))
    assert [line["event"] for line in lines] == ["watcher left before it was told"]


async def test_the_close_code_tells_whether_to_try_again() -> None:
    codes = {}
    for code in ("NOT_FOUND", "DATABASE_ERROR", "SYSTEM_ERROR", "SERVICE_UNAVAILABLE"):
        recorder = Recorder()
        await WayOut().end(socket(recorder, WebSocketState.CONNECTED), PlatformError.from_code(code), 4)
        event = json.loads(recorder.sent[0]["text"])
        assert_public_error(event.pop("error"))
        assert event == {"type": "error", "seq": 4, "fatal": True}
        codes[code] = recorder.sent[1]["code"]
    assert codes == {"NOT_FOUND": 1008, "DATABASE_ERROR": 1013, "SYSTEM_ERROR": 1011, "SERVICE_UNAVAILABLE": 1013}


class Marked:
    """A middleware that marks what passes."""

    def __init__(self, app: Any, mark: bytes) -> None:
        self.app, self.mark = app, mark

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def marked(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-mark", self.mark)]
            await send(message)

        await self.app(scope, receive, marked)


async def test_what_is_between_works_on_answers_to_bugs_too() -> None:
    app = FastAPI()

    @app.get("/bug")
    async def bug() -> None:
        raise ZeroDivisionError

    @app.get("/teapot")
    async def teapot() -> None:
        raise HTTPException(418, "internal words", {"X-Tea": "no"})

    install(app, between=[(Marked, {"mark": b"inner"}), (Marked, {"mark": b"outer"})])
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://backend.test") as client:
        response = await client.get("/bug")
        assert_canonical_error(response, 500, "SYSTEM_ERROR")
        assert response.headers.get_list("x-mark") == ["inner", "outer"]
        odd = await client.get("/teapot")
        assert_canonical_error(odd, 418, "VALIDATION_FAILED")
        assert odd.headers["x-tea"] == "no"
        assert "internal words" not in odd.text


async def test_the_trace_can_be_left_to_others() -> None:
    app, way_out = FastAPI(), WayOut()
    assert install(app, way_out=way_out, trace=False) is way_out
    assert app.state.way_out is way_out
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://backend.test") as client:
        response = await client.get("/nothing")
    assert (response.status_code, "server-timing" in response.headers) == (404, False)


async def test_every_way_to_refuse_a_websocket_has_the_one_shape() -> None:
    app = FastAPI()

    @app.websocket("/platform")
    async def platform(websocket: WebSocket) -> None:
        raise PlatformError.from_code("CONFLICT")

    @app.websocket("/library")
    async def library(websocket: WebSocket) -> None:
        raise HTTPException(503, "internal words")

    @app.websocket("/fields")
    async def fields(websocket: WebSocket, since: int) -> None:
        raise AssertionError

    install(app)
    refused = {}
    for path in ("/platform", "/library", "/fields", "/nothing"):
        async with Socket(app, path, query="since=x") as watcher:
            status, headers, body = await watcher.denied()
            assert_public_error(body["error"])
            assert body["error"]["trace_id"] in headers["server-timing"]
            refused[path] = (status, body["error"]["code"])
    assert refused == {
        "/platform": (409, "CONFLICT"),
        "/library": (503, "SERVICE_UNAVAILABLE"),
        "/fields": (400, "VALIDATION_FAILED"),
        "/nothing": (404, "NOT_FOUND"),
    }


async def test_a_request_with_wrong_fields_is_answered_with_all_of_them() -> None:
    app = FastAPI()

    @app.get("/")
    async def fields(first: int, second: int) -> None:
        raise AssertionError

    install(app)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://backend.test") as client:
        error = assert_canonical_error(await client.get("/?second=x"), 400, "VALIDATION_FAILED")
    assert [item["pointer"] for item in error["errors"]] == ["#/first", "#/second"]
