"""Queries on agents, on either database."""

from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Agent
from app.db.repositories import agents
from app.db.session import Database
from tests.db.conftest import AT, add_job
from tests.db.repositories.test_jobs import attempt


def agent(name: str, seen_after_s: float = 0, **values: Any) -> Agent:
    defaults = {"url": "http://a", "slots": 1, "frameworks": [], "resources": {}, "version": "1"}
    seen = AT + timedelta(seconds=seen_after_s)
    return Agent(id=name, name=name, registered_at=AT, last_seen_at=seen, **{**defaults, **values})


async def test_agents_are_listed_by_name_and_the_living_by_their_last_sign(db: Database) -> None:
    async def tx(session: AsyncSession) -> None:
        session.add_all([agent("b"), agent("a", 60), agent("c", -60)])

    await db.write(tx)
    assert [row.id for row in await db.read(agents.all_agents)] == ["a", "b", "c"]
    alive = await db.read(lambda session: agents.alive_agents(session, AT))
    assert [row.id for row in alive] == ["a"]


async def test_slots_are_busy_with_attempts_that_have_not_ended(db: Database) -> None:
    async def tx(session: AsyncSession) -> None:
        job = await add_job(session)
        session.add_all(
            [
                attempt(job.id, 1, status="failed", agent_id="a"),
                attempt(job.id, 2, status="running", agent_id="a"),
                attempt(job.id, 3, status="created", agent_id="a"),
                attempt(job.id, 4, status="created", agent_id=None),
            ]
        )

    await db.write(tx)
    assert dict(await db.read(agents.busy_slots)) == {"a": 2}


async def test_of_a_framework_the_newest_usable_description_counts(db: Database) -> None:
    def described(version: str, **more: Any) -> list[dict[str, Any]]:
        return [{"framework": "x", "version": version, **more}]

    async def tx(session: AsyncSession) -> None:
        session.add_all(
            [
                agent("old", 0, frameworks=described("1")),
                agent("new", 9, frameworks=described("2")),
                agent("newest", 99, frameworks=described("3", available=False)),
            ]
        )

    await db.write(tx)
    assert (await db.read(agents.frameworks))["x"]["version"] == "2"
