"""Failures of the agent itself, kept until the backend was told of them: it reports them where those of trainings go."""

import traceback
from collections import deque
from typing import Any

from trainers.agent.outbox import Key

MOST, MOST_FRAMES, LONGEST = 20, 20, 2000


class Problems:
    """The newest failures that were not told yet."""

    def __init__(self) -> None:
        self._waiting: deque[dict[str, Any]] = deque(maxlen=MOST)

    def note(self, error: Exception, key: Key | None = None) -> None:
        """Keeps a failure, and the attempt that it concerns."""
        frames = [
            {"file": frame.filename, "line": frame.lineno, "function": frame.name, "code": frame.line}
            for frame in traceback.extract_tb(error.__traceback__)[-MOST_FRAMES:]
        ]
        about = {"job_id": key[0], "attempt": key[1]} if key is not None else {}
        kind = type(error)
        said = {"type": kind.__name__, "module": kind.__module__, "message": str(error)[:LONGEST]}
        self._waiting.append({**said, "frames": frames, **about})

    def waiting(self) -> list[dict[str, Any]]:
        """What has to be told, oldest first."""
        return list(self._waiting)

    def told(self, problems: list[dict[str, Any]]) -> None:
        """Forgets what was told; what came in since stays."""
        for problem in problems:
            if self._waiting and self._waiting[0] is problem:
                self._waiting.popleft()
