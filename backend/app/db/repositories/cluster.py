"""Queries by which backends on one PostgreSQL share work. Time is the database's, so that clocks need not agree."""

from datetime import timedelta

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.cluster import Backend, Claim, OpenBreaker, SwitchedOff

ALIVE_SECONDS = 5.0
"""A backend that has not been heard of for this long is gone, and its claims with it."""
FORGOTTEN = timedelta(days=1)


async def beat(session: AsyncSession, me: str) -> set[str]:
    """Notes that this backend lives; gives all that do."""
    now = func.now()
    own = insert(Backend).values(id=me, started_at=now, seen_at=now)
    await session.execute(own.on_conflict_do_update(index_elements=[Backend.id], set_={"seen_at": now}))
    await session.execute(delete(Backend).where(Backend.seen_at < now - FORGOTTEN))
    await session.execute(delete(OpenBreaker).where(OpenBreaker.until < now - FORGOTTEN))
    return set((await session.scalars(select(Backend.id).where(_alive()))).all())


async def leave(session: AsyncSession, me: str) -> None:
    """Takes this backend and its claims off the books."""
    await session.execute(delete(Claim).where(Claim.backend_id == me))
    await session.execute(delete(Backend).where(Backend.id == me))


async def claim(session: AsyncSession, name: str, me: str) -> bool:
    """Takes a claim that nobody else who lives has."""
    living = select(Backend.id).where(_alive())
    wanted = insert(Claim).values(name=name, backend_id=me, at=func.now())
    taken = wanted.on_conflict_do_update(
        index_elements=[Claim.name],
        set_={"backend_id": me, "at": func.now()},
        where=(Claim.backend_id == me) | Claim.backend_id.not_in(living),
    )
    return (await session.scalar(taken.returning(Claim.name))) is not None


async def release(session: AsyncSession, name: str, me: str) -> None:
    """Gives a claim of this backend back."""
    await session.execute(delete(Claim).where(Claim.name == name, Claim.backend_id == me))


async def is_claimed(session: AsyncSession, name: str, me: str) -> bool:
    """Whether another backend that lives has this claim."""
    held = select(Claim.name).join(Backend, Backend.id == Claim.backend_id)
    return (await session.scalar(held.where(Claim.name == name, Claim.backend_id != me, _alive()))) is not None


async def open_breakers(session: AsyncSession) -> dict[str, float]:
    """Seconds (below 0 where they are over) that each open breaker stays so, by name."""
    left = func.extract("epoch", OpenBreaker.until - func.now())
    return {name: float(seconds) for name, seconds in (await session.execute(select(OpenBreaker.name, left))).all()}


async def opened(session: AsyncSession, name: str, seconds: float, me: str) -> None:
    """Notes that a breaker has opened here."""
    until = func.now() + timedelta(seconds=seconds)
    row = insert(OpenBreaker).values(name=name, until=until, backend_id=me)
    latest = func.greatest(OpenBreaker.until, until)
    await session.execute(
        row.on_conflict_do_update(index_elements=[OpenBreaker.name], set_={"until": latest, "backend_id": me})
    )


async def closed(session: AsyncSession, name: str) -> None:
    """Notes that a dependency is well again."""
    await session.execute(delete(OpenBreaker).where(OpenBreaker.name == name))


async def take_probe(session: AsyncSession, name: str, seconds: float, me: str) -> float:
    """0 where this backend may probe, and nobody else for `seconds`; else the seconds until somebody may."""
    until = func.now() + timedelta(seconds=seconds)
    row = insert(OpenBreaker).values(name=name, until=until, backend_id=me)
    taken = row.on_conflict_do_update(
        index_elements=[OpenBreaker.name],
        set_={"until": until, "backend_id": me},
        where=OpenBreaker.until <= func.now(),
    )
    if (await session.scalar(taken.returning(OpenBreaker.name))) is not None:
        return 0.0
    return max(0.1, (await open_breakers(session)).get(name, 0.1))


async def switched_off(session: AsyncSession) -> set[str]:
    """Dependencies and breakers that a person has switched off."""
    return set((await session.scalars(select(SwitchedOff.name))).all())


async def switch_off(session: AsyncSession, name: str) -> None:
    """Switches a dependency or breaker off for all."""
    await session.execute(insert(SwitchedOff).values(name=name, at=func.now()).on_conflict_do_nothing())


async def switch_on(session: AsyncSession, name: str) -> None:
    """Lets calls to a dependency, with all its breakers, or to one breaker through again, for all."""
    for table in (SwitchedOff, OpenBreaker):
        await session.execute(delete(table).where((table.name == name) | table.name.startswith(f"{name} ", autoescape=True)))


def _alive() -> ColumnElement[bool]:
    return Backend.seen_at > func.now() - timedelta(seconds=ALIVE_SECONDS)
