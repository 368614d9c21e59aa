"""Counters with a bound, on either database, also where many take at once."""

import asyncio

from sqlalchemy import select

from app.db.models import Counter
from app.db.repositories.counters import take
from app.db.session import Database


async def taken(db: Database, day: str, most: int) -> bool:
    return await db.write(lambda session: take(session, "llm", day, most))


async def test_a_day_gives_no_more_than_it_has_however_many_take_at_once(db: Database) -> None:
    found = await asyncio.gather(*(taken(db, "2026-11-23", 3) for _ in range(8)))
    assert sorted(found) == [False] * 5 + [True] * 3


async def test_a_new_day_begins_anew_and_the_old_one_is_forgotten(db: Database) -> None:
    assert [await taken(db, "2026-11-23", 1) for _ in range(2)] == [True, False]
    assert await taken(db, "2026-11-24", 1)
    names = await db.read(lambda session: session.scalars(select(Counter.name).where(Counter.name.startswith("llm"))))
    assert list(names) == ["llm 2026-11-24"]


async def test_where_nothing_may_be_taken_nothing_is_counted(db: Database) -> None:
    assert not await taken(db, "2026-11-23", 0)
    assert list(await db.read(lambda session: session.scalars(select(Counter.name)))) == []
