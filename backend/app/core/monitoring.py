"""Errors on their way to the people on call: one log line each, and Sentry for those that are not the user's.

Names are the design document's. Nothing of Sentry is loaded without a DSN. What goes out is scrubbed twice: by the names of
fields (Sentry's own scrubber, at any depth) and by the form of every text (`core.redact`). Threads make and send the events;
a server that is away or hangs costs its events and no time.
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from app.core import sentry
from app.core.errors import ErrorType, PlatformError, UnexpectedError
from app.core.logging import get_logger, seen_before
from app.core.sentry import close_sentry, filter_sensitive_data, init_sentry
from app.core.tracing import get_trace_id

__all__ = [
    "capture_error_with_context",
    "captures",
    "close_sentry",
    "filter_sensitive_data",
    "fingerprint_of",
    "init_sentry",
    "report",
]
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
INNERMOST = 2


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
        own = [frame for frame in frames if sentry.OWN_FRAME.search(frame[0])] or frames
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
) -> bool:
    """Captures an error in Sentry with its context; False where it is not worth an event, or Sentry is off.

    `exceptions` are those of another process, root first: type, message, module, frames (file, line, function, code).
    """
    fingerprint = fingerprint or fingerprint_of(error, component)
    trace_id = trace_id or get_trace_id()
    if listeners:
        _tell_listeners(error, fingerprint, component, trace_id, extra or {})
    if not sentry.active() or not captures(error, fingerprint):
        return False
    event: dict[str, Any] = {}
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
    return sentry.send_later(error, event, exceptions, component)


def _tell_listeners(error: PlatformError, fingerprint: str, component: str, trace_id: str, extra: Mapping[str, Any]) -> None:
    # What `contained` keeps in, it reports here.
    from app.core.metrics import contained

    for listener in listeners:
        with contained("error listener"):
            listener(error, fingerprint, component, trace_id, extra)
