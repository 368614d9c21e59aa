"""`vtp up`, `serve`, `migrate`, `status`."""

from typing import Annotated

import typer

from app.cli.agents import told
from app.cli.client import Api, home
from app.cli.output import Output

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
        told(output, agent)
        for framework in agent["frameworks"]:
            ready = "ready" if framework["available"] else f"not usable: {framework['reason']}"
            output.text(f"    {framework['framework']} {framework['version'] or ''}  {ready}")
    if not found["agents"]:
        output.text("no agent has reported yet; trainings wait until one does")
