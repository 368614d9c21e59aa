"""What happens next to a job: pure functions of rows and time. `local` drives them over the database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.db.models import Agent, Attempt, Job


@dataclass(frozen=True, slots=True)
class Choice:
    """The agent an attempt goes to, or why there is none now. `reachable`: some agent offers the framework."""

    agent: Agent | None
    reason: str
    reachable: bool


def is_due(job: Job, now: datetime) -> bool:
    """Whether the wait of a job before its next attempt is over."""
    return job.status == "waiting" and (job.retry_at is None or job.retry_at <= now)


def is_lost(attempt: Attempt, now: datetime, listening_since: datetime, silence: timedelta) -> bool:
    """Whether an attempt was not heard of for longer than `silence`.

    Time in which this backend itself did not listen (before `listening_since`) does not count.
    """
    heard = max(attempt.heard_at or attempt.created_at, listening_since)
    return now - heard > silence


def offers(agent: Agent, framework: str) -> bool:
    """Whether an agent can run trainings of `framework`."""
    return any(item["framework"] == framework and item.get("available", True) for item in agent.frameworks)


def choose_agent(job: Job, agents: Sequence[Agent], busy: Mapping[str, int], alive_since: datetime) -> Choice:
    """The agent for the next attempt of `job`: alive, with the framework and a free slot, the least busy first.

    Agents that failed the job are avoided while another could take it, for a wrong exclusion must not park a job.
    """
    able = [agent for agent in agents if offers(agent, job.framework)]
    alive = [agent for agent in able if agent.last_seen_at > alive_since]
    if not alive:
        what = f"no agent with {job.framework} is reachable" if able else f"no agent offers {job.framework}"
        return Choice(None, what, reachable=False)
    wanted = [agent for agent in alive if agent.id not in job.excluded_agents] or alive
    free = [agent for agent in wanted if busy.get(agent.id, 0) < agent.slots]
    if not free:
        return Choice(None, "all agents are busy", reachable=True)
    best = min(free, key=lambda agent: (busy.get(agent.id, 0) / max(agent.slots, 1), agent.id))
    return Choice(best, "", reachable=True)


def resume_from(attempts: Sequence[Attempt]) -> tuple[int, dict[str, Any]] | None:
    """Number of the newest attempt that left a checkpoint, and that checkpoint."""
    for attempt in sorted(attempts, key=lambda attempt: -attempt.number):
        if attempt.checkpoint is not None:
            return attempt.number, attempt.checkpoint
    return None
