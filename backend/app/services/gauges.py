"""How the platform stands, as gauges that are read from the database when somebody asks for the metrics."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import training_metrics as metrics
from app.core.errors import PlatformError
from app.core.timing import deadline
from app.db.mlflow import MlflowRun
from app.db.models import Agent, Job
from app.db.repositories.agents import all_agents
from app.db.session import Database
from app.db.states import JOB_ACTIVE

SECONDS = 1.0
"""Longest wait for the database: Prometheus itself waits no longer than ten."""
REMEMBERED = timedelta(days=1)
"""An agent that was silent for longer is taken for one that was removed."""
AGENT_STATES = ("alive", "lost", "drained", "excluded")


@dataclass(frozen=True, slots=True)
class Standing:
    """What one look at the database says."""

    jobs: dict[str, int]
    oldest_queued: datetime | None
    agents: list[Agent]
    gap_since: datetime | None


def agent_state(agent: Agent, alive_since: datetime) -> str:
    """The state an agent is counted under."""
    if agent.last_seen_at <= alive_since:
        return "lost"
    if agent.drained_at is not None:
        return "drained"
    return "excluded" if agent.excluded_until is not None else "alive"


async def look(session: AsyncSession) -> Standing:
    """One look, of queries that indexes answer."""
    active = Job.status.in_(JOB_ACTIVE)
    counts = (await session.execute(select(Job.status, func.count()).where(active).group_by(Job.status))).all()
    return Standing(
        jobs={row[0]: row[1] for row in counts},
        oldest_queued=await session.scalar(select(func.min(Job.created_at)).where(Job.status == "queued")),
        agents=list(await all_agents(session)),
        gap_since=await session.scalar(select(func.min(MlflowRun.gap_since)).where(MlflowRun.state == "behind")),
    )


@dataclass(slots=True)
class Gauges:
    """Sets the gauges; `watching` says how many WebSockets watch a job."""

    db: Database
    home: Path
    alive_for: timedelta
    watching: Callable[[], int]
    clock: Callable[[], datetime]

    async def refresh(self) -> None:
        """Brings the gauges up to date. Where the database does not answer in time, those that come from it are unknown."""
        metrics.watchers.set(self.watching())
        disk = shutil.disk_usage(self.home)
        metrics.disk_free_ratio.labels(place="backend").set(disk.free / disk.total)
        metrics.disk_free_bytes.labels(place="backend").set(disk.free)
        try:
            with deadline(SECONDS):
                standing = await self.db.read(look)
        except PlatformError:
            # That is no error of whoever reads the metrics: it is one of the things they read them for.
            metrics.database_up.set(0)
            self._show(None)
            return
        metrics.database_up.set(1)
        self._show(standing)

    def _show(self, standing: Standing | None) -> None:
        if standing is None:
            for gauge in (metrics.oldest_queued_seconds, metrics.tracker_gap_seconds):
                gauge.set(float("nan"))
            for labelled in (metrics.open_jobs, metrics.agents):
                labelled.clear()
            return
        now = self.clock()
        for status in JOB_ACTIVE:
            metrics.open_jobs.labels(status=status).set(standing.jobs.get(status, 0))
        metrics.oldest_queued_seconds.set(_age(standing.oldest_queued, now))
        metrics.tracker_gap_seconds.set(_age(standing.gap_since, now))
        known = [agent for agent in standing.agents if agent.last_seen_at > now - REMEMBERED]
        states = [agent_state(agent, now - self.alive_for) for agent in known]
        for state in AGENT_STATES:
            metrics.agents.labels(state=state).set(states.count(state))
        free = [bytes_free for agent in known if (bytes_free := _free(agent.resources)) is not None]
        if free:
            metrics.disk_free_bytes.labels(place="agents").set(min(free))


def _age(since: datetime | None, now: datetime) -> float:
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())


def _free(resources: dict[str, Any]) -> float | None:
    value = resources.get("disk_free_bytes")
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
