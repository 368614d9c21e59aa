"""The warning that no machine takes a training as it is: what it asks for in vain, and what would do. Pure.

Such a training is accepted all the same, and waits: a machine that fits may come.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from app.core.errors import FieldError, Fix, PlatformError
from app.core.responses import public
from app.db.models import Agent
from app.services.fit import GIB, gpu_memory_of, gpus_of, gpus_wanted, labels_of, memory_of, misfit, offers

NAMED = 3
"""Machines that are named at most."""
Vain = tuple[FieldError, Fix]


def no_machine(agents: Sequence[Agent], config: Mapping[str, Any], alive_since: datetime) -> dict[str, Any] | None:
    """The warning, in the form of an error; None where some machine takes the training, now or when it is free."""
    framework = str(config["framework"])
    able = [agent for agent in agents if offers(agent, framework)]
    alive = [agent for agent in able if agent.last_seen_at > alive_since]
    given = [agent for agent in alive if agent.drained_at is None]
    if not given:
        return _nobody(framework, able, alive)
    if any(misfit(agent, config) is None for agent in given):
        return None
    vain = list(_in_vain(given, config)) or [_together(given, config)]
    error = PlatformError.from_code("INVALID_CONFIG", errors=[field for field, _ in vain], fixes=[fix for _, fix in vain])
    return {
        **public(error),
        "message": f"No machine with {framework} fits this training; it would wait until one does.",
        "suggested_action": "Ask for less, or start an agent on a machine that has it.",
    }


def _nobody(framework: str, able: Sequence[Agent], alive: Sequence[Agent]) -> dict[str, Any]:
    """Machines would fit, but none of them is given trainings now, or there is none."""
    if alive:
        what = f"Every agent with {framework} is drained; this training would wait until one is resumed."
        action = f"Resume one: `vtp agents resume {alive[0].name}`."
    elif able:
        what = f"No agent with {framework} is alive; this training would wait until one reports."
        action = f"Look at {able[0].name}, or start another agent with {framework}."
    else:
        what = f"No agent offers {framework} now; this training would wait until one does."
        action = "Look at the System page: each agent says what is wrong with its frameworks."
    error = PlatformError.from_code("TRAINER_UNREACHABLE")
    return {**public(error), "message": what, "suggested_action": action}


def _in_vain(agents: Sequence[Agent], config: Mapping[str, Any]) -> Iterator[Vain]:
    """What the configuration asks for that not a single one of these machines has."""
    needs, device = config.get("needs") or {}, str(config.get("device") or "auto")
    wanted, most = gpus_wanted(device), max(len(gpus_of(agent)) for agent in agents)
    if most < wanted:
        other = ",".join(str(number) for number in range(most)) or "auto"
        what = f"`{device}` needs {_gpus(wanted)}; the machine with most has {most or 'none'}"
        yield FieldError("#/device", "no_machine", what), _set("use-device", f"Device {device} → {other}", "/device", other)
    for name, words, largest in (
        ("memory_bytes", "memory", max(map(memory_of, agents))),
        ("gpu_memory_bytes", "GPU memory", max(map(gpu_memory_of, agents))),
    ):
        asked = needs.get(name) or 0
        if largest >= asked:
            continue
        what = f"{_gib(asked)} of {words} are asked for; the largest machine has {_gib(largest)}"
        path, label = f"/needs/{name}", f"Ask for {_gib(largest)} of {words}"
        fix = _set(f"bound-{name}", label, path, largest) if largest else _unasked(name, f"Do not ask for {words}", path)
        yield FieldError(f"#{path}", "no_machine", what), fix
    for name, value in (needs.get("labels") or {}).items():
        there = sorted({labels_of(agent)[name] for agent in agents if name in labels_of(agent)})
        if value in there:
            continue
        path = f"/needs/labels/{name.replace('~', '~0').replace('/', '~1')}"
        others = ", ".join(f"`{name}={other}`" for other in there[:NAMED])
        what = f"no machine is labelled `{name}={value}`; {f'there are {others}' if others else 'nor with another value'}"
        yield FieldError(f"#{path}", "no_machine", what), _unasked(name, f"Do not ask for the label {name}", path)


def _together(agents: Sequence[Agent], config: Mapping[str, Any]) -> Vain:
    """Each single wish can be met, but by no machine all of them."""
    told = "; ".join(f"{agent.name} {misfit(agent, config)}" for agent in agents[:NAMED])
    field = FieldError("#/needs", "no_machine", f"each machine lacks something: {told}")
    return field, _unasked("machine", "Ask for no particular machine", "/needs")


def _set(fix_id: str, label: str, path: str, value: Any) -> Fix:
    return Fix(fix_id, label, "review", ({"op": "replace", "path": path, "value": value},))


def _unasked(name: str, label: str, path: str) -> Fix:
    """Asks no longer for something."""
    return Fix(f"use-any-{name}", label, "review", ({"op": "remove", "path": path},))


def _gpus(number: int) -> str:
    return f"{number} GPU{'s' if number > 1 else ''}"


def _gib(size: int) -> str:
    return f"{size / GIB:.3g} GiB"
