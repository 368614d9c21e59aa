"""Errors on their way to the people on call: one log line each, and Sentry for those that are not the user's.

Names are the design document's. Nothing of Sentry is loaded without a DSN. What goes out is scrubbed twice: by the names of
fields (Sentry's own scrubber, at any depth) and by the form of every text (`core.redact`). A thread of the SDK sends; a
server that is away or hangs costs its events and no time.
"""

import hashlib
import os
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from app.core.errors import ErrorType, PlatformError, UnexpectedError
from app.core.logging import get_logger, seen_before
from app.core.redact import redact
from app.core.tracing import get_trace_id

logger = get_logger(__name__)
LEVELS = {"low": "info", "medium": "warning", "high": "error", "critical": "fatal"}
"""Sentry's level of each severity."""
FINGERPRINT = "e1"
"""Version of the fingerprints made here; failures of trainings bring those of their diagnosis."""
WINDOW_SECONDS = 300.0
"""An expected failure is captured once in this time, for each fingerprint."""
MOST_WINDOWS = 1_000
BUGS = frozenset({"SYSTEM_ERROR", "UNKNOWN_FAILURE"})
"""Captured each time: nobody expects them."""
FLUSH_SECONDS = 2.0
PRODUCTION = "production"
"""Environment of an installation that has no name, as in Sentry itself."""
INNERMOST = 2
_OWN = re.compile(r"[/\\](?:app|trainers)[/\\]")


class Windows:
    """Says whether something is the first of its kind within `seconds`; remembers `most` kinds."""

    def __init__(self, seconds: float = WINDOW_SECONDS, most: int = MOST_WINDOWS) -> None:
        self.seconds, self.most = seconds, most
        self.clock: Callable[[], float] = time.monotonic
        self._last: OrderedDict[str, float] = OrderedDict()

    def first(self, kind: str) -> bool:
        """Whether `kind` was not seen within the time; it counts as seen now."""
        now = self.clock()
        last = self._last.get(kind)
        if last is not None and now - last < self.seconds:
            return False
        self._last[kind] = now
        self._last.move_to_end(kind)
        if len(self._last) > self.most:
            self._last.popitem(last=False)
        return True


windows = Windows()
Listener = Callable[[PlatformError, str, str, str, Mapping[str, Any]], None]
listeners: list[Listener] = []
"""Hear of each reported error: the error, its fingerprint, the component, the trace id, and where it was."""
_on = False


def init_sentry(dsn: str | None = None, environment: str | None = None, release: str | None = None, **options: Any) -> bool:
    """Begins to send to Sentry where there is a DSN; whether it does. Without arguments as the environment says."""
    global _on  # noqa: PLW0603 - the SDK is one a process, too
    dsn = dsn or os.environ.get("SENTRY_DSN")
    if not dsn:
        return False
    import sentry_sdk
    from sentry_sdk import scope
    from sentry_sdk.integrations import Integration, atexit, dedupe, excepthook, fastapi, modules, sqlalchemy, starlette
    from sentry_sdk.integrations import threading as threads
    from sentry_sdk.scrubber import EventScrubber

    answered: set[int] = set()
    """Statuses of exceptions that the SDK would capture by itself: none, for each error comes past `report`."""
    integrations: list[Integration] = [
        fastapi.FastApiIntegration(failed_request_status_codes=answered),
        starlette.StarletteIntegration(failed_request_status_codes=answered),
        sqlalchemy.SqlalchemyIntegration(),
        atexit.AtexitIntegration(callback=lambda _pending, _timeout: None),
        dedupe.DedupeIntegration(),
        excepthook.ExcepthookIntegration(),
        modules.ModulesIntegration(),
        threads.ThreadingIntegration(),
    ]
    sentry_sdk.init(
        dsn=dsn,
        environment=environment or os.environ.get("ENV_NAME") or PRODUCTION,
        release=release or _release(),
        # The SDK's defaults would capture each logged error a second time, and show the command line's arguments.
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=integrations,
        include_local_variables=False,
        max_request_body_size="never",
        send_default_pii=False,
        event_scrubber=EventScrubber(recursive=True),
        before_send=filter_sensitive_data,
        before_breadcrumb=lambda crumb, _hint: redact(crumb),
        shutdown_timeout=FLUSH_SECONDS,
        **options,
    )
    scope.register_external_propagation_context(lambda: (get_trace_id(), get_trace_id()[:16]))
    _on = True
    return True


def close_sentry() -> None:
    """Sends what is left, for at most `FLUSH_SECONDS`, and sends no more."""
    global _on  # noqa: PLW0603
    if not _on:
        return
    import sentry_sdk
    from sentry_sdk import scope

    _on = False
    sentry_sdk.get_client().close(timeout=FLUSH_SECONDS)
    scope.remove_external_propagation_context()


def _release() -> str:
    from importlib.metadata import version

    return f"vtp@{version('vtp')}"


