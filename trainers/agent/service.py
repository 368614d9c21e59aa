"""The agent's HTTP intake and its command line."""

import argparse
import asyncio
import contextlib
import hmac
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from trainers.agent import spans
from trainers.agent.agent import Agent, Refused, claim, log
from trainers.agent.backend import Backend
from trainers.agent.cgroup import Cgroups
from trainers.agent.frameworks import discover
from trainers.agent.settings import AgentSettings

TRAINERS = Path(__file__).parents[1]
CLAIM_SECONDS = 10.0
REASONS = ("cancel", "shutdown")


def refuse(status: int, code: str, message: str) -> JSONResponse:
    """A refusal in the platform's form, as far as an agent needs it."""
    return JSONResponse({"error": {"code": code, "message": message}}, status, headers={"X-Error-Code": code})


class Intake:
    """The endpoints. All but the health check want the secret that backend and agent share."""

    def __init__(self, agent: Agent, secret: str) -> None:
        self.agent, self.secret = agent, secret

    def _stranger(self, request: Request) -> Response | None:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if hmac.compare_digest(given.encode(), self.secret.encode()):
            return None
        return refuse(401, "INVALID_TOKEN", "the agent's secret is wrong or missing")

    async def health(self, _request: Request) -> Response:
        """Whether the agent is there."""
        return JSONResponse({"status": "ok", "draining": self.agent.draining, "failures": self.agent.failures})

    async def attempts(self, request: Request) -> Response:
        """Lists the attempts that are here, or takes one."""
        if (stranger := self._stranger(request)) is not None:
            return stranger
        if request.method == "GET":
            items = [
                {"job_id": key[0], "attempt": key[1], "busy": held.busy, "pid": held.process.pid}
                for key, held in self.agent.supervisors.items()
            ]
            return JSONResponse({"items": items})
        try:
            taken = self.agent.take(await request.json())
        except Refused as error:
            return refuse(error.status, error.code, str(error))
        return JSONResponse({"accepted": True}, 202 if taken else 200)

    async def cancel(self, request: Request) -> Response:
        """Stops an attempt."""
        if (stranger := self._stranger(request)) is not None:
            return stranger
        supervisor = self.agent.supervisors.get((request.path_params["job_id"], request.path_params["attempt"]))
        if supervisor is None:
            return refuse(404, "NOT_FOUND", "no such attempt here")
        reason = (await request.json()).get("reason", "cancel")
        supervisor.stop(reason if reason in REASONS else "cancel")
        return JSONResponse({"accepted": True}, 202)

    async def drain(self, request: Request) -> Response:
        """Takes no more attempts; with ``{"stop": true}`` those that run go on elsewhere."""
        if (stranger := self._stranger(request)) is not None:
            return stranger
        body = await request.body()
        self.agent.drain(stop=bool(body and (await request.json()).get("stop")))
        return JSONResponse({"draining": True}, 202)


def application(agent: Agent, secret: str, *, stop_trainings: bool = False) -> Starlette:
    """The agent's intake; it adopts and reports as long as it is served."""
    intake = Intake(agent, secret)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        agent.adopt()
        tasks = [asyncio.create_task(agent.report()), asyncio.create_task(agent.watch_notice())]
        try:
            yield
        finally:
            await agent.close_after(tasks, stop_trainings=stop_trainings)

    routes = [
        Route("/health", intake.health),
        Route("/attempts", intake.attempts, methods=["GET", "POST"]),
        Route("/attempts/{job_id}/{attempt:int}/cancel", intake.cancel, methods=["POST"]),
        Route("/drain", intake.drain, methods=["POST"]),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="vtp-agent", description="Runs trainings on this machine for a vtp backend.")
    home = Path(os.environ.get("VTP_HOME") or Path.home() / ".vtp") / "agent"
    parser.add_argument("--home", type=Path, default=home, help="folder for journal, attempts and data sets")
    parser.add_argument("--backend-url", required=True, help="address of the backend")
    parser.add_argument("--secret-file", type=Path, required=True, help="file with the secret shared with the backend")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--advertise-url", help="address under which the backend reaches this agent")
    parser.add_argument("--slots", type=int, default=1, help="trainings at the same time")
    parser.add_argument("--name", default=socket.gethostname())
    parser.add_argument("--trainers-dir", type=Path, default=TRAINERS)
    parser.add_argument("--stop-trainings", action="store_true", help="stop trainings when the agent is stopped")
    parser.add_argument("--memory-limit-bytes", type=int, help="memory that one training may take")
    parser.add_argument("--notice-file", type=Path, help="file that appears when this machine is about to be taken away")
    return parser.parse_args()


def _claim(home: Path) -> int:
    """The folder's lock. An agent that is just ending is waited for; where one stays, this one ends."""
    deadline = time.monotonic() + CLAIM_SECONDS
    while (lock := claim(home)) is None:
        if time.monotonic() > deadline:
            sys.exit(f"another agent works in {home}")
        time.sleep(0.05)
    return lock


def main() -> None:
    """Entry point of ``vtp-agent``."""
    options = _arguments()
    options.home.mkdir(parents=True, exist_ok=True)
    _claim(options.home)
    secret = options.secret_file.read_text().strip()
    spans.configure()
    settings = AgentSettings.read(memory_limit=options.memory_limit_bytes, notice_file=options.notice_file)
    listener = socket.create_server((options.host, options.port))
    port = listener.getsockname()[1]
    frameworks = discover(options.trainers_dir, options.home / "cache" / "frameworks")
    for framework in frameworks:
        state = "ready" if framework.available else framework.descriptor.get("reason")
        log(f"framework {framework.name}: {state}")
    cgroups = Cgroups()
    log(f"control groups: v{cgroups.version}" if cgroups.parent else f"control groups: none ({cgroups.reason})")
    backend = Backend(options.backend_url, secret)
    agent = Agent(options.home, backend, frameworks, options.slots, options.name, settings, cgroups)
    agent.url = options.advertise_url or f"http://{options.host}:{port}"
    app = application(agent, secret, stop_trainings=options.stop_trainings)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on", timeout_graceful_shutdown=2))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    log(f"ready at {agent.url} as {agent.id}")
    server.run(sockets=[listener])
