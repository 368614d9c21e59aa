"""`vtp models`: what can be trained."""

from typing import Annotated

import typer

from app.cli.client import Api
from app.cli.output import Output


def models(
    context: typer.Context,
    task: Annotated[str | None, typer.Option("--task", help="detect or classify.")] = None,
    search: Annotated[str | None, typer.Option("--search", "-s", help="Part of a name.")] = None,
) -> None:
    """List the models that can be trained."""
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
