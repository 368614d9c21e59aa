"""What is done without, in words for users."""

from typing import Any

import pytest

from app.core.policies import POLICIES
from app.services.degradation import GIB, GRAVEST_FIRST, MEANS, Part, of_agents, of_disk, of_integration
from app.services.probes import BESIDE_POLICIES

GOOD = {"framework": "sklearn", "available": True, "reason": None}
BAD = {"framework": "sklearn", "available": False, "reason": "not installed"}


def agent(state: str, *, alive: bool = True, frameworks: tuple[dict[str, Any], ...] = (GOOD,)) -> dict[str, Any]:
    return {"name": f"m-{state}", "state": state, "alive": alive, "frameworks": list(frameworks)}


def item(name: str = "mlflow", **more: Any) -> dict[str, Any]:
    usual = {"title": "MLflow", "state": None, "reachable": True, "switched_off": False, "asked": 0, "away": 0}
    return {"name": name, **usual, **more}


def test_every_integration_has_a_sentence() -> None:
    assert set(MEANS) == {*POLICIES, *BESIDE_POLICIES}
    assert sorted(GRAVEST_FIRST) == sorted({*MEANS, "agents", "disk"})


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ({"state": "ISOLATED", "reachable": False}, "MLflow is switched off by hand"),
        ({"state": "OPEN"}, "MLflow is out of service"),
        ({"state": "OPEN", "reachable": False}, "MLflow cannot be reached"),
        ({"state": "HALF_OPEN"}, "MLflow is being tried again"),
        ({"reachable": False}, "MLflow cannot be reached"),
        ({"reachable": None}, None),
        ({"state": "CLOSED"}, None),
    ],
)
def test_an_integration_says_what_is_wrong_and_what_it_means(wrong: dict[str, Any], what: str | None) -> None:
    part = of_integration(item(**wrong))
    assert part == (Part("mlflow", what, MEANS["mlflow"]) if what else None)


@pytest.mark.parametrize(
    ("asked", "away", "more", "what"),
    [
        (0, 0, {"reachable": None, "state": "OPEN"}, None),
        (3, 0, {"state": "OPEN"}, None),
        (3, 1, {"state": "OPEN"}, "1 of 3 agents cannot be reached"),
        (2, 2, {"reachable": False}, "Trainer cannot be reached"),
        (2, 2, {"state": "OPEN"}, "Trainer is out of service"),
        (2, 0, {"state": "ISOLATED", "switched_off": True}, "Trainer is switched off by hand"),
    ],
)
def test_one_agent_of_several_that_is_away_is_not_all_of_them(
    asked: int, away: int, more: dict[str, Any], what: str | None
) -> None:
    part = of_integration(item("trainer", title="Trainer", asked=asked, away=away, **more))
    assert (part and part.what) == what


@pytest.mark.parametrize(
    ("agents", "what"),
    [
        ([], "No agent has reported yet"),
        ([agent("silent", alive=False)], "No agent is alive"),
        ([agent("drained", alive=False)], "No agent is alive"),
        ([agent("drained"), agent("silent", alive=False)], "Every agent that is alive is drained"),
        ([agent("drained"), agent("excluded")], "Too much fails on every agent that is left"),
        ([agent("ready", frameworks=(BAD,))], "No agent has a framework that works"),
        ([agent("ready", frameworks=(BAD,)), agent("drained")], "Every agent that is alive is drained"),
        ([agent("ready"), agent("drained"), agent("silent", alive=False)], None),
        ([agent("ready", frameworks=(BAD, GOOD))], None),
    ],
)
def test_agents_that_take_no_training_are_said_to_take_none(agents: list[dict[str, Any]], what: str | None) -> None:
    part = of_agents(agents)
    assert (part and part.what) == what


def test_the_command_that_helps_names_the_agent() -> None:
    part = of_agents([agent("drained")])
    assert part is not None
    assert "`vtp agents resume m-drained`" in part.means


def test_a_disk_that_is_nearly_full_is_said_to_be() -> None:
    assert of_disk(10 * GIB, 100 * GIB) is None
    part = of_disk(9 * GIB, 100 * GIB)
    assert part is not None
    assert part.what == "The disk has 9.0 GiB left"
