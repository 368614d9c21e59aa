"""Prometheus metrics of trainings and of the platform's standing. Label values are bounded, as everywhere."""

from threading import Lock

from prometheus_client import Counter, Gauge, Histogram

from app.core.error_messages import REGISTRY

MOST_FRAMEWORKS = 20
"""Frameworks that get a label value of their own; agents name them, so they could be any number."""
ACTIONS = ("retry", "repair", "elsewhere", "fail", "none")
"""What can be done about a failed attempt."""
CAUSERS = frozenset(row.causer for row in REGISTRY.values())

jobs_ended = Counter(
    "training_jobs_total",
    "Jobs that ended, by outcome and, where they failed, whose fault it was",
    ["outcome", "causer", "framework"],
)
attempts_ended = Counter(
    "training_attempts_total",
    "Attempts that ended, by outcome and, where they failed, whose fault it was",
    ["outcome", "causer", "framework"],
)
attempt_failures = Counter(
    "training_attempt_failures_total", "Attempts that failed, by code and by what is done about it", ["error_code", "action"]
)
recoveries = Counter(
    "training_recoveries_total", "Attempts after a failure, by what was done and how they ended", ["action", "outcome"]
)
compute_seconds = Counter(
    "training_compute_seconds_total",
    "Compute time of attempts, by how they ended and whose fault it was",
    ["outcome", "causer"],
)
lost_epochs = Counter("training_lost_epochs_total", "Finished epochs that a failure cost, by whose fault it was", ["causer"])
queue_seconds = Histogram(
    "training_queue_seconds",
    "From a job's creation to its first attempt",
    buckets=(0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600),
)
retry_wait_seconds = Histogram(
    "training_retry_wait_seconds",
    "From the end of a failed attempt to the next one",
    buckets=(0.5, 1, 5, 15, 30, 60, 120, 300, 900, 3600),
)
detection_seconds = Histogram(
    "training_detection_seconds",
    "From the last sign of life of a failed attempt to the notice of its end",
    ["how"],
    buckets=(0.1, 0.5, 1, 2, 5, 10, 20, 35, 60, 120, 600, 1800),
)
verdict_seconds = Histogram(
    "training_verdict_seconds",
    "From the notice of a failed attempt's end to its verdict",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 35, 60, 600),
)
callback_lag_seconds = Histogram(
    "training_callback_lag_seconds",
    "From the moment something happened in a training to its arrival here",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2, 5, 15, 60, 300, 3600),
)
api_requests = Counter("api_requests_total", "Answered requests by class of status", ["status_class"])

open_jobs = Gauge("platform_open_jobs", "Jobs that have not ended, by status", ["status"])
oldest_queued_seconds = Gauge("platform_oldest_queued_seconds", "How long the oldest queued job has been waiting")
agents = Gauge("platform_agents", "Agents seen in the last day, by state", ["state"])
disk_free_ratio = Gauge("platform_disk_free_ratio", "Free part of the disk with the least of it left", ["place"])
disk_free_bytes = Gauge("platform_disk_free_bytes", "Free bytes of the disk with the least of them left", ["place"])
watchers = Gauge("platform_watchers", "WebSockets that watch a job")
tracker_gap_seconds = Gauge("platform_tracker_gap_seconds", "For how long MLflow has been missing figures of trainings")
database_up = Gauge("platform_database_up", "Whether the database answered when the figures were read")

_frameworks: set[str] = set()
_lock = Lock()


_of_class = {number: api_requests.labels(status_class=f"{number}xx") for number in range(1, 6)}


def answered(status: int) -> None:
    """Counts an answered request; status 0 is none."""
    child = _of_class.get(status // 100)
    if child is not None:
        child.inc()


for _code in REGISTRY:
    for _action in ACTIONS:
        attempt_failures.labels(error_code=_code, action=_action)


def framework_label(name: str) -> str:
    """`name` as a label value, its counts begun at 0; beyond the first so many, all are ``other``."""
    with _lock:
        if name not in _frameworks:
            name = name if len(_frameworks) < MOST_FRAMEWORKS else "other"
            if name not in _frameworks:
                _frameworks.add(name)
                for outcome, causer in (("succeeded", ""), ("cancelled", ""), *(("failed", causer) for causer in CAUSERS)):
                    jobs_ended.labels(outcome=outcome, causer=causer, framework=name)
    return name


def causer_label(code: str | None) -> str:
    """Whose fault a code is, as a label value; empty where nothing failed."""
    if code is None:
        return ""
    row = REGISTRY.get(code)
    return row.causer if row else "unknown"
