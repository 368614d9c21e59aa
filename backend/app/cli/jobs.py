"""`vtp jobs …`: look at jobs, stop them, try them again, get their files."""

from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.client import Api
from app.cli.output import EXIT_INTERRUPTED, Output
from app.cli.train import follow, hint_for

cli = typer.Typer(
    help="Look at jobs, stop them, try them again, get their files.", no_args_is_help=True, rich_markup_mode=None
)


def job_id_of(text: str) -> str:
    """A job's id, also where only its number is given, or its letter is small."""
    number = text.upper().removeprefix("J-")
    return f"J-{number}" if number.isdecimal() else text


JobId = Annotated[str, typer.Argument(metavar="JOB", help="For example J-12, or 12.", parser=job_id_of)]


def _progress(job: dict[str, Any]) -> str:
    progress = job["progress"] or {}
    if job["status"] == "running" and progress.get("epoch"):
        return f"epoch {progress['epoch']}/{progress.get('epochs')}"
    primary = (job["result"] or {}).get("primary")
    return f"{primary['name'].rsplit('/')[-1]} {primary['value']:.4f}" if primary else progress.get("waiting_for", "")


@cli.command("list")
def list_jobs(
    context: typer.Context,
    status: Annotated[list[str] | None, typer.Option("--status", help="May repeat.")] = None,
    code: Annotated[str | None, typer.Option("--code", help="Failure code.")] = None,
    search: Annotated[str | None, typer.Option("--search", "-s")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=500)] = 20,
) -> None:
    """List jobs, newest first."""
    output: Output = context.obj
    params = {"status": status, "code": code, "q": search, "limit": limit}
    found = Api().call("GET", "/training-jobs", params={key: value for key, value in params.items() if value is not None})
    rows = [
        (job["job_id"], job["status"], job["model"], job["dataset_id"], _progress(job),
         f"{job['error']['code']}: {job['error']['message']}" if job["error"] else "")
        for job in found["items"]
    ]  # fmt: skip
    output.result(found, ("JOB", "STATUS", "MODEL", "DATA SET", "PROGRESS", "REASON"), rows)
    if rows and found["total"] > len(rows):
        output.note(f"{len(rows)} of {found['total']}; see more with --limit")
    if not rows:
        output.note("no jobs; start one with: vtp train --model yolo11n-cls --dataset ID")


@cli.command("show")
def show_job(context: typer.Context, job_id: JobId) -> None:
    """Show one job with its attempts."""
    output: Output = context.obj
    api = Api()
    job = api.call("GET", f"/training-jobs/{job_id}")
    attempts = api.call("GET", f"/training-jobs/{job_id}/attempts")["items"]
    if output.as_json:
        output.data({**job, "attempts": attempts})
        return
    for key in ("job_id", "name", "status", "framework", "model", "dataset_id", "created_at", "started_at", "finished_at"):
        if job[key] is not None:
            output.text(f"{key:12} {job[key]}")
    if job["result"]:
        output.text(f"{'result':12} {_progress(job)}")
    for attempt in attempts:
        error, decision = attempt["error"], attempt["decision"]
        output.text(f"attempt {attempt['attempt']:<4} {attempt['status']}" + (f": {error['message']}" if error else ""))
        for line in (attempt["diagnosis"] or {}).get("evidence", ()):
            output.text(f"    because: {line}")
        if decision:
            output.text(f"    then: {decision['reason']}")
    if job["error"]:
        output.error(job["error"], hint_for(job_id, job["error"]))


@cli.command("watch")
def watch_job(context: typer.Context, job_id: JobId) -> int:
    """Follow a job to its end; the exit code tells how it ended."""
    return follow(Api(), context.obj, job_id)


@cli.command("cancel")
def cancel_job(context: typer.Context, job_id: JobId) -> None:
    """Stop a job."""
    output: Output = context.obj
    job = Api().call("POST", f"/training-jobs/{job_id}/cancel")
    if output.as_json:
        output.data(job)
    else:
        output.text(f"{job_id} {job['status']}")


