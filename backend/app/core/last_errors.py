"""The last failure of each dependency that this process met, for the list of dependencies. One each, so it cannot grow."""

from collections.abc import Iterator
from dataclasses import dataclass
from time import time

from app.core.classify import classify
from app.core.errors import CircuitOpenError, PlatformError
from app.core.tracing import get_trace_id

MOST = 32
"""Dependencies that are remembered; there are fewer."""
VAGUE = frozenset({"SYSTEM_ERROR", "UNKNOWN_FAILURE", "INVALID_CONFIG", "VALIDATION_FAILED"})
"""Say nothing of a dependency; the latter two speak of trainings."""
DEEPEST = 8
_last: dict[str, "LastError"] = {}


@dataclass(frozen=True, slots=True)
class LastError:
    """A failure of a dependency: the code that users see, the code of what lies beneath where that says more, the time in
    seconds since 1970, and the trace that it belongs to."""

    code: str
    beneath: str | None
    at: float
    trace_id: str


def note(dependency: str, error: PlatformError) -> None:
    """Remembers `error` as the dependency's last; a call that its breaker refused is no failure of its own."""
    chain = list(_chain(error))
    if any(isinstance(link, CircuitOpenError) for link in chain) or (dependency not in _last and len(_last) >= MOST):
        return
    codes = [code for code in (classify(link).code for link in chain[1:]) if code not in VAGUE and code != error.code]
    _last[dependency] = LastError(error.code, codes[-1] if codes else None, time(), get_trace_id())


def last(dependency: str) -> LastError | None:
    """The dependency's last failure; None where it had none since this process began."""
    return _last.get(dependency)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and what it was made of, outermost first."""
    link: BaseException | None = error
    for _ in range(DEEPEST):
        if link is None:
            return
        yield link
        link = link.__cause__ or getattr(link, "original_exception", None)
