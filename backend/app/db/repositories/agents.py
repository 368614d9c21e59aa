"""Queries on agents and the frameworks they offer."""

from collections import Counter as Tally
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.models import Agent, Attempt
from app.db.states import ATTEMPT_ACTIVE


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
