"""What Sentry's SDK is made to send: events without secrets at any depth, by a thread, bounded, counted where lost."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError
from starlette.types import Receive, Scope, Send

from app.config import Settings
from app.core import metrics, sentry
from app.core.errors import PlatformError, UnexpectedError
from app.core.monitoring import capture_error_with_context
from app.core.tracing import TraceMiddleware, set_trace_id
from tests.waiting import until

KEY = "AK" + "IA" + "ABCDEFGHIJKLMNOP"


class Received(ThreadingHTTPServer):
    """A server that takes envelopes as Sentry does; `status` is what it answers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Taking)
        self.events: list[dict[str, Any]] = []
        self.measured: list[dict[str, Any]] = []
        self.status = 200


class Taking(BaseHTTPRequestHandler):
    """Keeps the events of envelopes."""

    server: Received

    def do_POST(self) -> None:
        import gzip

        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        lines = body.splitlines()
        self.server.events += [json.loads(line) for line in lines[1:] if b'"event_id"' in line and b'"exception"' in line]
        self.server.measured += [json.loads(line) for line in lines[1:] if b'"spans"' in line and b'"event_id"' in line]
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@contextmanager
def receiving(traces: float = 0.0) -> Iterator[Received]:
    """A server that the SDK sends to."""
    server = Received()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    address = f"http://abc@127.0.0.1:{server.server_address[1]}/1"
    # Neither the framework's integrations, which would stay in the classes of every later test, nor real waiting.
    assert sentry.init_sentry(address, "test", traces=traces, integrations=[], auto_session_tracking=False)
    yield server
    sentry.close_sentry()
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.fixture
def received() -> Iterator[Received]:
    """A server that the SDK sends to, which measures no request."""
    with receiving() as server:
        yield server


def lost() -> float:
    """Events that are counted as lost."""
    return float(metrics.swallowed_total.labels(component="sentry")._value.get())


def bug() -> UnexpectedError:
    """A bug as it is caught, with a secret in its message and in a variable."""
    local = KEY * 2
    try:
        int(f"password=hunter2 {KEY} {len(local)}")
    except ValueError as error:
        return UnexpectedError(error)
    raise AssertionError


def test_without_a_dsn_nothing_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SENTRY_DSN", raising=False)
    assert sentry.init_sentry() is False
    assert sentry.active() is False
    sentry.close_sentry()


def test_an_event_arrives_with_frames_release_environment_and_trace_and_without_secrets(received: Received) -> None:
    set_trace_id("c" * 32)
    contexts = {"attempt": {"deep": [{"api_key": KEY, "note": "token=abcdef123456"}], "batch": 16}}
    assert capture_error_with_context(bug(), {"header": f"Bearer {KEY}"}, component="api", contexts=contexts)
    event = until(lambda: received.events, "an event")[0]
    assert (event["environment"], event["contexts"]["trace"]["trace_id"]) == ("test", "c" * 32)
    assert event["release"].startswith("vtp@")
    value = event["exception"]["values"][-1]
    assert value["type"] == "ValueError"
    assert value["stacktrace"]["frames"][-1]["function"] == "bug"
    assert event["contexts"]["attempt"]["batch"] == 16
    assert "vars" not in value["stacktrace"]["frames"][-1]
    # The line of code above is shown as it stands there; its values are not.
    text = json.dumps(event).replace("password=hunter2 {KEY}", "")
    assert [secret for secret in (KEY, "hunter2", "abcdef123456") if secret in text] == []


def test_an_exception_of_another_process_arrives_with_its_frames(received: Received) -> None:
    frames = [{"file": "/x/trainers/sklearn/train.py", "line": 3, "function": "train", "code": "fit()"}]
    told = [{"type": "RuntimeError", "message": f"boom {KEY}", "module": "torch", "frames": frames}]
    assert capture_error_with_context(PlatformError.from_code("UNKNOWN_FAILURE"), component="trainer", exceptions=told)
    value = until(lambda: received.events, "an event")[0]["exception"]["values"][0]
    assert (value["type"], value["mechanism"]["type"]) == ("RuntimeError", "trainer")
    assert value["stacktrace"]["frames"][0] == {
        "filename": "/x/trainers/sklearn/train.py", "function": "train", "lineno": 3, "context_line": "fit()",
        "in_app": True,
    }  # fmt: skip
    assert KEY not in json.dumps(value)


def test_an_error_that_was_never_raised_arrives_by_its_code(received: Received) -> None:
    assert capture_error_with_context(PlatformError.from_code("UNKNOWN_FAILURE"))
    assert until(lambda: received.events, "an event")[0]["exception"]["values"][0]["type"] == "UNKNOWN_FAILURE"


def test_what_a_server_refuses_is_counted_as_lost(received: Received) -> None:
    before, received.status = lost(), 503
    assert capture_error_with_context(bug())
    until(lambda: lost() == before + 1, "the loss to be counted")


def test_what_waits_is_bounded_and_the_rest_counts_as_lost(received: Received, monkeypatch: pytest.MonkeyPatch) -> None:
    full: Any = sentry.Queue(1)
    full.put(None)
    before = lost()
    with monkeypatch.context() as patch:
        patch.setattr(sentry, "_waiting", full)
        assert capture_error_with_context(bug()) is False
    assert lost() == before + 1


def test_closing_sends_what_waits(received: Received) -> None:
    for _ in range(3):
        assert capture_error_with_context(bug())
    sentry.close_sentry()
    assert len(received.events) == 3
    assert capture_error_with_context(bug()) is False


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


async def asked(headers: dict[str, str]) -> str:
    """One request to an app that meets a bug, measured as the SDK's integration does it; its trace id by `Server-Timing`."""
    from sentry_sdk.integrations.asgi import SentryAsgiMiddleware

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        capture_error_with_context(bug(), component="api")
        await send({"type": "http.response.start", "status": 500, "headers": []})
        await send({"type": "http.response.body"})

    measuring = SentryAsgiMiddleware(TraceMiddleware(app))
    transport = httpx.ASGITransport(app=measuring)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://backend.test") as client:
        answer = await client.get(f"/jobs?token={KEY}", headers=headers)
    return answer.headers["server-timing"].split("-")[1]


async def test_no_request_is_measured_unasked_even_where_its_headers_want_it(
    received: Received,
) -> None:
    import sentry_sdk

    assert sentry_sdk.get_client().options["traces_sample_rate"] is None
    await asked({"sentry-trace": f"{TRACE}-00f067aa0ba902b7-1"})
    sentry.close_sentry()
    assert len(received.events) == 1
    assert received.measured == []


@pytest.mark.parametrize("headers", [{}, {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}], ids=["new", "gone on with"])
async def test_a_request_that_is_measured_has_the_trace_id_of_its_answer_and_of_its_errors_and_no_secret(
    headers: dict[str, str],
) -> None:
    import sentry_sdk

    with receiving(traces=1.0) as received:
        assert sentry_sdk.get_client().options["traces_sample_rate"] == 1.0
        trace_id = await asked(headers)
        sentry.close_sentry()
    (measured,), (event,) = received.measured, received.events
    assert [part["contexts"]["trace"]["trace_id"] for part in (measured, event)] == [trace_id, trace_id]
    assert trace_id == TRACE or not headers
    assert KEY not in json.dumps(measured)
    assert "[redacted]" in json.dumps(measured["request"])


def test_a_share_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        Settings(home=tmp_path, SENTRY_TRACES_SAMPLE_RATE=10)  # type: ignore[call-arg]
    assert Settings(home=tmp_path).sentry_traces_sample_rate == 0
