"""Agents: their reports, whether they are given work, and the lists that page and command line show."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.clients.trainer import TrainerClient
from app.core.logging import get_logger
from app.db.models import Agent
from app.db.repositories import agents
from app.db.session import Database, utcnow
from app.diagnosis.lemons import suspicion
from app.schemas.wire import AgentReport
from app.services.updates import UpdateService
from app.services.views import agent_view

logger = get_logger(__name__)
JUDGED_EVERY = timedelta(seconds=5)
WINDOW = timedelta(hours=1)
"""How far back the failures on an agent are looked at."""
EXCLUDED_FOR = timedelta(hours=1)


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
        self._judged_at: datetime | None = None

    async def report(self, agent_id: str, report: AgentReport) -> dict[str, Any]:
        """Takes in an agent's report; answers which attempts it must let go."""
        answer = await self.updates.register_agent(agent_id, report)
        self.trainer.forget(report.url)
        now = self.clock()
        if self._judged_at is None or now - self._judged_at >= JUDGED_EVERY:
            self._judged_at = now
            await self.judge()
        self.news()
        return answer

    async def judge(self) -> None:
        """Keeps trainings from agents on which much more fails than on the others, and takes back those whose time is up."""
        now = self.clock()

        async def tx(session: AsyncSession) -> list[tuple[str, str]]:
            everyone, told = await agents.all_agents(session), []
            ended = await agents.ended_since(session, now - WINDOW)
            for agent in everyone:
                if agent.excluded_until is not None:
                    if agent.excluded_until <= now:
                        _take_back(agent, now)
                        told.append((agent.name, "its time is up"))
                    continue
                since = agent.judged_from
                counted = [one for at, one in ended if one.agent_id != agent.id or since is None or at > since]
                reason = suspicion(agent.id, counted)
                if reason is not None:
                    agent.excluded_until, agent.excluded_reason = now + EXCLUDED_FOR, reason
                    told.append((agent.name, reason))
            return told

        for name, reason in await self.db.write(tx):
            logger.warning("agent excluded or taken back", agent=name, reason=reason)

    async def drain(self, reference: str, *, stop: bool) -> dict[str, Any]:
        """Gives an agent (by id or name) no more attempts; those that run end, or with `stop` go on elsewhere.

        Raises:
            PlatformError: NOT_FOUND, CONFLICT; TRAINER_UNREACHABLE where it cannot be told to stop them.
        """
        now = self.clock()

        async def tx(session: AsyncSession) -> tuple[Agent, list[tuple[str, int]]]:
            agent = await agents.get_agent(session, reference)
            agent.drained_at = agent.drained_at or now
            return agent, [(row.job_id, row.number) for row in await agents.active_on(session, agent.id)]

        agent, active = await self.db.write(tx)
        logger.info("agent drained", agent_id=agent.id, active=len(active), stop=stop)
        if stop:
            for job_id, number in active:
                await self.trainer.cancel(agent.url, job_id, number, "shutdown")
        return await self.show(agent.id)

    async def resume(self, reference: str) -> dict[str, Any]:
        """Gives an agent (by id or name) attempts again, whether it was drained or excluded; past failures are forgiven.

        Raises:
            PlatformError: NOT_FOUND, CONFLICT.
        """
        now = self.clock()

        async def tx(session: AsyncSession) -> str:
            agent = await agents.get_agent(session, reference)
            agent.drained_at = None
            _take_back(agent, now)
            return agent.id

        agent_id = await self.db.write(tx)
        logger.info("agent resumed", agent_id=agent_id)
        self.news()
        return await self.show(agent_id)

    async def show(self, reference: str) -> dict[str, Any]:
        """One agent, by id or name.

        Raises:
            PlatformError: NOT_FOUND, CONFLICT.
        """
        agent = await self.db.read(lambda session: agents.get_agent(session, reference))
        return next(view for view in await self.list_all() if view["agent_id"] == agent.id)

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


def _take_back(agent: Agent, now: datetime) -> None:
    agent.excluded_until, agent.excluded_reason, agent.judged_from = None, None, now
