"""Which trainings fit which machine, and which machine is chosen."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.db.models import Agent, Job
from app.services.fit import GIB, gpus_wanted, misfit
from app.workflows.lifecycle import choose_agent

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
SINCE = AT - timedelta(seconds=30)


def agent(name: str = "a", **values: Any) -> Agent:
    given = {"resources": {}, "slots": 1, "frameworks": [{"framework": "x"}], "last_seen_at": AT, **values}
    return Agent(id=name, name=name, **given)


def job(excluded: tuple[str, ...] = (), **config: Any) -> Job:
    return Job(id="J-1", framework="x", config=config, excluded_agents=list(excluded))


@pytest.mark.parametrize(
    ("device", "wanted"), [("auto", 0), ("cpu", 0), ("0", 1), ("1", 2), ("0,1", 2), ("cuda:0", 1), ("mps", 0), ("", 0)]
)
def test_a_device_setting_needs_as_many_gpus_as_its_highest_number_says(device: str, wanted: int) -> None:
    assert gpus_wanted(device) == wanted


GPU = {"gpus": [{"name": "T4", "memory_bytes": 16 * GIB}]}


@pytest.mark.parametrize(
    ("resources", "config", "told"),
    [
        ({}, {}, None),
        ({}, {"device": "0"}, "has 0 of 1 GPUs"),
        (GPU, {"device": "0"}, None),
        (GPU, {"device": "0,1"}, "has 1 of 2 GPUs"),
        (GPU, {"needs": {"gpu_memory_bytes": 16 * GIB}}, None),
        (GPU, {"needs": {"gpu_memory_bytes": 24 * GIB}}, "has 16 of 24 GiB of GPU memory"),
        ({"memory_bytes": 8 * GIB}, {"needs": {"memory_bytes": 8 * GIB}}, None),
        (
            {"memory_bytes": 8 * GIB, "memory_limit_bytes": 4 * GIB},
            {"needs": {"memory_bytes": 8 * GIB}},
            "has 4 of 8 GiB of memory",
        ),
        ({"labels": {"zone": "eu"}}, {"needs": {"labels": {"zone": "eu"}}}, None),
        ({"labels": {"zone": "us"}}, {"needs": {"labels": {"zone": "eu"}}}, "is not labelled zone=eu"),
        ({}, {"needs": {"labels": {"zone": "eu"}}}, "is not labelled zone=eu"),
        ({}, {"needs": None}, None),
    ],
)
def test_what_a_machine_misses_is_said(resources: dict[str, Any], config: dict[str, Any], told: str | None) -> None:
    assert misfit(agent(resources=resources), config) == told


def test_a_training_goes_to_the_machine_that_it_fits_however_busy_the_others_are_not() -> None:
    small, big = agent("small", slots=8), agent("big", resources=GPU)
    assert choose_agent(job(device="0"), [small, big], {}, SINCE).agent is big
    waiting = choose_agent(job(device="0"), [small, big], {"big": 1}, SINCE)
    assert (waiting.agent, waiting.reason, waiting.reachable) == (None, "all agents are busy", True)


def test_where_a_training_fits_nowhere_it_waits_and_says_what_each_machine_misses() -> None:
    choice = choose_agent(job(device="0"), [agent("a"), agent("b", drained_at=AT)], {}, SINCE)
    assert choice.reason == "no agent with x fits: a has 0 of 1 GPUs; b is drained"
    assert (choice.agent, choice.reachable) == (None, True)


def test_a_drained_machine_gets_nothing() -> None:
    drained, other = agent("a", drained_at=AT, slots=9), agent("b")
    assert choose_agent(job(), [drained, other], {}, SINCE).agent is other
    assert choose_agent(job(), [drained], {}, SINCE).agent is None


def test_an_excluded_machine_is_the_last_resort() -> None:
    lemon, other = agent("a", excluded_until=AT, slots=9), agent("b")
    assert choose_agent(job(), [lemon, other], {}, SINCE).agent is other
    assert choose_agent(job(), [lemon, other], {"b": 1}, SINCE).agent is None
    # Rather where this very job has failed than where most do.
    assert choose_agent(job(("b",)), [lemon, other], {}, SINCE).agent is other
    assert choose_agent(job(), [lemon], {}, SINCE).agent is lemon
