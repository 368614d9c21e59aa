"""Prometheus metrics of errors. Label values are bounded: codes by the registry, endpoints by route templates."""

from prometheus_client import Counter, Histogram

from app.core.error_messages import REGISTRY
from app.core.errors import PlatformError

errors_total = Counter("platform_errors_total", "Total errors by type and severity", ["error_type", "severity", "component"])
_job_failures = Counter("training_job_failures_total", "Training job failures by error code", ["error_code", "framework"])
training_job_failures = _job_failures
api_errors = Counter("api_errors_total", "API errors by status code and endpoint", ["status_code", "endpoint", "method"])
error_handling_latency = Histogram("error_handling_seconds", "Time spent handling errors", ["error_type"])
retries_total = Counter("platform_retries_total", "Calls tried again, by dependency and outcome", ["dependency", "outcome"])
swallowed_total = Counter("platform_errors_contained_total", "Errors that were kept from doing harm", ["component"])


def track_error(error: PlatformError, component: str) -> None:
    """Counts an error where it is handled; `component` names a part of the platform, never data."""
    errors_total.labels(error_type=error.error_type.value, severity=error.severity.value, component=component).inc()


def code_label(code: str) -> str:
    """`code` as a label value: itself where the registry knows it, else UNKNOWN_FAILURE."""
    return code if code in REGISTRY else "UNKNOWN_FAILURE"
