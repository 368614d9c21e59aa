"""What the platform does without at the moment, and what that means for its users: the one place with these sentences.

Pure functions of what is known of integrations, agents and disk.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MEANS = {
    "trainer": "Trainings that run go on; new ones wait until an agent can be reached.",
    "mlflow": "Trainings go on; their figures are kept and handed on when MLflow is back.",
    "storage": "Nothing can be uploaded or downloaded; agents keep their files and deliver them later.",
    "temporal": "Trainings that run go on; new ones start when Temporal is back.",
    "database": "Requests are refused; agents keep what they have to tell and deliver it later.",
    "llm": "Failures are explained in the catalogue's own words.",
    "alerts": "Nobody is told of errors at once; the error pages and `/metrics` show them all the same.",
    "alertmanager": "What fires is not shown here; it is told by Alertmanager's own ways as soon as it runs.",
    "sentry": "Failures do not reach Sentry; the error pages here have them all.",
    "traces": "Traces of this time are lost; logs and errors keep their trace ids.",
}
"""What users notice while an integration is away."""
GRAVEST_FIRST = (
    "database", "agents", "trainer", "temporal", "storage", "disk",
    "mlflow", "alerts", "alertmanager", "sentry", "traces", "llm",
)  # fmt: skip
LITTLE = 0.1
"""Share of the disk below which little is free."""
GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the platform that does not do all it should: `what` is wrong, as a fragment, and what it `means`."""

    name: str
    what: str
    means: str


def of_integration(item: Mapping[str, Any]) -> Part | None:
    """What is lost with an integration as it stands (a row of `services.standing`); None where nothing is."""
    name = item["name"]
    if name == "trainer" and not item["switched_off"]:
        asked, away = item["asked"], item["away"]
        if away < asked or not asked:
            # With no agent alive it is the agents that are missing, and not the way to them.
            return _some_agents(asked, away)
    what = _wrong_with(item)
    return Part(name, f"{item['title']} {what}", MEANS[name]) if what else None


def _wrong_with(item: Mapping[str, Any]) -> str | None:
    if item["state"] == "ISOLATED":
        return "is switched off by hand"
    if item["reachable"] is False:
        return "cannot be reached"
    if item["state"] == "OPEN":
        return "is out of service"
    return "is being tried again" if item["state"] == "HALF_OPEN" else None


def _some_agents(asked: int, away: int) -> Part | None:
    if not away:
        return None
    return Part("trainer", f"{away} of {asked} agents cannot be reached", "New trainings go to the others.")


def of_agents(agents: Sequence[Mapping[str, Any]]) -> Part | None:
    """Why no training could start on any agent now, in view of the agents (`services.views.agent_view`)."""
    if any(agent["state"] == "ready" and _usable(agent) for agent in agents):
        return None
    if not agents:
        means = "Trainings wait until one does. Start one with `vtp up` or `vtp-agent`."
        return Part("agents", "No agent has reported yet", means)
    alive = [agent for agent in agents if agent["alive"]]
    usable = {agent["state"]: agent["name"] for agent in alive if _usable(agent)}
    if "excluded" in usable:
        resume = f"`vtp agents resume {usable['excluded']}`"
        means = f"Trainings go there for want of another. Look at what fails there, then {resume}."
        return Part("agents", "Too much fails on every agent that is left", means)
    if "drained" in usable:
        means = f"Trainings wait until one is resumed: `vtp agents resume {usable['drained']}`."
        return Part("agents", "Every agent that is alive is drained", means)
    if alive:
        means = "Trainings wait until one has. Each agent says what is wrong with its frameworks."
        return Part("agents", "No agent has a framework that works", means)
    return Part("agents", "No agent is alive", "Trainings wait until one reports. Start one with `vtp up` or `vtp-agent`.")


def _usable(agent: Mapping[str, Any]) -> bool:
    return any(framework["available"] is not False for framework in agent["frameworks"])


def of_disk(free_bytes: int, total_bytes: int) -> Part | None:
    """What a disk that is nearly full means."""
    if free_bytes >= LITTLE * total_bytes:
        return None
    means = "Uploads and checkpoints fail when it is full. Delete data sets that are not needed."
    return Part("disk", f"The disk has {free_bytes / GIB:.1f} GiB left", means)
