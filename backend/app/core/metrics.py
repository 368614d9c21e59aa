"""Prometheus metrics of errors. Label values are bounded: codes by the registry, endpoints by route templates."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from threading import Lock

from prometheus_client import REGISTRY as METRICS
from prometheus_client import Counter, Histogram, Metric
from prometheus_client.registry import Collector

from app.core import last_errors
from app.core.error_messages import REGISTRY
from app.core.errors import PlatformError
from app.core.monitoring import report

MOST_ANSWERS = 1000
"""Noted error answers at which the metrics are brought up to date even if nobody reads them."""
TIMED = 8
"""Of so many noted answers of one kind one is timed, the first at least: a burst needs no more for its distribution."""
_Labels = tuple[str, str, str, int, str | None, str]
_answers: list[tuple[_Labels, float]] = []
_settling = Lock()


class _Settle(Collector):
    """Is asked before all metrics of this module, being registered before them."""

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        settle()
        return ()


METRICS.register(_Settle())
errors_total = Counter("platform_errors_total", "Total errors by type and severity", ["error_type", "severity", "component"])
training_job_failures = Counter(
    "training_job_failures_total", "Training job failures by error code", ["error_code", "framework"]
)
api_errors = Counter("api_errors_total", "API errors by status code and endpoint", ["status_code", "endpoint", "method"])
error_handling_latency = Histogram(
    "error_handling_seconds",
    "Time spent handling errors",
    ["error_type"],
    buckets=(0.00001, 0.00002, 0.00005, 0.0001, 0.0005, 0.001, 0.01, 0.1),
)
retries_total = Counter("platform_retries_total", "Calls tried again, by dependency and outcome", ["dependency", "outcome"])
retry_budget_refusals_total = Counter(
    "platform_retry_budget_refusals_total", "Retries that the dependency's retry budget refused", ["dependency"]
)
breaker_changes_total = Counter(
    "platform_breaker_changes_total", "Circuit breakers' changes of state", ["dependency", "state"]
)
swallowed_total = Counter("platform_errors_contained_total", "Errors that were kept from doing harm", ["component"])
FAILED_PART = {
    "DATABASE_ERROR": "database",
    "STORAGE_ERROR": "storage",
    "TRAINER_UNREACHABLE": "trainer",
    "MLFLOW_UNAVAILABLE": "mlflow",
    "TEMPORAL_ERROR": "temporal",
    "LLM_UNAVAILABLE": "llm",
}
"""The component of errors whose code names the part that failed, wherever they are handled."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "WEBSOCKET"})


def track_error(error: PlatformError, component: str) -> None:
    """Counts an error where it is handled; `component` names a part of the platform, never data."""
    component = _part_of(error) or component
    _errors(error.error_type._value_, error.severity._value_, component).inc()


def track_api_error(status: int, endpoint: str | None, method: str) -> None:
    """Counts an error answer; `endpoint` is the route's template, None where no route matched."""
    _api_errors(status, endpoint or "unmatched", method if method in METHODS else "OTHER").inc()


def track_answer(
    error: PlatformError, component: str, status: int, endpoint: str | None, method: str, seconds: float
) -> None:
    """Counts an error and its answer, and notes how long both took: all that one error answer adds to the metrics.

    They show it when they are read: an answer under way need not wait for three counters.
    """
    component = _part_of(error) or component
    labels = (error.error_type._value_, error.severity._value_, component, status, endpoint, method)
    _answers.append((labels, seconds))
    if len(_answers) >= MOST_ANSWERS:
        settle()


def _part_of(error: PlatformError) -> str | None:
    """The part that an error's code names, which remembers it as its last; None for the others."""
    part = FAILED_PART.get(error.code)
    if part is not None:
        last_errors.note(part, error)
    return part


def settle() -> None:
    """Brings the answers noted since into the metrics; done whenever these are read."""
    with _settling:
        noted = _answers[:]
        # Only what was taken: another thread may have noted more.
        del _answers[: len(noted)]
    taken: dict[_Labels, list[float]] = {}
    for labels, seconds in noted:
        taken.setdefault(labels, []).append(seconds)
    for labels, times in taken.items():
        of_kind, answers, latency = _of_answer(*labels)
        of_kind.inc(len(times))
        answers.inc(len(times))
        for seconds in times[::TIMED]:
            latency.observe(seconds)


# Children are looked up once: `labels` costs more than counting does.
@lru_cache(maxsize=1024)
def _errors(kind: str, severity: str, component: str) -> Counter:
    return errors_total.labels(error_type=kind, severity=severity, component=component)


@lru_cache(maxsize=4096)
def _api_errors(status: int, endpoint: str, method: str) -> Counter:
    return api_errors.labels(status_code=str(status), endpoint=endpoint, method=method)


@lru_cache(maxsize=4096)
def _of_answer(
    kind: str, severity: str, component: str, status: int, endpoint: str | None, method: str
) -> tuple[Counter, Counter, Histogram]:
    answers = _api_errors(status, endpoint or "unmatched", method if method in METHODS else "OTHER")
    return _errors(kind, severity, component), answers, error_handling_latency.labels(error_type=kind)


# A series that appears with its first error looks flat to Prometheus, which sees growth: those of the alerts begin at 0.
for _row in REGISTRY.values():
    if _row.severity == "critical" or _row.code in FAILED_PART:
        for _component in {FAILED_PART.get(_row.code, "api"), "api", "driver"}:
            _errors(_row.type, _row.severity, _component)


def expect_answers(routes: Iterable[tuple[str, str]]) -> None:
    """Begins at 0 to count the answers 500 of `routes` (template, method)."""
    for endpoint, method in routes:
        if method in METHODS:
            _api_errors(500, endpoint, method)


def code_label(code: str) -> str:
    """`code` as a label value: itself where the registry knows it, else UNKNOWN_FAILURE."""
    return code if code in REGISTRY else "UNKNOWN_FAILURE"


@lru_cache(maxsize=1024)
def retries_of(dependency: str, outcome: str) -> Counter:
    """The counter of one dependency's calls that were tried again, or given up, for a reason."""
    return retries_total.labels(dependency=dependency, outcome=outcome)


@contextmanager
def contained(component: str) -> Iterator[None]:
    """A boundary that an error does not cross: it is logged and counted, and work goes on."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - this is the boundary
        swallowed_total.labels(component=component).inc()
        report(error, component, "contained")
