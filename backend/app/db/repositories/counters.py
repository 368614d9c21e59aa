"""Counters that may not go beyond a bound, shared by all backends. All take the caller's session and never commit."""

from sqlalchemy import delete
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Counter


async def take(session: AsyncSession, kind: str, day: str, most: int) -> bool:
    """Takes one of the `most` of a kind that a day has; False where none is left. Earlier days are forgotten."""
    if most < 1:
        return False
    name = f"{kind} {day}"
    dialect = session.get_bind().dialect.name
    insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    counted = (
        insert(Counter)
        .values(name=name, value=1)
        .on_conflict_do_update(index_elements=[Counter.name], set_={"value": Counter.value + 1}, where=Counter.value < most)
        .returning(Counter.value)
    )
    value = (await session.execute(counted)).scalar_one_or_none()
    if value == 1:
        await session.execute(delete(Counter).where(Counter.name.startswith(f"{kind} "), Counter.name != name))
    return value is not None
