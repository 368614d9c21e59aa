"""The agent's HTTP intake and its command line."""

import argparse
import contextlib
import hmac
import json
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
from trainers.agent.frameworks import Framework, discover
from trainers.agent.kubernetes.agent import KubernetesAgent
from trainers.agent.kubernetes.api import Access, Cluster
from trainers.agent.options import parser, reached_at, secret_of
from trainers.agent.settings import AgentSettings

CLAIM_SECONDS = 10.0
REASONS = ("cancel", "shutdown")


def refuse(status: int, code: str, message: str) -> JSONResponse:
    """A refusal in the platform's form, as far as an agent needs it."""
    return JSONResponse({"error": {"code": code, "message": message}}, status, headers={"X-Error-Code": code})


class Intake:
    """The endpoints. All but the health check want the secret that backend and agent share."""

    def __init__(self, agent: Agent | KubernetesAgent, secret: str) -> None:
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
            return JSONResponse({"items": self.agent.held()})
        try:
            taken = await self.agent.accept(await request.json())
        except Refused as error:
            return refuse(error.status, error.code, str(error))
        return JSONResponse({"accepted": True}, 202 if taken else 200)

    async def cancel(self, request: Request) -> Response:
        """Stops an attempt."""
        if (stranger := self._stranger(request)) is not None:
            return stranger
        reason = (await request.json()).get("reason", "cancel")
        key = (request.path_params["job_id"], request.path_params["attempt"])
        if not await self.agent.stop(key, reason if reason in REASONS else "cancel"):
            return refuse(404, "NOT_FOUND", "no such attempt here")
        return JSONResponse({"accepted": True}, 202)

    async def drain(self, request: Request) -> Response:
        """Takes no more attempts; with ``{"stop": true}`` those that run go on elsewhere."""
        if (stranger := self._stranger(request)) is not None:
            return stranger
        body = await request.body()
        self.agent.drain(stop=bool(body and (await request.json()).get("stop")))
        return JSONResponse({"draining": True}, 202)


def application(agent: Agent | KubernetesAgent, secret: str, *, stop_trainings: bool = False) -> Starlette:
    """The agent's intake; it adopts and reports as long as it is served."""
    intake = Intake(agent, secret)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        tasks = agent.begin()
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
    options = parser().parse_args()
    secret = secret_of(options)
    options.home.mkdir(parents=True, exist_ok=True)
    _claim(options.home)
    spans.configure()
    listener = socket.create_server((options.host, options.port))
    frameworks = discover(options.trainers_dir, options.home / "cache" / "frameworks")
    for framework in frameworks:
        state = "ready" if framework.available else framework.descriptor.get("reason")
        log(f"framework {framework.name}: {state}")
    agent = _agent(options, Backend(options.backend_url, secret), frameworks)
    agent.url = reached_at(options, listener.getsockname()[1])
    app = application(agent, secret, stop_trainings=options.stop_trainings)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on", timeout_graceful_shutdown=2))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    log(f"ready at {agent.url} as {agent.id}")
    server.run(sockets=[listener])
    spans.flush()


def _agent(options: argparse.Namespace, backend: Backend, frameworks: list[Framework]) -> Agent | KubernetesAgent:
    """The agent of this machine, or of a cluster's node pool."""
    labels = dict(options.label)
    settings = AgentSettings.read(memory_limit=options.memory_limit_bytes, notice_file=options.notice_file, labels=labels)
    if options.kubernetes is not None:
        template = json.loads(options.kubernetes.read_text())
        cluster = Cluster(Access.in_cluster())
        log(f"each attempt is a Job in namespace {cluster.access.namespace} of {cluster.access.url}")
        return KubernetesAgent(cluster, template, backend, frameworks, options.slots, options.name, settings)
    cgroups = Cgroups()
    log(f"control groups: v{cgroups.version}" if cgroups.parent else f"control groups: none ({cgroups.reason})")
    return Agent(options.home, backend, frameworks, options.slots, options.name, settings, cgroups)