@cli.command("retry")
def retry_job(
    context: typer.Context,
    job_id: JobId,
    apply: Annotated[str | None, typer.Option("--apply", help="Id of an offered fix.")] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w")] = False,
) -> int:
    """Submit a failed job again, with a fix applied if one is named; prints the new job's id."""
    output: Output = context.obj
    api = Api()
    new_id = api.call("POST", f"/training-jobs/{job_id}/retry", json={"fix_id": apply})["job_id"]
    if watch:
        return follow(api, output, new_id)
    if output.as_json:
        output.data({"job_id": new_id})
    else:
        output.text(new_id)
        output.note(f"next: vtp jobs watch {new_id}")
    return 0


@cli.command("explain")
def explain_job(context: typer.Context, job_id: JobId) -> None:
    """Tell why a job failed, in more words where a language model is set up."""
    output: Output = context.obj
    found = Api().call("GET", f"/training-jobs/{job_id}/explanation")
    if output.as_json:
        output.data(found)
        return
    output.text(found["text"])
    for line in found["evidence"]:
        output.text(f"because: {line}")
    likely = "" if found["confidence"] is None else f", confidence {found['confidence']:.0%}"
    output.text(f"code: {found['code']}{likely} (vtp explain {found['code']})")
    if found["reason"] == "pending":
        output.note("a longer explanation is being written; ask again in a moment")
    elif found["reason"] == "budget":
        output.note("the language model has been asked as often as it may be today; these are the catalogue's words")
    elif found["reason"] == "unavailable":
        output.note("the language model has not answered; these are the catalogue's words")
    elif found["model"]:
        output.note(f"worded by {found['model']}; the verdict is not")


@cli.command("log")
def show_log(
    context: typer.Context,
    job_id: JobId,
    attempt: Annotated[int | None, typer.Option("--attempt", "-a")] = None,
    follow_it: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job ends.")] = False,
) -> int:
    """Print a job's log."""
    output: Output = context.obj
    api, after = Api(), 0
    while True:
        params = {"after": after, "limit": 1000} | ({"attempt": attempt} if attempt else {})
        page = api.call("GET", f"/training-jobs/{job_id}/logs", params=params)
        for piece in page["items"]:
            _print_piece(output, piece)
            after = piece["seq"]
        if page["next"] is None:
            break
    return _follow_log(api, output, job_id, after, attempt) if follow_it else 0


def _print_piece(output: Output, piece: dict[str, Any]) -> None:
    if output.as_json:
        output.row(piece)
        return
    if piece.get("dropped_bytes"):
        output.text(f"… {piece['dropped_bytes']} bytes left out …")
    output.text(piece["text"].rstrip("\n"))


def _follow_log(api: Api, output: Output, job_id: str, after: int, attempt: int | None) -> int:
    """Prints what comes after `after` until the job ends or Ctrl-C."""
    import asyncio

    from app.cli.events import events

    async def rest() -> None:
        async for event in events(api, output, job_id, after):
            if event["type"] == "log" and attempt in (None, event["attempt"]):
                _print_piece(output, event)

    job = api.call("GET", f"/training-jobs/{job_id}")
    if job["finished_at"] is not None and job["last_seq"] <= after:
        return 0
    try:
        asyncio.run(rest())
    except KeyboardInterrupt:
        output.note(f"\njob {job_id} keeps running; stop it with: vtp jobs cancel {job_id}")
        return EXIT_INTERRUPTED
    return 0


@cli.command("download")
def download(
    context: typer.Context,
    job_id: JobId,
    name: Annotated[str | None, typer.Argument(help="File name; default: the best weights.")] = None,
    target: Annotated[Path | None, typer.Option("--output", "-o", help="Where to put it.")] = None,
) -> None:
    """Get a file of a job: the best weights, or another by name."""
    output: Output = context.obj
    api = Api()
    files = api.call("GET", f"/training-jobs/{job_id}/artifacts")["items"]
    wanted = name or next((file["name"] for file in files if file["name"].startswith("best.")), "best.pt")
    path = target or Path(Path(wanted).name)
    size = api.download(f"/training-jobs/{job_id}/artifacts/{wanted}", path, direct=True)
    if output.as_json:
        output.data({"path": str(path), "bytes": size})
    else:
        output.text(str(path))
        output.note(f"{size} bytes")
