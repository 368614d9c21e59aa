"""`vtp up`, `serve`, `migrate`, `status`."""

import os
from typing import Annotated, Any

import typer

from app.cli.agents import told
from app.cli.client import Api, home
from app.cli.output import EXIT_TRANSIENT, Output

BREAKERS = {"CLOSED": "closed", "OPEN": "open", "HALF_OPEN": "half open", "ISOLATED": "switched off"}
"""What the state of a circuit breaker is called in a line."""
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

    output: Output = context.obj
    if "VTP_LISTEN_FD" not in os.environ:  # else `vtp up` has chosen the address, and tells it
        output.note(f"serving at http://{host}:{port}; stop with Ctrl-C" if port else "serving; stop with Ctrl-C")
    serve_backend(host, port)


def migrate(context: typer.Context) -> None:
    """Bring the database to the newest form and end; a backend does the same at its start."""
    import asyncio

    from app.config import Settings
    from app.db.session import Database

    async def run() -> None:
        database = Database(Settings().db_url)
        try:
            await database.migrate()
        finally:
            await database.close()

    asyncio.run(run())
    context.obj.note("the database is in its newest form")


def status(
    context: typer.Context,
    check: Annotated[
        bool, typer.Option("--check", help="Exit with 4 where something is degraded, as for a platform that is not there.")
    ] = False,
) -> int:
    """Show whether everything works: what is degraded, the agents, and all that the platform depends on."""
    output: Output = context.obj
    api = Api()
    items = api.call("GET", "/system/dependencies")["items"]
    found = api.call("GET", "/system/status")
    if output.as_json:
        output.data({**found, "url": api.url, "dependencies": items})
    else:
        _told(output, found, items, api.url)
    return EXIT_TRANSIENT if check and found["degraded"] else 0


def _told(output: Output, found: dict[str, Any], items: list[dict[str, Any]], url: str) -> None:
    """The platform for people: the verdict, what is wrong and what it means, then the rest."""
    output.text(f"{found['status']}  vtp {found['version']} at {url}")
    for part in found["degraded"]:
        output.text(f"  {part['what']}. {part['means']}".replace("`", ""))
    jobs = "open jobs not known" if found["open_jobs"] is None else f"open jobs {found['open_jobs']}"
    output.text(f"{jobs}, {found['disk']['free_bytes'] / 1024**3:.0f} GB of disk free")
    for agent in found["agents"]:
        told(output, agent)
        for framework in agent["frameworks"]:
            ready = "ready" if framework["available"] else f"not usable: {framework['reason']}"
            output.text(f"    {framework['framework']} {framework['version'] or ''}  {ready}")
    output.text("")
    head = ("DEPENDENCY", "IS", "REACHABLE", "VERSION", "BREAKER")
    output.table(head, [_row(item) for item in items if item["configured"]])
    left = [item["name"] for item in items if not item["configured"]]
    if left:
        output.text(f"not set up: {', '.join(left)}")
    for item in items:
        if last := item["last_error"]:
            what = last["reason"] or last["message"].rstrip(".")
            output.text(f"last error of {item['name']}, {last['at']}: {what} ({last['code']}, trace {last['trace_id']})")


def _row(item: dict[str, Any]) -> tuple[str | None, ...]:
    """A dependency in a line."""
    there = {True: "yes", False: "no", None: None}[item["reachable"]]
    if item["away"] and item["reachable"]:
        there = f"{item['asked'] - item['away']} of {item['asked']}"
    return item["name"], item["configured"], there, item["version"], BREAKERS.get(item["state"])
