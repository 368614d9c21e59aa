"""What happens next to a job: which agent, and which checkpoint."""

from datetime import UTC, datetime, timedelta
from typing import Any

from app.db.models import Agent, Attempt, Job
from app.workflows.lifecycle import allot, choose_agent, is_due, is_lost

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def agent(name: str, *, slots: int = 1, age_s: float = 0, framework: str = "ultralytics", available: bool = True) -> Agent:
    offers: list[Any] = [{"framework": framework, "available": available}]
    return Agent(id=name, slots=slots, frameworks=offers, last_seen_at=NOW - timedelta(seconds=age_s))


def job(**fields: Any) -> Job:
    return Job(**{"framework": "ultralytics", "excluded_agents": [], "status": "queued", "retry_at": None, **fields})


def chosen(*agents: Agent, busy: dict[str, int] | None = None, **fields: Any) -> tuple[str | None, str]:
    choice = choose_agent(job(**fields), agents, busy or {}, NOW - timedelta(seconds=30))
    return choice.agent.id if choice.agent else None, choice.reason


def test_the_least_busy_agent_that_is_alive_and_has_the_framework_is_chosen() -> None:
    assert chosen(agent("a", slots=2), agent("b", slots=2), busy={"a": 1}) == ("b", "")
    assert chosen(agent("a", age_s=31), agent("b"))[0] == "b"
    assert chosen(agent("a", framework="sklearn"), agent("b"))[0] == "b"


def test_why_there_is_no_agent_is_told() -> None:
    assert chosen(agent("a"), busy={"a": 1}) == (None, "all agents are busy")
    assert chosen(agent("a", age_s=31)) == (None, "no agent with ultralytics is reachable")
    assert chosen(agent("a", available=False)) == (None, "no agent offers ultralytics")


def test_an_agent_that_failed_the_job_is_left_out_while_there_is_another() -> None:
    assert chosen(agent("a"), agent("b"), excluded_agents=["a"])[0] == "b"
    assert chosen(agent("a"), agent("b"), busy={"b": 1}, excluded_agents=["a"]) == (None, "all agents are busy")
    assert chosen(agent("a"), excluded_agents=["a"])[0] == "a"


def test_a_waiting_job_is_due_when_its_time_has_come() -> None:
    assert is_due(job(status="waiting", retry_at=NOW), NOW)
    assert is_due(job(status="waiting"), NOW)
    assert not is_due(job(status="waiting", retry_at=NOW + timedelta(seconds=1)), NOW)
    assert not is_due(job(status="queued", retry_at=NOW), NOW)


def test_time_in_which_nobody_listened_does_not_make_an_attempt_lost() -> None:
    silent = Attempt(heard_at=NOW - timedelta(hours=1), created_at=NOW - timedelta(hours=2))
    silence = timedelta(seconds=30)
    assert is_lost(silent, NOW, NOW - timedelta(hours=2), silence)
    assert not is_lost(silent, NOW, NOW - timedelta(seconds=5), silence)


def allotted(*queue: Job, agents: list[Agent], busy: dict[str, int] | None = None) -> list[str | None]:
    choices = allot(queue, agents, busy or {}, NOW - timedelta(seconds=30))
    return [choice.agent.id if choice.agent else None for choice in choices.values()]


def test_slots_go_to_the_first_in_the_queue() -> None:
    queue = [job(id=f"J-{number}") for number in range(1, 5)]
    assert allotted(*queue, agents=[agent("a"), agent("b", slots=2)], busy={"b": 1}) == ["a", "b", None, None]


def test_a_job_that_cannot_be_placed_holds_nobody_back() -> None:
    """Neither one of a framework that is busy or that nobody has, nor one that waits for another machine."""
    queue = [
        job(id="J-1", framework="absent"),
        job(id="J-2", framework="sklearn"),
        job(id="J-3", excluded_agents=["a"]),
        job(id="J-4"),
    ]
    agents = [agent("a"), agent("b"), agent("c", framework="sklearn")]
    assert allotted(*queue, agents=agents, busy={"b": 1, "c": 1}) == [None, None, None, "a"]
