"""The agent's part of a job's trace, and that of its training processes; exported where OpenTelemetry's variables say so.

Without ``OTEL_EXPORTER_OTLP_ENDPOINT`` nothing is loaded; the trace id is handed on all the same.
"""

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.metadata import version
from pathlib import Path
from threading import Thread
from typing import Any

SAMPLED, NOT_SAMPLED = "01", "00"
_here: ContextVar[str] = ContextVar("vtp_traceparent", default="")
_tracers: dict[str, Any] = {}
_processors: list[Any] = []
FLUSH_SECONDS = 2.0
_next_id: ContextVar[int] = ContextVar("vtp_next_span_id", default=0)


def configure() -> None:
    """Begins to export spans where that is wanted."""
    named = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    if not named or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class Ids(RandomIdGenerator):
        """A span that a training process has named keeps its id."""

        def generate_span_id(self) -> int:
            return _next_id.get() or super().generate_span_id()

    processor = BatchSpanProcessor(OTLPSpanExporter())
    _processors.append(processor)
    environment = {"deployment.environment.name": name} if (name := os.environ.get("ENV_NAME")) else {}
    for service in ("vtp-agent", "vtp-trainer"):
        told = {"service.name": service, "service.version": version("vtp"), **environment}
        provider = TracerProvider(resource=Resource.create(told), id_generator=Ids(), shutdown_on_exit=False)
        provider.add_span_processor(processor)
        _tracers[service] = provider.get_tracer("vtp")


def flush() -> None:
    """Exports what is left, for at most `FLUSH_SECONDS`: a collector that hangs does not keep the agent."""
    for processor in _processors:
        thread = Thread(target=processor.force_flush, daemon=True, name="last spans")
        thread.start()
        thread.join(FLUSH_SECONDS)


def active() -> bool:
    """Whether spans are exported."""
    return bool(_tracers)


def traceparent(*, sampled: bool = True) -> str:
    """What to hand on to the backend or a training; empty where no trace is under way. Not `sampled`: the trace goes on,
    but is not to be recorded there (what is told twice a second would fill it)."""
    here = _here.get()
    return here if sampled or not here else here[:-2] + NOT_SAMPLED


def _context(parent: str) -> Any:
    from opentelemetry import trace

    _, trace_id, span_id, flags = parent.split("-")
    given = trace.SpanContext(int(trace_id, 16), int(span_id, 16), True, trace.TraceFlags(int(flags, 16) & 1))  # noqa: FBT003 - it came from elsewhere
    return trace.set_span_in_context(trace.NonRecordingSpan(given))


@contextmanager
def span(name: str, parent: str | None = None, attributes: Mapping[str, str | int] | None = None) -> Iterator[None]:
    """A span around a block, inside `parent` (a traceparent) or the one under way."""
    given = _here.get() if parent is None else parent
    if not _tracers or given.count("-") != 3:
        token = _here.set(given)
        try:
            yield
        finally:
            _here.reset(token)
        return
    from opentelemetry.trace import StatusCode

    begun = _tracers["vtp-agent"].start_span(name, context=_context(given), attributes=attributes)
    made = begun.get_span_context()
    token = _here.set(f"00-{made.trace_id:032x}-{made.span_id:016x}-{made.trace_flags & 1:02x}")
    try:
        yield
    except Exception as error:
        begun.set_attribute("error.type", type(error).__name__)
        begun.set_status(StatusCode.ERROR)
        raise
    finally:
        _here.reset(token)
        begun.end()


def export_process(folder: Path, ending: dict[str, Any], attributes: dict[str, Any]) -> None:
    """Exports what a training process wrote of itself; what it had begun when it was killed ends now, and failed."""
    if not _tracers:
        return
    failed = f"signal {ending['signal']}" if ending.get("signal") else None
    begun: dict[str, dict[str, Any]] = {}
    ends: dict[str, dict[str, Any]] = {}
    for line in _lines(folder / "spans.jsonl"):
        (begun if "name" in line else ends)[line["span"]] = line
    now = time.time_ns()
    for span_id, line in begun.items():
        end = ends.get(span_id, {"at": now, "error": failed or "unfinished"})
        _export(line, span_id, end, attributes if line["name"] == "training process" else {})


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return  # killed before it had begun, or of an earlier version
    for line in lines:
        try:
            yield json.loads(line)
        except ValueError:
            continue  # cut off by a full disk


def _export(line: dict[str, Any], span_id: str, end: dict[str, Any], attributes: dict[str, Any]) -> None:
    from opentelemetry.trace import StatusCode

    here = _here.get()
    parent = f"{here[:36]}{line['parent']}{here[52:]}"
    token = _next_id.set(int(span_id, 16))
    try:
        made = _tracers["vtp-trainer"].start_span(
            line["name"], context=_context(parent), start_time=line["at"], attributes=attributes
        )
    finally:
        _next_id.reset(token)
    if end.get("error"):
        made.set_attribute("error.type", end["error"])
        made.set_status(StatusCode.ERROR)
    made.end(end["at"])
