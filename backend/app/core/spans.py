"""Spans for OpenTelemetry, exported over OTLP where ``OTEL_EXPORTER_OTLP_ENDPOINT`` is set; else nothing of it is loaded.

The framework makes the span of a request; ours are inside it, or inside what a job's request set off. Their trace id is the
one of `core.tracing`: on the answer, on every log line and on the error that the user sees. Spans carry no messages of
exceptions, only codes.
"""

import asyncio
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Thread
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from app.core import tracing
from app.core.errors import PlatformError
from app.core.redact import redact_text

FLUSH_SECONDS = 2.0
"""What a backend that ends waits for a collector to take the last spans."""
SAMPLED = 1
_NOTHING: AbstractContextManager[None] = nullcontext()
_tracer: Any = None


def wanted(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether spans are to be exported, as OpenTelemetry's own variables say."""
    named = environment.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or environment.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    return bool(named) and environment.get("OTEL_SDK_DISABLED", "").lower() != "true"


def active() -> bool:
    """Whether spans are exported."""
    return _tracer is not None


def configure(service: str, version: str, environment_name: str | None) -> bool:
    """Begins to export spans where that is wanted; whether it is. Once a process."""
    if not wanted():
        return False
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    told = {"service.name": os.environ.get("OTEL_SERVICE_NAME") or service, "service.version": version}
    if environment_name:
        told["deployment.environment.name"] = environment_name
    # It would wait half a minute for a collector that hangs when the process ends; `flush` waits 2 s.
    provider = TracerProvider(resource=Resource.create(told), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    use(provider)
    return True


def use(provider: Any) -> None:
    """Makes spans with `provider`, or none any more where it is None."""
    global _tracer  # noqa: PLW0603 - one tracer a process, as in OpenTelemetry itself
    _tracer = None if provider is None else provider.get_tracer("vtp")
    tracing.span_source = None if provider is None else _traceparent


async def flush() -> None:
    """Exports what is left, for at most `FLUSH_SECONDS`."""
    if _tracer is None:
        return
    from opentelemetry import trace

    provider: Any = trace.get_tracer_provider()
    # A daemon: a collector that hangs does not keep the process.
    thread = Thread(target=provider.force_flush, daemon=True, name="last spans")
    thread.start()
    await asyncio.to_thread(thread.join, FLUSH_SECONDS)


def span(name: str, kind: str = "internal", **attributes: Any) -> AbstractContextManager[Any]:
    """A span around a block, inside the one under way; nothing where there is none or none are exported.

    Attributes are named with `_` for the dots of OpenTelemetry's names; `kind` is internal or client.
    """
    return _NOTHING if _tracer is None else _within(name, kind, attributes)


@contextmanager
def _within(name: str, kind: str, attributes: Mapping[str, Any]) -> Iterator[Any]:
    from opentelemetry.trace import SpanKind, StatusCode, get_current_span

    if not get_current_span().get_span_context().is_valid:
        # What the driver does each second for nobody in particular would be a trace of its own.
        yield None
        return
    clean = {key.replace("_", "."): redact_text(str(value)) for key, value in attributes.items() if value is not None}
    with _tracer.start_as_current_span(
        name,
        kind=SpanKind.CLIENT if kind == "client" else SpanKind.INTERNAL,
        attributes=clean,
        record_exception=False,
        set_status_on_exception=False,
    ) as begun:
        try:
            yield begun
        except Exception as error:
            begun.set_attribute("error.type", error.code if isinstance(error, PlatformError) else type(error).__name__)
            begun.set_status(StatusCode.ERROR)
            raise


def _traceparent() -> str | None:
    """The span under way, as W3C trace context."""
    from opentelemetry.trace import get_current_span

    here = get_current_span().get_span_context()
    return f"00-{here.trace_id:032x}-{here.span_id:016x}-{here.trace_flags & SAMPLED:02x}" if here.is_valid else None


def continue_trace(traceparent: str | None) -> None:
    """Goes on, in this task, with what a job's request began; an invalid or missing one changes nothing."""
    given = (traceparent or "").strip().lower()
    trace_id = tracing.trace_id_of(given.encode())
    if trace_id is None:
        return
    tracing.set_trace_id(trace_id)
    if _tracer is None:
        return
    from opentelemetry import context, trace

    _, _, span_id, flags = given.split("-")
    parent = trace.SpanContext(int(trace_id, 16), int(span_id, 16), True, trace.TraceFlags(int(flags, 16) & SAMPLED))  # noqa: FBT003 - it came from elsewhere
    context.attach(trace.set_span_in_context(trace.NonRecordingSpan(parent)))


class SpanTraceMiddleware(tracing.TraceMiddleware):
    """`TraceMiddleware` where spans are exported: the trace is the one of the request's span."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection within the trace of its span."""
        if scope["type"] in ("http", "websocket") and (here := _traceparent()) is not None:
            others = [header for header in scope["headers"] if header[0] != b"traceparent"]
            scope["headers"] = [(b"traceparent", here.encode()), *others]
        await super().__call__(scope, receive, send)
