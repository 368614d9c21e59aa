"""What MLflow's client raised, in words for users. It tells an outage only as text and as the exception behind its own."""

import re
from collections.abc import Iterator

from app.core.foreign import attribute, said, told_by

_STATUS = re.compile(r"failed with error code (\d{3})|too many (\d{3}) error responses")
DENIED = frozenset({401, 403})


_WORDS = (
    ("does not answer", ("ConnectTimeout", "ReadTimeout", "Timeout", "timed out")),
    ("refuses the connection", ("refused",)),
    ("has an address that does not resolve", ("NameResolution", "Name or service")),
    ("sends answers that are not of MLflow", ("JSON", "BadStatusLine", "DecodeError", "DecodingError", "InvalidHeader")),
    ("cuts the connection", ("ConnectionError", "ChunkedEncodingError", "ProtocolError", "ConnectionReset", "Disconnected")),
)


class Answered(Exception):
    """The server answered, but not as it should: with `status` (None: another text)."""

    def __init__(self, status: int | None) -> None:
        super().__init__(f"failed with error code {status}" if status else "the response body is not valid JSON")


def denied(error: BaseException) -> bool:
    """Whether the server refuses who asks, whatever is asked."""
    return status_of(error) in DENIED


def status_of(error: BaseException) -> int | None:
    """The HTTP status behind an exception, where it is known."""
    told = _STATUS.search(said(error))
    if told is not None:
        return int(told[1] or told[2])
    # MLflow's own errors carry a status; those of its client about outages pretend to be one.
    if type(error).__name__ != "RestException":
        return None
    status = told_by(error, "get_http_status_code")
    return status if isinstance(status, int) else None


def reason_of(error: BaseException) -> str:
    """Why a call came to nothing, to be read after "MLflow": in a few words, nothing secret in them."""
    status = status_of(error)
    if status is not None:
        return _of_status(status, error)
    told = " ".join(f"{type(each).__name__} {said(each)}" for each in _chain(error))
    for words, marks in _WORDS:
        if any(mark in told for mark in marks):
            return words
    return f"could not be used ({type(error).__name__})"


def _of_status(status: int, error: BaseException) -> str:
    if status in DENIED:
        return f"refuses the user name, password or token ({status})"
    if status == 429:
        return "has too many requests (429)"
    if status >= 500:
        return f"fails inside ({status})"
    code = attribute(error, "error_code")
    return f"does not take it ({code or status})"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception, and those behind it; MLflow's client often raises within `except` without saying so."""
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        yield each
        each = each.__cause__ or each.__context__
