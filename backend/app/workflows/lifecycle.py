"""What happens next to a job: pure functions of rows and time. `local` and `temporal` drive them over the database."""

from collections import Counter as Tally
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.db.models import Agent, Attempt, Job
from app.services.fit import misfit, offers

NAMED = 3
"""Agents that are named where none fits."""


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


def choose_agent(job: Job, agents: Sequence[Agent], busy: Mapping[str, int], alive_since: datetime) -> Choice:
    """The agent for the next attempt of `job`: alive, not drained, fitting, with a free slot, the least busy first.

    Agents that failed the job, and those on which much else fails, are avoided while another could take it, for a wrong
    exclusion must not park a job.
    """
    able = [agent for agent in agents if offers(agent, job.framework)]
    alive = [agent for agent in able if agent.last_seen_at > alive_since]
    if not alive:
        what = f"no agent with {job.framework} is reachable" if able else f"no agent offers {job.framework}"
        return Choice(None, what, reachable=False)
    misfits = {agent.id: "is drained" if agent.drained_at else misfit(agent, job.config or {}) for agent in alive}
    fitting = [agent for agent in alive if misfits[agent.id] is None]
    if not fitting:
        told = "; ".join(f"{agent.name} {misfits[agent.id]}" for agent in alive[:NAMED])
        return Choice(None, f"no agent with {job.framework} fits: {told}", reachable=True)
    sound = [agent for agent in fitting if agent.excluded_until is None] or fitting
    wanted = [agent for agent in sound if agent.id not in job.excluded_agents] or sound
    free = [agent for agent in wanted if busy.get(agent.id, 0) < agent.slots]
    if not free:
        return Choice(None, "all agents are busy", reachable=True)
    best = min(free, key=lambda agent: (busy.get(agent.id, 0) / max(agent.slots, 1), agent.id))
    return Choice(best, "", reachable=True)


def allot(
    queue: Iterable[Job], agents: Sequence[Agent], busy: Mapping[str, int], alive_since: datetime
) -> dict[str, Choice]:
    """What each job of `queue` gets, by id: the first chooses first, and the slot it gets is taken for the others.

    A job that gets none takes nothing from those behind it.
    """
    taken, choices = Tally(busy), {}
    for job in queue:
        choice = choices[job.id] = choose_agent(job, agents, taken, alive_since)
        if choice.agent is not None:
            taken[choice.agent.id] += 1
    return choices


def knows(job: Job, choice: Choice | None) -> bool:
    """Whether a queued job can only wait, and says so already: a thousand of them cost a round next to nothing."""
    return choice is not None and choice.agent is None and (job.progress or {}).get("waiting_for") == choice.reason
