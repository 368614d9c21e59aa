"""`vtp train`: submit a training and, if wanted, watch it to its end."""

import asyncio
import json
from typing import Annotated, Any

import typer

from app.cli.client import Api
from app.cli.output import EXIT_TRANSIENT, EXIT_USER, Output, exit_code
from app.cli.watch import make_watcher

FINAL = ("succeeded", "failed", "cancelled")


def parse_settings(pairs: list[str]) -> dict[str, Any]:
    """``name=value`` pairs; values are JSON where they can be read as such, else text.

    Raises:
        typer.BadParameter: a pair has no ``=``.
    """
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            message = f"{pair!r} is not name=value"
            raise typer.BadParameter(message)
        try:
            found[name] = json.loads(text)
        except ValueError:
            found[name] = text
    return found


def train(
    context: typer.Context,
    model: Annotated[str, typer.Option("--model", "-m", help="Architecture; `vtp models` lists them.")],
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="Id of a data set; `vtp datasets list`.")],
    epochs: Annotated[int, typer.Option("--epochs", "-e")] = 100,
    batch_size: Annotated[int, typer.Option("--batch-size", "-b")] = 16,
    image_size: Annotated[int | None, typer.Option("--image-size")] = None,
    lr0: Annotated[float | None, typer.Option("--lr0", help="First learning rate.")] = None,
    framework: Annotated[str, typer.Option("--framework")] = "ultralytics",
    name: Annotated[str | None, typer.Option("--name")] = None,
    device: Annotated[str, typer.Option("--device")] = "auto",
    seed: Annotated[int, typer.Option("--seed")] = 0,
    workers: Annotated[int | None, typer.Option("--workers")] = None,
    max_duration: Annotated[int | None, typer.Option("--max-duration", help="Time limit in seconds.")] = None,
    setting: Annotated[list[str] | None, typer.Option("--set", help="Framework setting name=value; may repeat.")] = None,
    exclude_invalid: Annotated[bool, typer.Option("--exclude-invalid", help="Train without broken files.")] = False,
    val_fraction: Annotated[float | None, typer.Option("--val-fraction")] = None,
    weights: Annotated[str | None, typer.Option("--weights", help="Id of uploaded weights.")] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Follow it to its end.")] = False,
) -> int:
    """Submit a training; prints its id."""
    output: Output = context.obj
    api = Api()
    config = {
        "model": model, "dataset_id": dataset, "framework": framework, "epochs": epochs, "batch_size": batch_size,
        "image_size": image_size, "lr0": lr0, "name": name, "device": device, "seed": seed, "workers": workers,
        "max_duration_s": max_duration, "settings": parse_settings(setting or []),
        "exclude_invalid_files": exclude_invalid, "val_fraction": val_fraction, "weights_id": weights,
    }  # fmt: skip
    job_id = api.call("POST", "/training-jobs", json=config, headers={"Prefer": "respond-async"})["job_id"]
    if watch:
        return follow(api, output, job_id)
    if output.as_json:
        output.data({"job_id": job_id})
    else:
        output.text(job_id)
        output.note(f"next: vtp jobs watch {job_id}")
    return 0


def follow(api: Api, output: Output, job_id: str) -> int:
    """Shows a job until it ends; the exit code tells how. Ctrl-C leaves the job running."""
    try:
        job = asyncio.run(_watch(api, output, job_id))
    except KeyboardInterrupt:
        output.note(f"\njob {job_id} keeps running; stop it with: vtp jobs cancel {job_id}")
        return 130
    if output.as_json:
        output.data(job)
    return _end(output, job)


async def _watch(api: Api, output: Output, job_id: str) -> dict[str, Any]:
    watcher = make_watcher(output)
    with watcher:
        async for event in api.events(job_id, 0):
            watcher.event(event)
            if event["type"] == "state" and event["status"] in FINAL:
                break
    job: dict[str, Any] = await asyncio.to_thread(api.call, "GET", f"/training-jobs/{job_id}")
    return job


def _end(output: Output, job: dict[str, Any]) -> int:
    job_id = job["job_id"]
    if job["status"] == "succeeded":
        primary = (job["result"] or {}).get("primary") or {}
        score = f", {primary['name']} {primary['value']:.4f}" if primary else ""
        output.note(f"{job_id} succeeded{score}")
        output.note(f"next: vtp jobs download {job_id}")
        return 0
    if job["status"] == "cancelled":
        output.note(f"{job_id} was cancelled")
        return EXIT_USER
    error = job["error"]
    safe = next((fix for fix in error["fixes"] if fix["applicability"] == "safe"), None)
    hint = f"vtp jobs retry {job_id} --apply {safe['id']}" if safe else f"vtp jobs log {job_id}"
    output.error(error, hint)
    code = exit_code(error)
    # A training that has failed for good is not safe to repeat just because its error's kind is.
    return EXIT_TRANSIENT if code == EXIT_TRANSIENT and error["retryable"] else code
