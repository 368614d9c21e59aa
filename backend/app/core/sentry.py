"""Sentry's SDK: set up, fed and closed here. Nothing of it is loaded without a DSN.

Events are put together and cleaned by a thread of ours, and sent by one of the SDK: a request that meets a bug waits for
neither. Where more come than can be worked off, the rest is dropped and counted, as with a server that is away.
"""

import atexit
import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextvars import Context, copy_context
from queue import Full, Queue
from threading import Thread, current_thread
from typing import Any

from app.core import tracing
from app.core.errors import PlatformError, UnexpectedError
from app.core.redact import redact
from app.core.tracing import get_trace_id

FLUSH_SECONDS = 2.0
PRODUCTION = "production"
"""Environment of an installation that has no name, as in Sentry itself."""
MOST_WAITING = 100
OWN_FRAME = re.compile(r"[/\\](?:app|trainers)[/\\]")
"""Matches the files of ours in a traceback."""
Work = Callable[[], None]
_waiting: Queue[tuple[Context, Work]] = Queue(MOST_WAITING)
_on = False


def _work() -> None:
    # What `contained` keeps in is reported by a module that builds on this one.
    from app.core.metrics import contained

    while True:
        context, work = _waiting.get()
        with contained("sentry"):
            context.run(work)
        _waiting.task_done()


_worker = Thread(target=_work, daemon=True, name="sentry events")


def init_sentry(
    dsn: str | None = None, environment: str | None = None, release: str | None = None, traces: float = 0.0, **options: Any
) -> bool:
    """Begins to send to Sentry where there is a DSN; whether it does. Without arguments as the environment says.

    `traces` is the share of requests whose times are sent, too.
    """
    global _on  # noqa: PLW0603 - the SDK is one a process, too
    dsn = dsn or os.environ.get("SENTRY_DSN")
    if not dsn:
        return False
    import sentry_sdk
    from sentry_sdk import scope
    from sentry_sdk.scrubber import EventScrubber

    chosen: dict[str, Any] = {
        "dsn": dsn,
        "environment": environment or os.environ.get("ENV_NAME") or PRODUCTION,
        "release": release or _release(),
        # The SDK's defaults would capture each logged error a second time, and show the command line's arguments.
        "default_integrations": False,
        "auto_enabling_integrations": False,
        "integrations": _integrations() if "integrations" not in options else (),
        "include_local_variables": False,
        "max_request_body_size": "never",
        "event_scrubber": EventScrubber(recursive=True),
        "before_send": filter_sensitive_data,
        "before_send_transaction": filter_sensitive_data,
        # With 0 the SDK would still measure each request whose headers ask for it; with None it measures none.
        "traces_sample_rate": traces or None,
        "shutdown_timeout": FLUSH_SECONDS,
        "transport": _transport(),
    }
    sentry_sdk.init(**{**chosen, **options})
    scope.register_external_propagation_context(lambda: (get_trace_id(), get_trace_id()[:16]))
    tracing.joined = _join if traces else None
    if not _worker.is_alive():
        _worker.start()
        atexit.register(_drain)
    _on = True
    return True


def _integrations() -> list[Any]:
    from sentry_sdk.integrations import atexit as at_exit
    from sentry_sdk.integrations import dedupe, excepthook, fastapi, modules, sqlalchemy, starlette
    from sentry_sdk.integrations import threading as threads

    # Statuses of exceptions that the SDK would capture by itself: none, for each error comes past `monitoring.report`.
    answered: set[int] = set()
    return [
        fastapi.FastApiIntegration(failed_request_status_codes=answered),
        starlette.StarletteIntegration(failed_request_status_codes=answered),
        sqlalchemy.SqlalchemyIntegration(),
        at_exit.AtexitIntegration(callback=lambda _pending, _timeout: None),
        dedupe.DedupeIntegration(),
        excepthook.ExcepthookIntegration(),
        modules.ModulesIntegration(),
        threads.ThreadingIntegration(),
    ]


