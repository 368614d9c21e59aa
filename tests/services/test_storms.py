"""What waits to be written is bounded, and nothing of a storm is lost but its rows."""

from dataclasses import replace
from datetime import timedelta

from app.db.repositories.errors import Seen
from app.services.storms import Pending, Storms, dropped_total
from tests.db.conftest import AT

ONE = Seen("e1:0000000000000001", "api", "CONFLICT", "PUT /x", AT, user_name="ann")


def other(number: int) -> Seen:
    return replace(ONE, fingerprint=f"e1:{number:016x}")


def test_the_first_of_an_hour_are_kept_and_the_rest_is_one_number() -> None:
    pending = Pending(Storms(an_hour=3))
    for _ in range(1000):
        pending.add(ONE, AT)
    batch = pending.take(100)
    assert [(seen.count, seen.kept) for seen in batch] == [(1, True)] * 3 + [(997, False)]
    pending.done()
    pending.add(ONE, AT + timedelta(hours=1))
    assert [(seen.count, seen.kept) for seen in pending.take(100)] == [(1, True)]


def test_a_full_queue_counts_on_and_tells_what_it_drops() -> None:
    pending, before = Pending(Storms(), queued=10, counted=5), dropped_total._value.get()
    for number in range(20):
        pending.add(other(number), AT)
    assert len(pending) == 15
    assert dropped_total._value.get() - before == 5
    for _ in range(3):
        pending.add(other(12), AT)
    assert sum(seen.count for seen in pending.take(10)) == 18


def test_what_was_taken_waits_until_it_is_written() -> None:
    pending = Pending(Storms())
    for number in range(5):
        pending.add(replace(other(number), trace_id=f"{number:032x}"), AT)
    first = pending.take(2)
    pending.add(other(9), AT)
    assert pending.take(2) is first
    assert len(pending) == 6
    assert [seen.fingerprint for seen in pending.waiting(f"{1:032x}")] == [other(1).fingerprint]
    pending.done()
    assert [seen.fingerprint for seen in pending.take(9)] == [other(number).fingerprint for number in (2, 3, 4, 9)]


def test_kinds_beyond_all_bounds_are_counted_too() -> None:
    storms = Storms(an_hour=1)
    assert sum(storms.keep(other(number), AT) for number in range(25_000)) == 20_000
