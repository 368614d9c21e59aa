"""Agents: their reports, and the lists that page and command line show."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.clients.trainer import TrainerClient
from app.db.repositories import agents
from app.db.session import Database, utcnow
from app.schemas.wire import AgentReport
from app.services.updates import UpdateService
from app.services.views import agent_view


class AgentService:
    """Registration and heartbeat of agents, and what they offer."""

    def __init__(
        self,
        db: Database,
        updates: UpdateService,
        trainer: TrainerClient,
        news: Callable[[], None],
        alive_for: timedelta,
        clock: Callable[[], datetime] = utcnow,
    ) -> None:
        self.db = db
        self.updates = updates
        self.trainer = trainer
        self.news = news
        self.alive_for = alive_for
        self.clock = clock

    async def report(self, agent_id: str, report: AgentReport) -> dict[str, Any]:
        """Takes in an agent's report; answers which attempts it must let go."""
        answer = await self.updates.register_agent(agent_id, report)
        self.trainer.forget(report.url)
        self.news()
        return answer

    async def list_all(self) -> list[dict[str, Any]]:
        """Every agent, with how busy it is and whether it was heard of lately."""
        alive_since = self.clock() - self.alive_for

        async def look(session: AsyncSession) -> list[dict[str, Any]]:
            busy = await agents.busy_slots(session)
            return [
                agent_view(agent, busy[agent.id], agent.last_seen_at > alive_since)
                for agent in await agents.all_agents(session)
            ]

        return await self.db.read(look)

    async def frameworks(self) -> list[dict[str, Any]]:
        """What can be trained: each framework's description, with the number of living agents that offer it."""
        alive_since = self.clock() - self.alive_for

        async def look(session: AsyncSession) -> list[dict[str, Any]]:
            everyone = await agents.all_agents(session)
            found = []
            for name, descriptor in sorted(agents.offered(everyone).items()):
                living = sum(
                    agent.last_seen_at > alive_since
                    and any(item["framework"] == name and item.get("available", True) for item in agent.frameworks)
                    for agent in everyone
                )
                found.append({**descriptor, "agents": living})
            return found

        return await self.db.read(look)
