"""Where the time of a training process went, for the trace that its job's request began (W3C trace context).

The context comes in the environment (``TRACEPARENT``), and goes on to children of the process in the same way. What began
and ended is written down line by line; the agent sends it where traces are collected. So a training needs no library for
it, and one that was killed has its spans all the same.
"""

import json
import os
import re
import secrets
import time
from pathlib import Path

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
WANTED = "VTP_SPANS"
"""Set by an agent that exports spans."""
MOST = 2_000
"""Spans of one process; the phases of a training with thousands of epochs are not all told."""


class Spans:
    """The span of this process and, inside it, one for each phase. Without an agent that wants them, nothing is done."""

    def __init__(self, folder: Path) -> None:
        given = _TRACEPARENT.fullmatch(os.environ.get("TRACEPARENT", ""))
        self._file = None
        self._phase: str | None = None
        self._count = 0
        if given is None or not os.environ.get(WANTED) or os.environ.get("RANK", "0") != "0":
            return
        target = folder / "spans.jsonl"
        self._file = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._process = self._begin("training process", given[2])
        os.environ["TRACEPARENT"] = f"00-{given[1]}-{self._process}-{given[3]}"

    def _write(self, **line: object) -> None:
        if self._file is None:
            return
        try:
            os.write(self._file, (json.dumps({**line, "at": time.time_ns()}) + "\n").encode())
        except OSError:
            # A full disk: the trace ends here; the failure itself is told by others.
            self._file = None

    def _begin(self, name: str, parent: str) -> str:
        span = secrets.token_hex(8)
        self._count += 1
        self._write(span=span, parent=parent, name=name)
        return span

    def phase(self, name: str) -> None:
        """The training has entered a phase."""
        if self._file is None or self._count >= MOST:
            return
        if self._phase is not None:
            self._write(span=self._phase)
        self._phase = self._begin(name, self._process)

    def end(self, error: str | None = None) -> None:
        """The process is about to end; `error` is the type of what ended it."""
        if self._file is None:
            return
        if self._phase is not None:
            self._write(span=self._phase, error=error)
        self._write(span=self._process, error=error)
