"""How long the other side asks to wait, in every form it says so."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from app.core.retry_after import headers_of, seconds_of, wait_asked

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": " 7.5 "}, 7.5),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "Mon, 23 Nov 2026 12:00:20 GMT"}, 20),
        ({"retry-after": "Mon, 23 Nov 2026 12:00:20 -0000"}, 20),
        ({"retry-after": "Mon, 23 Nov 2026 13:00:20 +0100"}, 20),
        ({"retry-after": "Mon, 23 Nov 2026 11:59:00 GMT"}, 0),
        ({"retry-after": "Mon, 99 Nov 2026 11:59:00 GMT"}, None),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "x", "retry-after": "9"}, 9),
        ({"x-amz-retry-after": "250"}, 0.25),
        ({"grpc-retry-pushback-ms": "40"}, 0.04),
        ({"grpc-retry-pushback-ms": "-1"}, None),
    ],
)
def test_a_wish_is_read_in_seconds_milliseconds_or_as_a_date(headers: dict[str, str], seconds: float | None) -> None:
    assert wait_asked(headers, NOW) == seconds


def test_a_date_is_told_from_now_where_no_other_time_is_given() -> None:
    said = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    wait = wait_asked({"retry-after": said})
    assert wait is not None
    assert 95 < wait <= 100


@seed(20261125)
@settings(max_examples=200, deadline=None, database=None)
@given(text=st.text(max_size=40))
def test_no_text_hurts_and_a_wait_is_never_negative_or_endless(text: str) -> None:
    for name in ("retry-after", "retry-after-ms", "grpc-retry-pushback-ms"):
        wait = wait_asked({name: text}, NOW)
        assert wait is None or 0 <= wait < float("inf")


@seed(20261125)
@settings(max_examples=100, deadline=None, database=None)
@given(seconds=st.integers(0, 10**6), offset=st.integers(-12, 12))
def test_a_date_of_any_zone_is_as_far_as_its_seconds(seconds: int, offset: int) -> None:
    at = (NOW + timedelta(seconds=seconds)).astimezone(timezone(timedelta(hours=offset)))
    assert wait_asked({"retry-after": format_datetime(at)}, NOW) == seconds


@pytest.mark.parametrize(("text", "number"), [("1", 1), ("1e3", 1000), ("", None), ("-0.1", None), ("infinity", None)])
def test_a_number_of_seconds_is_finite_and_not_negative(text: str, number: float | None) -> None:
    assert seconds_of(text) == number


class Bearing(Exception):
    """An exception with what it is given."""

    def __init__(self, **given: Any) -> None:
        super().__init__()
        self.__dict__.update(given)


class Answer:
    """An answer with headers."""

    def __init__(self, headers: Any) -> None:
        self.headers = headers


@pytest.mark.parametrize(
    ("error", "headers"),
    [
        (Bearing(), {}),
        (Bearing(response=Answer({"Retry-After": 7})), {"retry-after": "7"}),
        (Bearing(response=Answer(None), headers={"A": "b"}), {"a": "b"}),
        (Bearing(headers=[("A", "b")]), {"a": "b"}),
        (Bearing(headers=3), {}),
        (Bearing(headers=[("a", "b", "c")]), {}),
        (Bearing(response={"ResponseMetadata": {"HTTPHeaders": {"X-Amz-Retry-After": "3"}}}), {"x-amz-retry-after": "3"}),
        (Bearing(response={}), {}),
        (Bearing(response={"ResponseMetadata": "text"}), {}),
        (Bearing(trailing_metadata=lambda: (("grpc-retry-pushback-ms", "9"),)), {"grpc-retry-pushback-ms": "9"}),
        (Bearing(trailing_metadata=lambda: None), {}),
    ],
)
def test_headers_are_found_wherever_a_library_keeps_them(error: BaseException, headers: dict[str, str]) -> None:
    assert headers_of(error) == headers
