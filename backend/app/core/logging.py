"""Structured logs: JSON on a server, readable in a terminal; trace id on every line, secrets taken out."""

import logging
import sys
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

from app.core.redact import redact
from app.core.tracing import get_trace_id


def _add_trace(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event.setdefault("trace_id", get_trace_id())
    return event


def _redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    cleaned: EventDict = redact(event)
    return cleaned


def configure(*, json: bool = False, level: str = "INFO") -> None:
    """Sets up logging for the process; lines go to stderr."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_trace,
    ]
    last: list[Any]
    if json:
        last = [structlog.processors.dict_tracebacks, _redact, structlog.processors.JSONRenderer()]
    else:
        last = [
            structlog.processors.format_exc_info,
            _redact,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def get_logger(name: str) -> Any:
    """A logger that puts `name` on its lines; events are a short text with fields beside it."""
    return structlog.get_logger(logger_name=name)


if not structlog.is_configured():
    # structlog's own default draws the local variables of every frame, secrets among them.
    configure()
