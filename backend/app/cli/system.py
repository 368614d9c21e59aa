"""`vtp up`, `serve`, `status`, `explain`, `diagnose`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from app.cli.client import Api, home
from app.cli.output import Output

PAGES = Path(__file__).parents[3] / "docs" / "errors"
Host = Annotated[str, typer.Option("--host", help="Address to listen on.")]
Port = Annotated[int, typer.Option("--port", help="0 takes a free one.")]


def up(
    context: typer.Context,
    host: Host = "127.0.0.1",
    port: Port = 0,
    slots: Annotated[int, typer.Option("--slots", help="Trainings at the same time.")] = 1,
) -> int:
    """Start backend, page and agent on this machine; prints the link that opens the page."""
    from app.cli.up import Launcher

    return Launcher(context.obj, home(), host, port, slots).run()


def serve(context: typer.Context, host: Host = "127.0.0.1", port: Port = 8000) -> None:
    """Start the backend alone."""
    from app.cli.up import serve_backend

    serve_backend(host, port)


def status(context: typer.Context) -> None:
    """Show whether everything works."""
    output: Output = context.obj
    api = Api()
    found = api.call("GET", "/system/status")
    if output.as_json:
        output.data({**found, "url": api.url})
        return
    output.text(f"{found['status']}  vtp {found['version']} at {api.url}")
    output.text(f"open jobs {found['open_jobs']}, {found['disk']['free_bytes'] / 1024**3:.0f} GB of disk free")
    for agent in found["agents"]:
        state = "alive" if agent["alive"] else f"silent since {agent['last_seen_at']}"
        output.text(f"agent {agent['name']}: {state}, {agent['busy']} of {agent['slots']} slots busy")
        for framework in agent["frameworks"]:
            ready = "ready" if framework["available"] else f"not usable: {framework['reason']}"
            output.text(f"    {framework['framework']} {framework['version'] or ''}  {ready}")
    if not found["agents"]:
        output.text("no agent has reported yet; trainings wait until one does")


def explain(
    context: typer.Context,
    what: Annotated[str, typer.Argument(help="A code such as CUDA_OOM, a log file, or - for standard input.")],
) -> int:
    """Explain a code, or tell from a log why a training failed."""
    output: Output = context.obj
    from app.core.error_messages import REGISTRY

    page = PAGES / f"{what.upper()}.md"
    if what.upper() in REGISTRY:
        row = REGISTRY[what.upper()]
        if output.as_json:
            output.data(row.to_dict())
        else:
            output.text(
                page.read_text(encoding="utf-8").strip() if page.exists() else f"{row.code}: {row.message}\n{row.action}"
            )
        return 0
    from app.diagnosis.diagnose import diagnose as judge
    from app.diagnosis.evidence import Evidence

    if what != "-" and not Path(what).is_file():
        message = f"`{what}` is neither a code nor a file"
        raise typer.BadParameter(message)
    log = sys.stdin.read() if what == "-" else Path(what).read_text(errors="replace")
    found = judge(Evidence.from_dict({"log": log})).to_dict()
    if output.as_json:
        output.data(found)
        return 0
    certainty = "" if found["confidence"] > 0.85 else "Likely: "
    output.text(f"{certainty}{found['message']}")
    for line in found["evidence"]:
        output.text(f"because: {line}")
    if found["suggested_action"]:
        output.text(f"help: {found['suggested_action']}")
    output.text(f"code: {found['code']} (confidence {found['confidence']:.0%})")
    return 0


def diagnose(
    file: Annotated[Path, typer.Argument(help="Evidence, one JSON object a line.", exists=True, dir_okay=False)],
) -> None:
    """Read one evidence object a line, write one diagnosis a line."""
    import json

    from app.diagnosis.diagnose import diagnose as judge
    from app.diagnosis.evidence import Evidence

    with file.open(errors="replace") as lines:
        for line in lines:
            if line.strip():
                try:
                    raw = json.loads(line)
                except ValueError:
                    raw = {"log": line}
                sys.stdout.write(json.dumps(judge(Evidence.from_dict(raw)).to_dict(), ensure_ascii=False) + "\n")
