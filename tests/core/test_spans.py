"""Spans: none and nothing loaded where no collector is named, else inside what is under way, with its trace id."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from app.core import responses, spans, tracing
from app.core.errors import PlatformError
from app.core.spans import continue_trace, flush, span, wanted

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """What a collector would get."""
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr("opentelemetry.trace._TRACER_PROVIDER", provider)
    spans.use(provider)
    yield exporter
    spans.use(None)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_SDK_DISABLED": "True"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
    ],
)
def test_spans_are_exported_where_a_collector_is_named(environment: dict[str, str], expected: bool) -> None:
    assert wanted(environment) is expected


def test_without_a_collector_nothing_is_loaded_and_nothing_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    assert spans.configure("vtp-backend", "1", None) is False
    assert not spans.active()
    code = "import sys; from app.core import spans; spans.configure('a', '1', None); print('opentelemetry' in sys.modules)"
    path = {**os.environ, "PYTHONPATH": str(Path(spans.__file__).parents[2])}
    path.pop("OTEL_EXPORTER_OTLP_ENDPOINT", None)
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=path, check=True)
    assert told.stdout.strip() == "False"


def test_a_span_that_is_not_exported_costs_nanoseconds() -> None:
    began = time.perf_counter()
    for _ in range(10_000):
        with span("x", "client", a=1):
            pass
    each = (time.perf_counter() - began) / 10_000 * 1e9
    print(f"{each:.0f} ns a span that is off")
    assert each < 5_000


async def test_a_span_of_nobodys_request_is_not_made(exported: InMemorySpanExporter) -> None:
    with span("alone") as made:
        assert made is None
    await flush()
    assert exported.get_finished_spans() == ()


async def test_work_goes_on_in_the_trace_of_the_job_that_it_is_for(exported: InMemorySpanExporter) -> None:
    continue_trace(PARENT)
    assert tracing.get_trace_id() == TRACE
    with span("outer", vtp_job="J-1", nothing=None):
        handed_on = tracing.current_traceparent()
        with span("inner", "client", url_full="http://u:pw@host/x"):
            pass
    inner, outer = exported.get_finished_spans()
    assert [f"{one.context.trace_id:032x}" for one in (inner, outer)] == [TRACE, TRACE]
    assert f"{outer.parent.span_id:016x}" == "00f067aa0ba902b7"
    assert inner.parent.span_id == outer.context.span_id
    assert handed_on == f"00-{TRACE}-{outer.context.span_id:016x}-01"
    assert dict(outer.attributes) == {"vtp.job": "J-1"}
    assert "pw" not in inner.attributes["url.full"]


async def test_a_span_that_fails_tells_the_code_and_never_the_message(exported: InMemorySpanExporter) -> None:
    continue_trace(PARENT)
    with pytest.raises(PlatformError), span("one"):
        raise PlatformError.from_code("STORAGE_ERROR", {"details": "password=hunter2"})
    with pytest.raises(ValueError, match="hunter2"), span("two"):
        raise ValueError("hunter2")
    one, two = exported.get_finished_spans()
    assert [one.attributes["error.type"], two.attributes["error.type"]] == ["STORAGE_ERROR", "ValueError"]
    assert one.status.status_code is two.status.status_code is StatusCode.ERROR
    assert "hunter2" not in str([one.to_json(), two.to_json()])


def test_a_wrong_traceparent_changes_nothing() -> None:
    before = tracing.get_trace_id()
    for wrong in (None, "", "nonsense", "00-zz-11-01"):
        continue_trace(wrong)
    assert tracing.get_trace_id() == before


def test_without_a_collector_the_trace_id_goes_on_all_the_same() -> None:
    continue_trace(PARENT)
    assert tracing.get_trace_id() == TRACE
    assert tracing.current_traceparent().startswith(f"00-{TRACE}-")


async def asked(app: FastAPI, headers: dict[str, str]) -> httpx.Response:
    """The answer of an application to one request."""
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://backend.test") as client:
        return await client.get("/x", headers=headers)


@pytest.mark.parametrize("headers", [{}, {"traceparent": PARENT}])
async def test_the_trace_that_an_answer_tells_is_the_one_of_its_span(
    exported: InMemorySpanExporter, headers: dict[str, str]
) -> None:
    app = FastAPI(telemetry={"logs": False})
    inside: list[Any] = []

    @app.get("/x")
    async def endpoint() -> None:
        inside.append(tracing.get_trace_id())
        raise PlatformError.from_code("DATABASE_ERROR")

    responses.install(app, trace=False)
    app.add_middleware(spans.SpanTraceMiddleware)
    answer = await asked(app, headers)
    made = {f"{one.context.trace_id:032x}" for one in exported.get_finished_spans()}
    assert made == {answer.json()["error"]["trace_id"]} == set(inside)
    assert answer.headers["server-timing"].split("-")[1] in made
    assert (TRACE in made) is bool(headers)


async def test_a_collector_that_hangs_delays_no_span_and_the_end_by_two_seconds_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        exporter = OTLPSpanExporter(endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}/v1/traces")
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=60_000))
        monkeypatch.setattr("opentelemetry.trace._TRACER_PROVIDER", provider)
        monkeypatch.setattr(spans, "FLUSH_SECONDS", 0.2)
        spans.use(provider)
        try:
            continue_trace(PARENT)
            began = time.perf_counter()
            for _ in range(100):
                with span("x"):
                    pass
            each = (time.perf_counter() - began) / 100
            began = time.perf_counter()
            await flush()
            waited = time.perf_counter() - began
        finally:
            spans.use(None)
        silent.close()
    print(f"{each * 1e6:.0f} µs a span, waited {waited:.2f} s at the end")
    assert each < 0.005
    assert waited < 2
    exporter.shutdown()
