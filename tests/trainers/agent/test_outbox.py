"""The agent's journal: what is read is stored once, in order, whatever happens in between."""

import random
import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trainers.agent import outbox as module
from trainers.agent.journal import read_events
from trainers.agent.outbox import Outbox

KEY = ("J-1", 1)


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    found = Outbox(tmp_path / "outbox.db")
    found.open(KEY)
    return found


def test_an_attempt_is_opened_once(outbox: Outbox) -> None:
    assert outbox.open(KEY) is False
    assert outbox.open(("J-1", 2)) is True


def test_updates_are_numbered_from_one_without_gaps(outbox: Outbox) -> None:
    outbox.append(KEY, [{"a": 1}, {"a": 2}])
    outbox.append(KEY, [{"a": 3}])
    assert [(update["seq"], update["attempt"], update["a"]) for update in outbox.pending(KEY, 10)] == [
        (1, 1, 1), (2, 1, 2), (3, 1, 3),
    ]  # fmt: skip


def test_what_was_acknowledged_is_not_pending_and_going_back_brings_it_back(outbox: Outbox) -> None:
    outbox.append(KEY, [{}, {}, {}])
    outbox.acknowledge(KEY, 2)
    assert [update["seq"] for update in outbox.pending(KEY, 10)] == [3]
    outbox.acknowledge(KEY, 0)
    assert [update["seq"] for update in outbox.pending(KEY, 2)] == [1, 2]


def test_a_batch_is_bounded_by_bytes_but_never_empty(outbox: Outbox) -> None:
    outbox.append(KEY, [{"text": "x" * 900}, {"text": "x" * 50}, {"text": "x" * 50}])
    assert [update["seq"] for update in outbox.pending(KEY, 10, most_bytes=300)] == [1]
    outbox.acknowledge(KEY, 1)
    assert [update["seq"] for update in outbox.pending(KEY, 10, most_bytes=300)] == [2, 3]


def test_nothing_is_stored_after_the_last_word(outbox: Outbox) -> None:
    outbox.append(KEY, [{"status": "succeeded"}], ended=True)
    outbox.append(KEY, [{"status": "failed"}], ended=True)
    assert [update["status"] for update in outbox.pending(KEY, 10)] == ["succeeded"]


def test_an_attempt_is_delivered_when_its_last_word_is_acknowledged(outbox: Outbox) -> None:
    outbox.append(KEY, [{}, {}], ended=True)
    outbox.acknowledge(KEY, 1)
    assert not outbox.delivered(KEY)
    outbox.acknowledge(KEY, 2)
    assert outbox.delivered(KEY)
    outbox.close_attempt(KEY)
    assert outbox.attempts() == []
    assert outbox.position(KEY) is None


class Crash(Exception):
    """The agent is killed here."""


def test_a_kill_between_reading_and_storing_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """The place in the source moves in the same transaction as what was read there."""
    source = tmp_path / "events.jsonl"
    source.write_text('{"at":"t","kind":"phase","phase":"data"}\n{"at":"t","kind":"phase","phase":"training"}\n')
    outbox = Outbox(tmp_path / "outbox.db")
    outbox.open(KEY)
    events = read_events(source, outbox.position(KEY).events_offset)
    assert len(events.updates) == 2
    outbox.close()  # killed: what was read is forgotten

    again = Outbox(tmp_path / "outbox.db")
    events = read_events(source, again.position(KEY).events_offset)
    again.append(KEY, events.updates, events_offset=events.offset)
    again.close()
    third = Outbox(tmp_path / "outbox.db")
    assert read_events(source, third.position(KEY).events_offset).updates == []
    assert [update["phase"] for update in third.pending(KEY, 10)] == ["data", "training"]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), lines=st.integers(0, 30))
def test_with_crashes_anywhere_every_line_is_told_exactly_once_in_order(
    tmp_path_factory: pytest.TempPathFactory, seed: int, lines: int
) -> None:
    rng = random.Random(seed)
    folder = tmp_path_factory.mktemp("crashes")
    source, told = folder / "events.jsonl", []
    written = 0
    outbox = Outbox(folder / "outbox.db")
    outbox.open(KEY)
    while len(told) < lines or outbox.pending(KEY, 1):
        if written < lines:
            piece = rng.randint(1, lines - written)
            with source.open("a") as file:
                file.writelines(f'{{"at":"t","kind":"phase","phase":"{written + n}"}}\n' for n in range(piece))
            written += piece
        events = read_events(source, outbox.position(KEY).events_offset)
        crash = rng.random()
        if crash < 0.2:
            outbox = _killed(outbox, folder)  # after reading, before storing
            continue
        if crash < 0.4:
            with pytest.raises(Crash):
                _append_and_die(outbox, events.updates, events.offset)
            outbox = _killed(outbox, folder)  # within the transaction
            continue
        outbox.append(KEY, events.updates, events_offset=events.offset)
        if crash < 0.6:
            outbox = _killed(outbox, folder)  # after storing, before delivering
        batch = outbox.pending(KEY, rng.randint(1, 5))
        told += [update for update in batch if update["seq"] == len(told) + 1]
        if crash < 0.8:
            outbox.acknowledge(KEY, len(told))  # else killed before it: delivered again
    assert [update["phase"] for update in told] == [str(number) for number in range(lines)]
    outbox.close()


def _killed(outbox: Outbox, folder: Path) -> Outbox:
    outbox.close()
    return Outbox(folder / "outbox.db")


def _append_and_die(outbox: Outbox, updates: list, offset: int) -> None:
    class Dying(list):
        def __iter__(self):
            yield from list.__iter__(self)
            raise Crash

    outbox.append(KEY, Dying(updates), events_offset=offset)


def test_on_a_full_disk_the_ballast_makes_room_for_the_last_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BALLAST_BYTES", 64 * 1024)
    outbox = Outbox(tmp_path / "outbox.db")
    outbox.open(KEY)
    assert (tmp_path / "ballast").stat().st_size == 64 * 1024
    pages = outbox._db.execute("pragma page_count").fetchone()[0]
    outbox._db.execute(f"pragma max_page_count={pages}")
    with pytest.raises(sqlite3.OperationalError):
        # The room that giving up the ballast makes is not this limit's: it fails both times, and nothing is half stored.
        outbox.append(KEY, [{"text": "x" * 100_000}])
    assert not (tmp_path / "ballast").exists()
    assert outbox.pending(KEY, 10) == []
    outbox._db.execute("pragma max_page_count=100000")
    outbox.append(KEY, [{"text": "x" * 100_000}], ended=True)
    assert [update["seq"] for update in outbox.pending(KEY, 10)] == [1]
