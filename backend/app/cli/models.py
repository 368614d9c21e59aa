"""`vtp models`: what can be trained, and weights to start from."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.client import Api
from app.cli.output import Output
from app.cli.sending import sent

cli = typer.Typer(help="List the models that can be trained; bring weights to start from.", rich_markup_mode=None)


@cli.callback(invoke_without_command=True)
def models(
    context: typer.Context,
    task: Annotated[str | None, typer.Option("--task", help="detect or classify.")] = None,
    search: Annotated[str | None, typer.Option("--search", "-s", help="Part of a name.")] = None,
) -> None:
    """List the models that can be trained; bring weights to start from."""
    if context.invoked_subcommand is not None:
        return
    output: Output = context.obj
    found = Api().call("GET", "/frameworks")["items"]
    listed = [
        {"framework": framework["framework"], **model}
        for framework in found
        for model in framework["models"]
        if (task is None or model["task"] == task) and (search is None or search.lower() in model["name"].lower())
    ]
    rows = [(item["name"], item["task"], item["framework"], item["family"]) for item in listed]
    output.result(listed, ("MODEL", "TASK", "FRAMEWORK", "FAMILY"), rows)
    if not rows:
        output.note("no model fits; `vtp status` tells whether an agent is ready")


@cli.command("add")
def add(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Weights, for example best.pt.", exists=True, dir_okay=False)],
    name: Annotated[str | None, typer.Option("--name", help="Default: the file's name.")] = None,
) -> None:
    """Upload weights to start trainings from; prints their id."""
    output: Output = context.obj
    found = sent(Api(), output, "/weights", file, {"name": name or file.name}, "application/octet-stream")
    if output.as_json:
        output.data(found)
        return
    output.text(found["weights_id"])
    output.note(f"next: vtp train --model MODEL --dataset ID --weights {found['weights_id']}")


@cli.command("weights")
def weights(context: typer.Context) -> None:
    """List the weights that were brought, newest first."""
    output: Output = context.obj
    found = Api().call("GET", "/weights")
    rows = [(item["weights_id"], item["name"], item["bytes"], item["created_at"]) for item in found["items"]]
    output.result(found, ("WEIGHTS", "NAME", "BYTES", "ADDED"), rows)
    if not rows:
        output.note("no weights; add some with: vtp models add FILE")
