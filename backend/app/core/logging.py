"""Structured logs: JSON on a server, readable in a terminal; trace id on every line, secrets taken out."""

import logging
import sys
from contextlib import suppress
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

from app.core.redact import redact
from app.core.tracing import get_trace_id

_STACKS = structlog.processors.ExceptionRenderer(
    # structlog's own default shows the local variables of every frame, secrets among them, and takes milliseconds for it.
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False, max_frames=30)
)
_LOGGED, _STACK = "_vtp_logged", "_vtp_stack_logged"


def _add_trace(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event.setdefault("trace_id", get_trace_id())
    return event


def seen_before(error: BaseException) -> bool:
    """Whether an exception, or what it was raised from, has been logged; it counts as logged now."""
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:
        chain.append(current)
        current = current.__cause__ or getattr(current, "original_exception", None)
    known = any(getattr(item, _LOGGED, False) for item in chain)
    for item in chain:
        with suppress(AttributeError):  # one with slots and no room for a mark is logged again
            setattr(item, _LOGGED, True)
    return known


def _once(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Leaves out the stack of an exception that has been logged with one."""
    error = event.get("exc_info")
    if error is True:
        error = sys.exc_info()[1]
    elif isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        # Read later, where another exception may be under way.
        event["exc_info"] = error
        if getattr(error, _STACK, False):
            event["exc_info"] = None
            event["logged_before"] = type(error).__name__
        else:
            with suppress(AttributeError):
                setattr(error, _STACK, True)
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
        _once,
    ]
    last: list[Any]
    if json:
        last = [_STACKS, _redact, structlog.processors.JSONRenderer()]
    else:
        last = [
            structlog.processors.format_exc_info,
            _redact,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ]
    _take_in(shared, last)
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


class _Handler(logging.StreamHandler[Any]):
    """Ours among the handlers of the standard library's root logger."""


def _take_in(shared: list[Any], last: list[Any]) -> None:
    """Has what libraries log (warnings and worse, by the standard library) leave in the same form, without secrets."""
    handler = _Handler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_add_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers = [*(other for other in root.handlers if not isinstance(other, _Handler)), handler]


def _add_name(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event["logger_name"] = event["_record"].name
    return event


def get_logger(name: str) -> Any:
    """A logger that puts `name` on its lines; events are a short text with fields beside it."""
    return structlog.get_logger(logger_name=name)


if not structlog.is_configured():
    # structlog's own default draws the local variables of every frame, secrets among them.
    configure()
