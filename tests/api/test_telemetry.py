"""The framework's own telemetry exports no exception past our redaction."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.api.deps import Platform
from tests.conftest import TOKEN
from tests.contract.shape import assert_canonical_error


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> InMemoryLogRecordExporter:
    """What would be sent to a collector."""
    exporter, provider = InMemoryLogRecordExporter(), LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    monkeypatch.setattr("opentelemetry._logs._internal._LOGGER_PROVIDER", provider)
    return exporter


async def test_the_framework_would_export_an_exception(exported: InMemoryLogRecordExporter) -> None:
    """What the next test rules out does happen otherwise."""
    app = FastAPI()

    @app.get("/")
    async def fail() -> None:
        raise ValueError("password=hunter2")

    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://backend.test") as client:
        await client.get("/")
    assert "hunter2" in str([record.log_record.attributes for record in exported.get_finished_logs()])


async def test_ours_exports_none(
    exported: InMemoryLogRecordExporter, client: httpx.AsyncClient, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def page(*_: Any) -> None:
        raise ValueError("password=hunter2")

    monkeypatch.setattr(platform.reader, "page", page)
    assert_canonical_error(await client.get("/api/v1/training-jobs"), 500)
    assert exported.get_finished_logs() == ()


async def test_an_address_with_a_token_gets_into_no_span(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr("opentelemetry.trace._TRACER_PROVIDER", provider)
    await client.get("/api/v1/system/health/live?a=1")
    await client.get(f"/?token={TOKEN}")
    spans = [dict(span.attributes or {}) for span in exporter.get_finished_spans()]
    assert [span["url.query"] for span in spans if "url.query" in span] == ["a=1"]
