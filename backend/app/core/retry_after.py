"""How long the other side asks to wait, in whatever header it says so."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from app.core.foreign import attribute, told_by


def headers_of(error: BaseException) -> Mapping[str, str]:
    """The headers of the answer that an exception stands for, names in lower case."""
    response = attribute(error, "response")
    if isinstance(response, dict):
        metadata = response.get("ResponseMetadata")
        headers: Any = metadata.get("HTTPHeaders") if isinstance(metadata, dict) else None
    else:
        headers = attribute(response, "headers") or attribute(error, "headers")
    if headers is None:
        headers = told_by(error, "trailing_metadata")
    try:
        pairs = headers.items() if hasattr(headers, "items") else headers or ()
        return {str(key).lower(): str(value) for key, value in pairs}
    except (TypeError, ValueError):
        return {}


def wait_asked(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds that an answer's headers (names in lower case) ask to wait; None where they ask nothing usable."""
    for name in ("retry-after-ms", "x-amz-retry-after", "grpc-retry-pushback-ms"):
        wait = seconds_of(headers.get(name, ""))
        if wait is not None:
            return wait / 1000
    said = headers.get("retry-after", "").strip()
    wait = seconds_of(said)
    if wait is not None or not said:
        return wait
    try:
        at = parsedate_to_datetime(said)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - (now or datetime.now(UTC))).total_seconds())


def seconds_of(text: str) -> float | None:
    """A non-negative finite number of seconds that `text` writes, None where it writes none."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None
