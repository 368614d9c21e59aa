"""Failures that the page tells of itself: bounded in number and length, freed of secrets, grouped like all others."""

import hashlib
import re
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from app.core.errors import PlatformError, UnexpectedError
from app.core.redact import redact_text
from app.core.responses import public
from app.core.tracing import get_trace_id
from app.db.repositories.errors import Seen
from app.db.session import utcnow
from app.diagnosis.fingerprint import normal
from app.schemas.tracking import PageReport
from app.services.callers import Caller
from app.services.occurrences import Occurrences

VERSION = "p1"
"""Of the fingerprints of the page's failures."""
A_MINUTE = 30
"""Reports that are taken of one person in a minute; a page in a loop has said it by then."""
KINDS_AN_HOUR = 200
"""Different kinds of one person in an hour; further ones go into one group."""
_FRAME = re.compile(r"(?:at (\S+) \(|^(\S*)@|at )\S*?/?([\w.-]+?)(?:-[\w-]{8})?\.(?:js|tsx?|mjs)\b", re.MULTILINE)
FRAMES = 3


def frames(stack: str) -> list[str]:
    """The innermost places of a browser's stack, without line numbers and without the hash in a file's name."""
    return [f"{match[3]}:{match[1] or match[2] or ''}" for match in _FRAME.finditer(stack)][:FRAMES]


def _fingerprint(*parts: str) -> str:
    return f"{VERSION}:{hashlib.sha256(chr(10).join(parts).encode(errors='replace')).hexdigest()[:16]}"


class PageReports:
    """Takes reports of the page in."""

    def __init__(self, occurrences: Occurrences, clock: Callable[[], datetime] = utcnow) -> None:
        self.occurrences = occurrences
        self.clock = clock
        self._lately: dict[str, deque[datetime]] = {}
        self._kinds: dict[str, tuple[datetime, set[str]]] = {}

    def take(self, report: PageReport, caller: Caller) -> dict[str, Any]:
        """Remembers a failure of the page.

        Raises:
            PlatformError: RATE_LIMITED.
        """
        now = self.clock()
        self._limit(caller.name, now)
        told = {
            key: redact_text(value) if isinstance(value, str) else value
            for key, value in report.model_dump().items()
            if value is not None
        }
        trace_id = report.trace_id or get_trace_id()
        fingerprint = _fingerprint(report.name, normal(told["message"]), *frames(told.get("stack", "")))
        fingerprint = self._bounded(fingerprint, caller.name, now)
        line = f"{told['name']}: {told['message']}".split("\n", 1)[0][:200]
        error = public(UnexpectedError(RuntimeError(line)), trace_id=trace_id)
        path = (told.get("path") or "").partition("?")[0][:200] or None
        self.occurrences.add(
            Seen(
                fingerprint=fingerprint,
                source="page",
                code=error["code"],
                title=line,
                at=now,
                error={**error, "report": {**told, "path": path}},
                trace_id=trace_id,
                user_name=caller.name,
                entity=told.get("component"),
                endpoint=path,
            )
        )
        return {"trace_id": trace_id, "fingerprint": fingerprint}

    def _limit(self, name: str, now: datetime) -> None:
        times = self._lately.setdefault(name, deque())
        while times and now - times[0] >= timedelta(minutes=1):
            times.popleft()
        if len(times) >= A_MINUTE:
            wait = 60 - (now - times[0]).total_seconds()
            details = {"retry_after": max(1, round(wait)), "limit": A_MINUTE, "policy": "reports"}
            raise PlatformError.from_code("RATE_LIMITED", details)
        times.append(now)

    def _bounded(self, fingerprint: str, name: str, now: datetime) -> str:
        """The fingerprint, or that of the rest where one person has told of too many kinds."""
        since, kinds = self._kinds.get(name, (now, set()))
        if now - since >= timedelta(hours=1):
            since, kinds = now, set()
        self._kinds[name] = (since, kinds)
        if fingerprint not in kinds and len(kinds) >= KINDS_AN_HOUR:
            return _fingerprint("too many kinds")
        kinds.add(fingerprint)
        return fingerprint