def filter_sensitive_data(event: Any, _hint: Mapping[str, Any] | None = None) -> Any:
    """The event without secrets, at any depth: bodies, headers, addresses, messages, frames, breadcrumbs."""
    return redact(event)


def captures(error: PlatformError, fingerprint: str) -> bool:
    """Whether an error is worth an event: a bug each time, what is expected once in a while, the user's never."""
    if error.error_type is ErrorType.USER_ERROR or error.causer in ("user", "data"):
        return False
    return error.code in BUGS or windows.first(fingerprint)


def fingerprint_of(error: PlatformError, place: str = "") -> str:
    """Names a kind of error: code and place; for a bug, what was raised and the innermost frames of ours instead."""
    parts = [error.code, place]
    if error.code in BUGS:
        cause = error.original_exception or error
        frames = _frames(cause)
        own = [frame for frame in frames if _OWN.search(frame[0])] or frames
        if own:
            parts = [error.code, type(cause).__name__]
            parts += [f"{file.rsplit('/', 1)[-1]}:{function}" for file, function in own[-INNERMOST:]]
    digest = hashlib.sha256("\n".join(parts).encode(errors="replace")).hexdigest()
    return f"{FINGERPRINT}:{digest[:16]}"


def _frames(error: BaseException) -> list[tuple[str, str]]:
    """File and function of each frame that an exception went through, outermost first."""
    found, trace = [], error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        found.append((code.co_filename, code.co_name))
        trace = trace.tb_next
    return found


def report(
    error: BaseException, component: str, what: str = "failed", *, level: str = "error", place: str = "", **where: Any
) -> None:
    """Logs an error in one line, and captures it where it is not the user's. The same exception a second time is nothing.

    `component` names a part of the platform, `what` is the line's text, `place` what groups it besides its code; `where`
    (job_id, attempt, path …) stands on the line and in the event.
    """
    if seen_before(error):
        return
    known = error if isinstance(error, PlatformError) else UnexpectedError(error)
    fingerprint = fingerprint_of(known, place or component)
    # A dependency that is away has no stack worth reading; a bug has.
    stack = error if known.code in BUGS or known.error_type is ErrorType.SYSTEM_ERROR else None
    told = {name: value for name, value in where.items() if value is not None}
    getattr(logger, level)(
        what,
        component=component,
        code=known.code,
        causer=known.causer,
        fingerprint=fingerprint,
        error=known.message,
        **told,
        exc_info=stack,
    )
    capture_error_with_context(known, told, component=component, fingerprint=fingerprint)


def capture_error_with_context(
    error: PlatformError,
    extra: Mapping[str, Any] | None = None,
    *,
    component: str = "backend",
    fingerprint: str | None = None,
    trace_id: str | None = None,
    exceptions: Sequence[Mapping[str, Any]] = (),
    contexts: Mapping[str, Mapping[str, Any]] | None = None,
) -> str | None:
    """Captures an error in Sentry with its context; the event's id, None where it is not worth one or Sentry is off.

    `exceptions` are those of another process, root first: type, message, module, frames (file, line, function, code).
    """
    fingerprint = fingerprint or fingerprint_of(error, component)
    trace_id = trace_id or get_trace_id()
    if listeners:
        _tell_listeners(error, fingerprint, component, trace_id, extra or {})
    if not _on:
        return None
    if not captures(error, fingerprint):
        return None
    import sentry_sdk

    event, hint = _event_of(error, exceptions, component)
    event["level"] = LEVELS[error.severity.value]
    event["fingerprint"] = [fingerprint]
    event["tags"] = {
        "code": error.code,
        "type": error.error_type.value,
        "error_type": error.error_type.value,
        "severity": error.severity.value,
        "causer": error.causer,
        "component": component,
        "trace_id": trace_id,
    }
    event["contexts"] = {
        "error_details": {
            "user_message": error.user_message,
            "suggested_action": error.suggested_action,
            "fingerprint": fingerprint,
            **{str(key): value for key, value in error.context.items()},
        },
        "trace": {"trace_id": trace_id, "span_id": trace_id[:16]},
        **({"additional_context": dict(extra)} if extra else {}),
        **(contexts or {}),
    }
    return sentry_sdk.capture_event(event, hint=hint)


def _tell_listeners(error: PlatformError, fingerprint: str, component: str, trace_id: str, extra: Mapping[str, Any]) -> None:
    # What `contained` keeps in, it reports here.
    from app.core.metrics import contained

    for listener in listeners:
        with contained("error listener"):
            listener(error, fingerprint, component, trace_id, extra)


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
            "in_app": _OWN.search(str(frame.get("file"))) is not None,
        }
        for frame in exception.get("frames") or ()
        if isinstance(frame, Mapping)
    ]
    told = {"type": exception.get("type"), "value": exception.get("message"), "module": exception.get("module")}
    mechanism = {"type": component, "handled": True}
    return {**told, "mechanism": mechanism, **({"stacktrace": {"frames": frames}} if frames else {})}
