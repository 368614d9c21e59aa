"""Settings of the agent."""

import pytest

from trainers.agent.settings import AgentSettings


def test_defaults_are_those_of_the_documents() -> None:
    found = AgentSettings.read({})
    assert (found.heartbeat, found.grace) == (10, 10)
    assert found.hang.least == 60


def test_times_come_from_the_environment() -> None:
    names = {"VTP_HEARTBEAT_SECONDS": "1", "VTP_GRACE_SECONDS": "2", "VTP_HANG_LEAST_SECONDS": "3.5"}
    found = AgentSettings.read(names, memory_limit=7)
    assert (found.heartbeat, found.grace, found.hang.least, found.memory_limit) == (1, 2, 3.5, 7)


@pytest.mark.parametrize("value", ["0", "-1", "nan", "soon"])
def test_a_time_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r"VTP_GRACE_SECONDS|could not convert"):
        AgentSettings.read({"VTP_GRACE_SECONDS": value})
