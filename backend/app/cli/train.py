"""`vtp train`: submit a training and, if wanted, watch it to its end."""

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from app.cli.client import Api, ApiFailure
from app.cli.output import EXIT_INTERRUPTED, EXIT_TRANSIENT, EXIT_USER, Output, exit_code
from app.cli.watch import make_watcher

OPTION_OF = {
    "/model": "--model", "/dataset_id": "--dataset", "/epochs": "--epochs", "/batch_size": "--batch-size",
    "/image_size": "--image-size", "/lr0": "--lr0", "/framework": "--framework", "/workers": "--workers",
    "/val_fraction": "--val-fraction", "/exclude_invalid_files": "--exclude-invalid", "/weights_id": "--weights",
}  # fmt: skip
"""The option that sets a field of the configuration."""
NEED = "What a machine must have: memory=GIB, gpu-memory=GIB or a label name=value; may repeat."
SHORT = {"-m": "--model", "-d": "--dataset", "-e": "--epochs", "-b": "--batch-size"}


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


def parse_needs(pairs: list[str]) -> dict[str, Any] | None:
    """``memory=16`` and ``gpu-memory=8`` in GiB; any other ``name=value`` is a label. None for none.

    Raises:
        typer.BadParameter: a pair has no ``=``, or an amount is no number.
    """
    found: dict[str, Any] = {"labels": {}}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            message = f"{pair!r} is not name=value"
            raise typer.BadParameter(message)
        if name not in ("memory", "gpu-memory"):
            found["labels"][name] = text
            continue
        try:
            found[f"{name.replace('-', '_')}_bytes"] = int(float(text) * 1024**3)
        except ValueError:
            message = f"{pair!r} is no number of GiB"
            raise typer.BadParameter(message) from None
    return found if pairs else None


def train(
    context: typer.Context,
    model: Annotated[str, typer.Option("--model", "-m", help="As listed by `vtp models`.")],
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="As listed by `vtp datasets list`.")],
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
    need: Annotated[list[str] | None, typer.Option("--need", help=NEED)] = None,
    check: Annotated[bool, typer.Option("--check/--no-check", help="Look for everything wrong before submitting.")] = True,
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
        "needs": parse_needs(need or []),
    }  # fmt: skip
    if check:
        code = _checked(api, output, config)
        if code is not None:
            return code
    job_id = api.call("POST", "/training-jobs", json=config, headers={"Prefer": "respond-async"})["job_id"]
    if watch:
        return follow(api, output, job_id)
    if output.as_json:
        output.data({"job_id": job_id})
    else:
        output.text(job_id)
        output.note(f"next: vtp jobs watch {job_id}")
    return 0


def _checked(api: Api, output: Output, config: Mapping[str, Any]) -> int | None:
    """The dry run: tells everything wrong at once and gives the exit code; None where nothing is."""
    found = api.call("POST", "/training-jobs/validate", json=config)
    for warning in found["warnings"]:
        output.note(f"note: {warning['message']}")
        for field in warning["errors"]:
            output.note(f"  {field['pointer'].lstrip('#/')}: {field['message']}")
    if found["valid"]:
        return None
    for error in found["errors"][:-1]:
        output.error(error)
    last = found["errors"][-1]
    fixes = [fix for error in found["errors"] for fix in error.get("fixes") or ()]
    output.error(last, next_command(output.arguments, fixes))
    if len(found["errors"]) == 1 and last["code"] == "DATASET_NOT_FOUND" and not output.as_json:
        from app.cli.suggest import did_you_mean

        hint = did_you_mean(last)
        if hint:
            output.note(hint)
    return exit_code(found["errors"][0])


def next_command(arguments: Sequence[str], fixes: Sequence[Mapping[str, Any]]) -> str | None:
    """The command line with the first fix of each field applied; None where there is none that an option could set."""
    words = [word for argument in arguments for word in _whole(argument)]
    changed: set[str] = set()
    for fix in sorted(fixes, key=lambda fix: fix["applicability"] != "safe"):
        for step in fix["patch"]:
            option = OPTION_OF.get(step["path"])
            if option is None or option in changed or step["op"] == "remove":
                continue
            changed.add(option)
            if step["value"] is True:
                words.append(option)
            elif option in words:
                words[words.index(option) + 1] = str(step["value"])
            else:
                words += [option, str(step["value"])]
    return shlex.join(["vtp", *words]) if changed else None


def _whole(argument: str) -> list[str]:
    """An argument with its option in the long form, and its value apart."""
    option, equals, value = argument.partition("=")
    if argument.startswith("--") and equals and option in OPTION_OF.values():
        return [option, value]
    return [SHORT.get(argument, argument)]


def follow(api: Api, output: Output, job_id: str) -> int:
    """Shows a job until it ends; the exit code tells how. Ctrl-C leaves the job running."""
    import asyncio

    try:
        job = asyncio.run(_watch(api, output, job_id))
    except KeyboardInterrupt:
        output.note(f"\njob {job_id} keeps running; stop it with: vtp jobs cancel {job_id}")
        return EXIT_INTERRUPTED
    if output.as_json:
        output.data(job)
    return _end(api, output, job)


async def _watch(api: Api, output: Output, job_id: str) -> dict[str, Any]:
    import asyncio

    from app.cli.events import events

    watcher = make_watcher(output)
    with watcher:
        async for event in events(api, output, job_id):
            watcher.event(event)
    job: dict[str, Any] = await asyncio.to_thread(api.call, "GET", f"/training-jobs/{job_id}")
    return job


def _end(api: Api, output: Output, job: dict[str, Any]) -> int:
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
    if not output.as_json:
        _last_log(api, output, job)
    output.error(error, hint_for(job_id, error))
    code = exit_code(error)
    # A training that has failed for good is not safe to repeat just because its error's kind is.
    return EXIT_TRANSIENT if code == EXIT_TRANSIENT and error["retryable"] else code


def hint_for(job_id: str, error: Mapping[str, Any]) -> str:
    """The exact next command after a failed job."""
    safe = next((fix for fix in error["fixes"] if fix["applicability"] == "safe"), None)
    return f"vtp jobs retry {job_id} --apply {safe['id']}" if safe else f"vtp jobs log {job_id}"


def _last_log(api: Api, output: Output, job: Mapping[str, Any], lines: int = 10) -> None:
    """The end of the log, which the progress display did not show."""
    from app.core.errors import PlatformError

    params = {"after": max(0, job["last_seq"] - 50), "limit": 100, "attempt": job["attempt"]}
    try:
        pieces = api.call("GET", f"/training-jobs/{job['job_id']}/logs", params=params)["items"]
    except (ApiFailure, PlatformError) as failed:
        output.note(f"the log cannot be had now: {failed}")
        return
    tail = "".join(piece["text"] for piece in pieces).splitlines()[-lines:]
    for line in tail:
        output.note(f"  | {line}")
