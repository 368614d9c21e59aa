"""Occurrences are counted once, in groups, on either database; what is asked of them is theirs who ask."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from app.core.errors import PlatformError
from app.db.repositories import error_reading, errors
from app.db.repositories.error_reading import GroupFilter
from app.db.repositories.error_regrouping import take_back
from app.db.repositories.errors import GroupChange, Seen, record, words
from app.db.session import Database
from app.db.tracking import ErrorAffected, ErrorCount, ErrorGroup, ErrorOccurrence, ErrorWord
from tests.db.conftest import AT

OOM = Seen(
    "v1:00000000000000aa", "job", "CUDA_OOM", "CUDA out of memory. Tried to allocate #", AT, {"code": "CUDA_OOM"},
    user_name="ann", job_id="J-1", attempt=1, entity="batch 7",
)  # fmt: skip
LOST = Seen("v1:00000000000000bb", "job", "TRAINER_LOST", "no heartbeat", AT, user_name="ben", job_id="J-2", attempt=1)


async def put(db: Database, batch: Sequence[Seen]) -> tuple[list[int], list[GroupChange]]:
    return await db.write(lambda session: record(session, batch))


async def group(db: Database, group_id: int) -> ErrorGroup:
    found = await db.read(lambda session: session.get(ErrorGroup, group_id))
    assert found is not None
    return found


async def ids(db: Database, viewer: str | None = None, **wanted: Any) -> list[int]:
    rows, _ = await db.read(
        lambda session: error_reading.list_groups(session, GroupFilter(**wanted), viewer, limit=50, cursor=None)
    )
    return [row.id for row, _ in rows]


async def total(db: Database, column: Any) -> int:
    return int(await db.read(lambda session: session.scalar(select(func.sum(column)))) or 0)


async def test_a_group_counts_occurrences_jobs_users_and_entities(db: Database) -> None:
    later = AT + timedelta(hours=5)
    batch = [OOM, replace(OOM, job_id="J-3", entity="batch 8", at=later), replace(OOM, user_name="ben", at=later), LOST]
    (first, *_, other), changes = await put(db, batch)
    assert sorted((change.kind, change.group_id) for change in changes) == sorted([("new", first), ("new", other)])
    _, changes = await put(db, [replace(OOM, at=later)])
    assert changes == []
    found = await group(db, first)
    assert (found.count, found.jobs, found.users, found.entities) == (4, 2, 2, 2)
    assert (found.first_seen, found.last_seen, found.entity) == (AT, later, "batch 7")
    hours = await db.read(lambda session: error_reading.counts(session, [first], "hour", AT))
    assert sorted(hours[first].values()) == [1, 3]
    days = await db.read(lambda session: error_reading.counts(session, [first], "day", errors.day_of(AT), "ben"))
    assert list(days[first].values()) == [1]


async def test_the_rest_of_a_storm_is_counted_and_not_kept(db: Database) -> None:
    (group_id, _), _ = await put(db, [OOM, replace(OOM, count=9_999, kept=False)])
    assert (await group(db, group_id)).count == 10_000
    assert await db.read(lambda session: session.scalar(select(func.count()).select_from(ErrorOccurrence))) == 1


async def test_two_backends_that_found_the_same_groups_at_once_count_every_occurrence_and_tell_of_each_once(
    empty_url: str, open_database: Callable[[str], Database]
) -> None:
    several = [open_database(empty_url) for _ in range(2)]
    await several[0].migrate()
    batch = [replace(OOM, fingerprint=f"v1:{number:016x}", job_id=f"J-{number % 3}") for number in range(20)]
    # In opposite orders: who locked them as they come would wait for the other for ever.
    batches = [batch, batch[::-1]] * 3
    told = await asyncio.gather(*(put(several[place % 2], part) for place, part in enumerate(batches)))
    found = await several[0].read(lambda session: session.execute(select(ErrorGroup.count, ErrorGroup.jobs)))
    assert [tuple(row) for row in found] == [(6, 1)] * 20
    assert sorted(change.seen.fingerprint for _, changes in told for change in changes) == sorted(
        seen.fingerprint for seen in batch
    )
    assert await total(several[0], ErrorAffected.count) == 20 * 6 * 3


async def test_a_new_version_of_a_fingerprint_goes_on_with_the_group_of_the_old_one(db: Database) -> None:
    (old,), _ = await put(db, [OOM])
    anew = replace(OOM, fingerprint="v2:00000000000000cc", earlier=(OOM.fingerprint,), at=AT + timedelta(days=1))
    (new,), changes = await put(db, [anew])
    (again,), _ = await put(db, [replace(anew, earlier=())])
    assert (new, again, changes) == (old, old, [])
    assert (await group(db, old)).count == 3
    for fingerprint in (OOM.fingerprint, anew.fingerprint):
        assert await ids(db, fingerprint=fingerprint) == await ids(db, q=fingerprint) == [old]


async def set_state(db: Database, group_id: int, state: str, at: datetime) -> None:
    async def tx(session: Any) -> None:
        found = await session.get(ErrorGroup, group_id)
        found.state, found.state_at = state, at

    await db.write(tx)


async def test_only_what_happens_after_a_group_was_resolved_makes_it_regressed(db: Database) -> None:
    (group_id,), _ = await put(db, [OOM])
    await set_state(db, group_id, "resolved", AT + timedelta(hours=1))
    _, changes = await put(db, [replace(OOM, at=AT + timedelta(minutes=59))])
    assert (changes, (await group(db, group_id)).state) == ([], "resolved")
    _, (change,) = await put(db, [replace(OOM, at=AT + timedelta(minutes=61))])
    assert (change.kind, change.group_id, (await group(db, group_id)).state) == ("regressed", group_id, "regressed")
    _, changes = await put(db, [replace(OOM, at=AT + timedelta(minutes=62))])
    assert changes == []


async def test_entities_of_a_group_are_bounded(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "MOST_ENTITIES", 3)
    (group_id, *_), _ = await put(db, [replace(OOM, entity=f"file {number}") for number in range(9)])
    await put(db, [replace(OOM, entity="file 0"), replace(OOM, entity="file 99")])
    found = await db.read(lambda session: error_reading.affected(session, group_id, "entity", 20))
    assert {row.name: row.count for row in found} == {"file 0": 2, "file 1": 1, "file 2": 1}
    assert (await group(db, group_id)).entities == 3


async def test_text_that_no_database_takes_is_cleaned(db: Database) -> None:
    wrong = replace(OOM, title="a\0b \ud800", entity="\0x", user_name="ann\0", error={"message": "a\0b"})
    (group_id,), _ = await put(db, [wrong])
    found = await group(db, group_id)
    assert (found.title, found.entity) == ("ab ?", "x")
    assert await ids(db, viewer="ann") == [group_id]


async def test_groups_are_found_by_words_names_traces_codes_states_and_times(db: Database) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    (oom, lost), _ = await put(db, [replace(OOM, trace_id=trace), replace(LOST, at=AT + timedelta(days=2))])
    found = {
        "memory": [oom], "Memory CUDA": [oom], "mem alloc": [oom], "oom": [oom], "heartbeat": [lost], "memory heartbeat": [],
        "J-2": [lost], "batch 7": [oom], trace: [oom], trace.upper(): [oom], "?!": [], "  ": [lost, oom],
        "v1:" + "0" * 16: [],
    }  # fmt: skip
    assert {text: await ids(db, q=text) for text in found} == found
    for wanted, expected in (
        ({"code": "CUDA_OOM"}, [oom]), ({"causer": "user", "source": "job"}, [oom]), ({"entity": "batch 7"}, [oom]),
        ({"job_id": "J-2"}, [lost]), ({"trace_id": trace}, [oom]), ({"state": ["resolved"]}, []),
        ({"since": AT + timedelta(days=1)}, [lost]), ({"until": AT + timedelta(days=1)}, [oom]), ({"source": "api"}, []),
    ):  # fmt: skip
        assert await ids(db, **wanted) == expected, wanted


async def test_a_user_sees_what_of_a_group_is_theirs_only(db: Database) -> None:
    (oom, _, lost), _ = await put(db, [OOM, replace(OOM, user_name="ben"), LOST])
    assert await ids(db, viewer="ann") == [oom]
    assert sorted(await ids(db, viewer="ben")) == sorted([oom, lost])
    assert await ids(db, viewer="eve") == await ids(db, viewer="ann", q="heartbeat") == []
    with pytest.raises(PlatformError) as caught:
        await db.read(lambda session: error_reading.get_group(session, lost, "ann"))
    assert caught.value.code == "NOT_FOUND"
    rows = await db.read(lambda session: error_reading.occurrences(session, oom, "ann", limit=9))
    assert [row.user_name for row in rows] == ["ann"]


@pytest.mark.parametrize("sort", ["last_seen", "count"])
@pytest.mark.parametrize("viewer", [None, "ann"])
async def test_pages_show_every_group_once_also_where_values_are_equal(db: Database, sort: str, viewer: str | None) -> None:
    await put(
        db,
        [
            replace(OOM, fingerprint=f"v1:{n:016x}", at=AT + timedelta(hours=n // 3), count=1 + n // 4, kept=False)
            for n in range(11)
        ],
    )
    seen: list[int] = []
    cursor = None
    for _ in range(9):
        rows, cursor = await db.read(
            lambda session, cursor=cursor: error_reading.list_groups(
                session, GroupFilter(sort=sort), viewer, limit=3, cursor=cursor
            )
        )
        seen += [row.id for row, _ in rows]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 11
    with pytest.raises(PlatformError) as caught:
        await db.read(lambda session: error_reading.list_groups(session, GroupFilter(), None, limit=3, cursor="nonsense"))
    assert caught.value.code == "VALIDATION_FAILED"


async def test_what_is_taken_back_leaves_no_trace_and_an_empty_group_is_gone(db: Database) -> None:
    (group_id, _), _ = await put(db, [OOM, replace(OOM, job_id="J-9", user_name="ben", entity=None)])
    await db.write(lambda session: take_back(session, group_id, OOM))
    found = await group(db, group_id)
    assert (found.count, found.jobs, found.users, found.entities) == (1, 1, 1, 0)
    assert await total(db, ErrorCount.count) == 3
    assert await ids(db, q="J-1") == []
    await db.write(lambda session: take_back(session, group_id, replace(OOM, job_id="J-9", user_name="ben", entity=None)))
    assert await ids(db) == []
    for table in (ErrorAffected, ErrorCount, ErrorWord, ErrorOccurrence):
        assert await db.read(lambda session, table=table: session.scalar(select(func.count()).select_from(table))) == 0


def test_words_are_whole_names_and_their_parts() -> None:
    assert words("CUDA_OOM at conv2d_7!") == {"cuda_oom", "cuda", "oom", "at", "conv2d_7", "conv"}
