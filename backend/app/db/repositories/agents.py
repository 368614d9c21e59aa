"""Queries on agents, the frameworks they offer, and how attempts ended on them."""

from collections import Counter as Tally
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import PlatformError
from app.db.models import Agent, Attempt
from app.db.states import ATTEMPT_ACTIVE
from app.diagnosis.lemons import Ended


async def all_agents(session: AsyncSession) -> Sequence[Agent]:
    """Every agent ever registered, by name."""
    return (await session.scalars(select(Agent).order_by(Agent.name))).all()


async def busy_slots(session: AsyncSession) -> Tally[str]:
    """Number of attempts under way by agent id."""
    query = select(Attempt.agent_id, func.count()).where(Attempt.status.in_(ATTEMPT_ACTIVE)).group_by(Attempt.agent_id)
    return Tally({agent: count for agent, count in (await session.execute(query)).all() if agent})


def offered(agents: Sequence[Agent]) -> dict[str, dict[str, Any]]:
    """The descriptor of every framework that an agent offers, of the most recently seen agent, by framework."""
    known: dict[str, dict[str, Any]] = {}
    for agent in sorted(agents, key=lambda agent: agent.last_seen_at):
        for descriptor in agent.frameworks:
            if descriptor.get("available", True):
                known[descriptor["framework"]] = descriptor
    return known


async def frameworks(session: AsyncSession) -> dict[str, dict[str, Any]]:
    """The descriptor of every framework known, by name."""
    return offered(await all_agents(session))


async def alive_agents(session: AsyncSession, since: datetime) -> Sequence[Agent]:
    """Agents heard of after `since`."""
    return (await session.scalars(select(Agent).where(Agent.last_seen_at > since))).all()


async def get_agent(session: AsyncSession, reference: str) -> Agent:
    """The agent with this id, or the one with this name.

    Raises:
        PlatformError: NOT_FOUND; CONFLICT where several have the name.
    """
    found = (await session.scalars(select(Agent).where((Agent.id == reference) | (Agent.name == reference)))).all()
    exact = [agent for agent in found if agent.id == reference] or found
    if not exact:
        raise PlatformError.from_code("NOT_FOUND", {"resource_type": "agent", "resource_id": reference})
    if len(exact) > 1:
        ids = ", ".join(sorted(agent.id for agent in exact))
        raise PlatformError.from_code("CONFLICT", {"state": f"the name of {len(exact)} agents: {ids}", "wanted": "one"})
    return exact[0]


async def active_on(session: AsyncSession, agent_id: str) -> Sequence[Attempt]:
    """Attempts that are under way on an agent."""
    query = select(Attempt).where(Attempt.agent_id == agent_id, Attempt.status.in_(ATTEMPT_ACTIVE))
    return (await session.scalars(query)).all()


async def ended_since(session: AsyncSession, since: datetime) -> list[tuple[datetime, Ended]]:
    """Attempts that ended on some agent after `since`, with when."""
    query = select(Attempt.finished_at, Attempt.agent_id, Attempt.job_id, Attempt.status, Attempt.error)
    rows = await session.execute(query.where(Attempt.finished_at > since, Attempt.agent_id.is_not(None)))
    return [
        (at, Ended(agent, job, (error or {}).get("code") if status == "failed" else None))
        for at, agent, job, status, error in rows.all()
    ]
