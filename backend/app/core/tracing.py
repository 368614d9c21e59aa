"""The id that ties together an answer, its log lines and what they set off (W3C trace context)."""

import re
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from random import getrandbits

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_TRACEPARENT = re.compile(rb"^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}$")
STARTS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})
"""Messages with which an answer begins."""
_trace: ContextVar[str | None] = ContextVar("vtp_trace_id", default=None)
span_source: Callable[[], str | None] | None = None
"""Gives the span under way as a traceparent; set by `core.spans` where spans are exported."""
joined: Callable[[str], None] | None = None
"""Hears of the trace of each connection; set by `core.sentry` where it measures requests, to call them by the same id."""


def new_trace_id() -> str:
    """A fresh id: 32 hexadecimal digits."""
    return f"{getrandbits(128) or 1:032x}"


def get_trace_id() -> str:
    """The id of what is being done now; made where there is none yet."""
    trace_id = _trace.get()
    if trace_id is None:
        trace_id = new_trace_id()
        _trace.set(trace_id)
    return trace_id


def set_trace_id(trace_id: str) -> None:
    """Continues the trace `trace_id` in this context."""
    _trace.set(trace_id)


def current_traceparent() -> str:
    """The traceparent to hand on: the span under way, or the trace with a span id of its own."""
    if span_source is not None and (here := span_source()) is not None:
        return here
    return f"00-{get_trace_id()}-{getrandbits(64) or 1:016x}-01"


def trace_id_of(traceparent: bytes) -> str | None:
    """The trace id of a traceparent header, None where it is not a valid one."""
    match = _TRACEPARENT.match(traceparent.strip().lower())
    return match[1].decode() if match else None


class TraceMiddleware:
    """Takes the caller's trace id or makes one, and says it in ``Server-Timing`` of every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection within a trace."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        trace_id, given = None, b""
        for name, value in scope["headers"]:
            if name == b"traceparent":
                given = value
                break
        if given:
            trace_id = trace_id_of(given)
        fresh = f"{getrandbits(192):048x}"
        trace_id = trace_id or fresh[:32]
        token = _trace.set(trace_id)
        if joined is not None:
            joined(trace_id)
        timing = (b"server-timing", f'trace;desc="00-{trace_id}-{fresh[32:]}-01"'.encode())

        def traced(message: Message) -> Awaitable[None]:
            if message["type"] in STARTS:
                message["headers"] = [*message.get("headers", ()), timing]
            return send(message)

        try:
            await self.app(scope, receive, traced)
        finally:
            _trace.reset(token)
