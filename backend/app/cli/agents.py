"""`vtp agents …`: the training machines, and whether they are given work."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from app.cli.client import Api
from app.cli.output import Output

cli = typer.Typer(help="See training machines, drain them.", no_args_is_help=True, rich_markup_mode=None)
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name or id of the agent.")]


def told(output: Output, agent: dict[str, Any]) -> None:
    """An agent in a line or two."""
    state = f"silent since {agent['last_seen_at']}" if agent["state"] == "silent" else agent["state"]
    if agent["excluded_until"]:
        state = f"excluded until {agent['excluded_until']}: {agent['excluded_reason']}"
    output.text(f"agent {agent['name']}: {state}, {agent['busy']} of {agent['slots']} slots busy")


@cli.command("list")
def list_agents(context: typer.Context) -> None:
    """List the training machines."""
    output: Output = context.obj
    found = Api().call("GET", "/agents")
    if output.as_json:
        output.data(found)
        return
    for agent in found["items"]:
        told(output, agent)
    if not found["items"]:
        output.text("no agent has reported yet; trainings wait until one does")


@cli.command("drain")
def drain(
    context: typer.Context,
    name: Name,
    stop: Annotated[bool, typer.Option("--stop", help="Stop what runs there; it goes on elsewhere.")] = False,
) -> None:
    """Give a machine no more trainings, so that it can be taken away."""
    _changed(context.obj, Api().call("POST", f"/agents/{quote(name, safe='')}/drain", json={"stop": stop}))


@cli.command("resume")
def resume(context: typer.Context, name: Name) -> None:
    """Give a machine trainings again that was drained or excluded."""
    _changed(context.obj, Api().call("POST", f"/agents/{quote(name, safe='')}/resume"))


def _changed(output: Output, agent: dict[str, Any]) -> None:
    if output.as_json:
        output.data(agent)
        return
    told(output, agent)
    if agent["state"] == "drained" and agent["busy"]:
        output.note(f"{agent['busy']} still running there; see: vtp agents list")
