"""`vtp datasets …`: bring images, see what is wrong with them."""

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.client import Api
from app.cli.direct import sent_direct
from app.cli.output import EXIT_USER, Output, exit_code
from app.cli.sending import packed, sent

cli = typer.Typer(help="Bring images, see what is wrong with them.", no_args_is_help=True, rich_markup_mode=None)
DatasetId = Annotated[str, typer.Argument(metavar="DATASET")]
POLL_SECONDS = 0.2
SHOWN_ITEMS = 10


def _wait(api: Api, output: Output, dataset: dict[str, Any]) -> dict[str, Any]:
    dataset_id = dataset["dataset_id"]
    try:
        while dataset["status"] == "checking":
            time.sleep(POLL_SECONDS)
            dataset = api.call("GET", f"/datasets/{dataset_id}")
    except KeyboardInterrupt:
        output.note(f"\nthe check goes on; see: vtp datasets show {dataset_id}")
        raise
    return dataset


def _told(output: Output, dataset: dict[str, Any]) -> int:
    if output.as_json:
        output.data(dataset)
    else:
        output.text(dataset["dataset_id"])
        counts = ", ".join(f"{count} {split}" for split, count in dataset["counts"].items() if count)
        output.note(f"{dataset['status']}: {dataset['task'] or 'unknown task'}, {counts or 'no images'}")
    if dataset["error"] is None:
        return 0
    output.error(dataset["error"], f"vtp datasets show {dataset['dataset_id']}")
    # Data that cannot be trained on as it is stays so; a check that failed for our own reasons can be repeated.
    return EXIT_USER if dataset["status"] == "invalid" else exit_code(dataset["error"])


@cli.command("add")
def add(
    context: typer.Context,
    path: Annotated[
        Path, typer.Argument(metavar="FILE", help="A zip or a folder: YOLO detection or one folder a class.", exists=True)
    ],
    name: Annotated[str | None, typer.Option("--name", help="Default: the name of the file or folder.")] = None,
) -> int:
    """Upload a zip or a folder and check it; exit code 3 where it cannot be trained on as it is."""
    api, output = Api(), context.obj
    called = name or (path.resolve().name if path.is_dir() else path.stem)
    with packed(path, output) as file:
        created = sent_direct(api, output, file, called) or sent(
            api, output, "/datasets", file, {"name": called}, "application/zip"
        )
    return _told(output, _wait(api, output, created))


@cli.command("sample")
def sample(
    context: typer.Context,
    which: Annotated[str, typer.Argument(help="digits-classify, digits-detect or digits-broken.")] = "digits-classify",
    name: Annotated[str | None, typer.Option("--name")] = None,
) -> int:
    """Take in a sample set that ships with vtp."""
    api = Api()
    created = api.call("POST", "/datasets/samples", json={"sample": which, "dataset_id": name})
    return _told(context.obj, _wait(api, context.obj, created))


@cli.command("list")
def list_datasets(context: typer.Context) -> None:
    """List data sets, newest first."""
    output: Output = context.obj
    found = Api().call("GET", "/datasets")
    rows = [
        (item["dataset_id"], item["status"], item["task"], len(item["classes"]), item["counts"].get("train"),
         item["counts"].get("val"), item["error"]["message"] if item["error"] else "")
        for item in found["items"]
    ]  # fmt: skip
    output.result(found, ("DATA SET", "STATUS", "TASK", "CLASSES", "TRAIN", "VAL", "PROBLEM"), rows)
    if not rows:
        output.note("no data sets; add one with: vtp datasets add FILE.zip, or vtp datasets sample")


@cli.command("show")
def show(context: typer.Context, dataset_id: DatasetId) -> None:
    """Show a data set and every problem found in it."""
    output: Output = context.obj
    report = Api().call("GET", f"/datasets/{dataset_id}/report")
    if output.as_json:
        output.data(report)
        return
    output.text(f"{report['dataset_id']}  {report['status']}  {report['task']}  {len(report['classes'])} classes")
    for group in report["problems"]:
        output.text(f"{group['severity']}: {group['title']}: {group['count']}")
        for item in group["items"][:SHOWN_ITEMS]:
            line = f":{item['line']}" if item["line"] else ""
            output.text(f"    {item['file']}{line}  {item['detail']}")
        if group["count"] > SHOWN_ITEMS:
            output.text(f"    … and {group['count'] - SHOWN_ITEMS} more")
    if report["why_not_excludable"]:
        output.text(f"training without these files is not offered: {report['why_not_excludable']}")
    if any(group["count"] > SHOWN_ITEMS for group in report["problems"]):
        output.note(f"every problem: vtp datasets problems {dataset_id}")
    if report["error"]:
        output.error(report["error"])


@cli.command("problems")
def problems(context: typer.Context, dataset_id: DatasetId) -> None:
    """Print every problem found, as CSV; as lines of JSON with --json."""
    form = "jsonl" if context.obj.as_json else "csv"
    for chunk in Api().stream(f"/datasets/{dataset_id}/problems", format=form):
        sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()


@cli.command("check")
def check(context: typer.Context, dataset_id: DatasetId) -> int:
    """Check a data set once more whose check failed for a reason that was not the data's."""
    api = Api()
    return _told(context.obj, _wait(api, context.obj, api.call("POST", f"/datasets/{dataset_id}/check")))


@cli.command("remove")
def remove(context: typer.Context, dataset_id: DatasetId) -> None:
    """Remove a data set that no open job uses."""
    output: Output = context.obj
    Api().call("DELETE", f"/datasets/{dataset_id}")
    if output.as_json:
        output.data({"dataset_id": dataset_id, "removed": True})
    output.note(f"{dataset_id} removed")
