"""How long an MLflow server asks to be left alone. MLflow's client tells nobody: its exceptions are without the answer."""

from contextvars import ContextVar
from typing import Any

from app.core.retry_after import wait_asked

asked: ContextVar[list[float] | None] = ContextVar("asked", default=None)
"""Gets the seconds that were asked for while a call was under way."""


def note_waits() -> None:
    """Has MLflow's client note them, in what keeps count of its tries: there the answer is still known."""
    from mlflow.utils import request_utils

    if not hasattr(request_utils.Retry, "notes_waits"):
        request_utils.Retry = _noting(request_utils.Retry)
        # Connections that somebody in this process made before count their tries the old way.
        request_utils._cached_get_request_session.cache_clear()  # noqa: SLF001 - there is no public way


def _noting(base: Any) -> Any:
    class Noting(base):  # type: ignore[misc]
        notes_waits = True

        def increment(self, *args: Any, response: Any = None, **more: Any) -> Any:
            """Counts one try, whose answer was not as it should be."""
            wait = None if response is None else wait_asked({k.lower(): v for k, v in response.headers.items()})
            noted = asked.get()
            if wait is not None and noted is not None:
                noted.append(wait)
            return super().increment(*args, response=response, **more)

    return Noting
