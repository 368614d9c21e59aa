"""`vtp errors …`: failures of one kind as a group: look, search, resolve."""

from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.client import Api
from app.cli.jobs import JobId
from app.cli.output import Output

cli = typer.Typer(
    help="See failures by kind, resolve them, pack them for support.", no_args_is_help=True, rich_markup_mode=None
)
GroupId = Annotated[int, typer.Argument(metavar="GROUP", help="Number of the group.")]


@cli.command("list")
def list_groups(
    context: typer.Context,
    search: Annotated[str | None, typer.Option("--search", "-s", help="Words, fingerprint, trace id, job, entity.")] = None,
    state: Annotated[list[str] | None, typer.Option("--state", help="open, regressed, resolved, ignored.")] = None,
    code: Annotated[str | None, typer.Option("--code")] = None,
    source: Annotated[str | None, typer.Option("--source", help="job, api or page.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=200)] = 20,
) -> None:
    """List groups, those seen last first."""
    output: Output = context.obj
    asked = {"q": search, "state": state, "code": code, "source": source, "limit": limit}
    found = Api().call("GET", "/errors/groups", params={key: value for key, value in asked.items() if value is not None})
    rows = [
        (row["group_id"], row["state"], row["count"], row["trend"]["this_week"], row["last_seen"], row["code"], row["line"])
        for row in found["items"]
    ]
    output.result(found, ("GROUP", "STATE", "COUNT", "WEEK", "LAST SEEN", "CODE", "WHAT"), rows)
    if not rows:
        output.note("no failures match" if search or state or code or source else "no failures yet")


@cli.command("show")
def show_group(context: typer.Context, group_id: GroupId) -> None:
    """Show one group: counts, what it hit, what helped before."""
    output: Output = context.obj
    group = Api().call("GET", f"/errors/groups/{group_id}")
    if output.as_json:
        output.data(group)
        return
    for key in ("code", "line", "state", "causer", "count", "jobs", "users", "first_seen", "last_seen", "fingerprint"):
        if group[key] is not None:
            output.text(f"{key:12} {group[key]}")
    if group["fix"]:
        output.text(f"{'fix':12} {group['fix']['text']}")
    for row in group["history"]:
        by, note = (f" by {row['by']}" if row["by"] else ""), (f": {row['note']}" if row["note"] else "")
        output.text(f"{'history':12} {row['state']}{by} at {row['at']}{note}")
    for row in group["affected_jobs"]:
        output.text(f"job          {row['name']} at {row['last_at']}")


def _set(output: Output, group_id: int, state: str, note: str | None) -> None:
    group = Api().call("POST", f"/errors/groups/{group_id}/state", json={"state": state, "note": note})
    if output.as_json:
        output.data(group)
    else:
        output.text(f"group {group_id} {group['state']}")


Note = Annotated[str | None, typer.Option("--note", help="Why, for whoever looks next.")]


@cli.command("resolve")
def resolve(context: typer.Context, group_id: GroupId, note: Note = None) -> None:
    """Mark a group as resolved; it becomes regressed by itself where it comes back."""
    _set(context.obj, group_id, "resolved", note)


@cli.command("ignore")
def ignore(context: typer.Context, group_id: GroupId, note: Note = None) -> None:
    """Mark a group as ignored; it is counted on."""
    _set(context.obj, group_id, "ignored", note)


@cli.command("reopen")
def reopen(context: typer.Context, group_id: GroupId, note: Note = None) -> None:
    """Mark a group as open again."""
    _set(context.obj, group_id, "open", note)


@cli.command("digest")
def digest(context: typer.Context) -> None:
    """Print what the last week was like, as Markdown."""
    output: Output = context.obj
    found: dict[str, Any] = Api().call("GET", "/errors/digest")
    if output.as_json:
        output.data(found)
    else:
        output.text(found["text"].rstrip("\n"))


@cli.command("bundle")
def bundle(
    context: typer.Context,
    job_id: JobId,
    target: Annotated[Path | None, typer.Option("--output", "-o", help="Where to put the zip.")] = None,
    preview: Annotated[bool, typer.Option("--preview", help="Print the summary only; make no file.")] = False,
) -> None:
    """Pack what support needs of a failed job, without secrets, as one zip."""
    output: Output = context.obj
    if preview:
        shown = Api().call("GET", f"/training-jobs/{job_id}/support-bundle/preview")
        if output.as_json:
            output.data(shown)
        else:
            output.text(shown["summary"].rstrip("\n"))
        return
    path = target or Path(f"vtp-{job_id}-support.zip")
    size = Api().download(f"/training-jobs/{job_id}/support-bundle", path)
    if output.as_json:
        output.data({"path": str(path), "bytes": size})
    else:
        output.text(str(path))
        output.note(f"{size} bytes; look into it before you send it")
