"""What happens next to a job: pure functions of rows and time. `local` and `temporal` drive them over the database."""

from collections import Counter as Tally
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.db.models import Agent, Artifact, Attempt, Job


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


def resume_from(attempts: Sequence[Attempt], checkpoints: Sequence[Artifact]) -> dict[str, Any] | None:
    """The checkpoint that the next attempt begins with: the newest of the most epochs that is not known to be bad.

    Bad are those that an earlier attempt began with and could not load.
    """
    bad = {
        attempt.resumed_from["sha256"]
        for attempt in attempts
        if attempt.resumed_from is not None and (attempt.diagnosis or {}).get("code") == "CHECKPOINT_INVALID"
    }
    good = [checkpoint for checkpoint in checkpoints if checkpoint.sha256 not in bad]
    if not good:
        return None
    best = max(good, key=lambda checkpoint: (checkpoint.epoch or 0, checkpoint.attempt, checkpoint.created_at))
    return {"attempt": best.attempt, "name": best.name, "epoch": best.epoch or 0, "sha256": best.sha256}