def _transport() -> Any:
    """The SDK's way to the server, counting what does not arrive."""
    from sentry_sdk.transport import HttpTransport

    class Counting(HttpTransport):
        def record_lost_event(self, reason: str, data_category: Any = None, item: Any = None, *, quantity: int = 1) -> None:
            if "error" in (data_category, getattr(item, "data_category", None)):
                _count_lost()
            super().record_lost_event(reason, data_category, item, quantity=quantity)

        def on_dropped_event(self, reason: str) -> None:
            if reason == "status_429":  # the one refusal that the SDK does not record
                _count_lost()

    return Counting


def _count_lost() -> None:
    from app.core.metrics import swallowed_total

    swallowed_total.labels(component="sentry").inc()


def close_sentry() -> None:
    """Sends what is left, for at most `FLUSH_SECONDS`, and sends no more."""
    global _on  # noqa: PLW0603
    if not _on:
        return
    import sentry_sdk
    from sentry_sdk import scope

    _on = False
    _drain()
    sentry_sdk.get_client().close(timeout=FLUSH_SECONDS)
    scope.remove_external_propagation_context()
    tracing.joined = None


def _join(trace_id: str) -> None:
    """Calls the request that the SDK measures by the trace id that everything else has of it."""
    import sentry_sdk

    measured = sentry_sdk.get_current_scope().transaction
    if measured is not None:
        measured.trace_id = trace_id


def _release() -> str:
    from importlib.metadata import version

    return f"vtp@{version('vtp')}"


def filter_sensitive_data(event: Any, _hint: Mapping[str, Any] | None = None) -> Any:
    """The event without secrets, at any depth: bodies, headers, addresses, messages, frames, breadcrumbs."""
    return redact(event)


def active() -> bool:
    """Whether events are sent."""
    return _on


def send_later(error: PlatformError, event: dict[str, Any], exceptions: Sequence[Mapping[str, Any]], component: str) -> bool:
    """Sends `event` about `error`, soon; False where too many wait already.

    `exceptions` are those of another process, root first: type, message, module, frames (file, line, function, code).
    """

    def send() -> None:
        import sentry_sdk

        whole, hint = _event_of(error, exceptions, component)
        whole.update(event)
        sentry_sdk.capture_event(whole, hint=hint)

    if current_thread() is _worker:
        # What fails in sending is logged and counted; an event about it would fail in the same way.
        return False
    try:
        _waiting.put_nowait((copy_context(), send))
    except Full:
        _count_lost()
        return False
    return True


def _drain() -> None:
    """Lets the worker put together what waits, for at most `FLUSH_SECONDS`; before the SDK itself is closed."""
    with _waiting.all_tasks_done:
        _waiting.all_tasks_done.wait_for(lambda: not _waiting.unfinished_tasks, FLUSH_SECONDS)


def _event_of(
    error: PlatformError, exceptions: Sequence[Mapping[str, Any]], component: str
) -> tuple[Any, dict[str, Any] | None]:
    """The event's beginning: the exception with its frames, ours or that of another process."""
    if exceptions:
        return {"exception": {"values": [_told(item, component) for item in exceptions]}}, None
    import sentry_sdk
    from sentry_sdk.utils import event_from_exception

    shown = error.original_exception if isinstance(error, UnexpectedError) else None
    shown = shown or error
    if shown.__traceback__ is None:
        value = {"type": error.code, "value": error.message, "mechanism": {"type": component, "handled": True}}
        return {"exception": {"values": [value]}}, None
    mechanism = {"type": component, "handled": True}
    return event_from_exception(shown, sentry_sdk.get_client().options, mechanism)


def _told(exception: Mapping[str, Any], component: str) -> dict[str, Any]:
    frames = [
        {
            "filename": str(frame.get("file")),
            "function": str(frame.get("function")),
            "lineno": frame.get("line"),
            "context_line": frame.get("code"),
            "in_app": OWN_FRAME.search(str(frame.get("file"))) is not None,
        }
        for frame in exception.get("frames") or ()
        if isinstance(frame, Mapping)
    ]
    told = {"type": exception.get("type"), "value": exception.get("message"), "module": exception.get("module")}
    mechanism = {"type": component, "handled": True}
    return {**told, "mechanism": mechanism, **({"stacktrace": {"frames": frames}} if frames else {})}
