"""The agent: takes attempts over HTTP, supervises them, reports to the backend."""

import argparse
import asyncio
import contextlib
import hmac
import os
import platform
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from trainers.agent.backend import Backend, BackendAway, BackendRefuses
from trainers.agent.frameworks import Framework, discover
from trainers.agent.outbox import Key, Outbox
from trainers.agent.supervisor import Supervisor, keep_spec, load_spec, stamp

TRAINERS = Path(__file__).parents[1]
REPORT_SECONDS = 10.0
AGAIN_SECONDS = 1.0


def log(line: str) -> None:
    """A line for whoever runs the agent."""
    sys.stderr.write(f"{stamp()} agent: {line}\n")
    sys.stderr.flush()


def refuse(status: int, code: str, message: str) -> JSONResponse:
    """A refusal in the platform's form, as far as an agent needs it."""
    return JSONResponse({"error": {"code": code, "message": message}}, status, headers={"X-Error-Code": code})


class Agent:
    """All attempts of one machine."""

    def __init__(self, home: Path, backend: Backend, frameworks: list[Framework], slots: int, name: str) -> None:
        self.home, self.backend, self.slots, self.name = home, backend, slots, name
        self.frameworks = {framework.name: framework for framework in frameworks}
        self.outbox = Outbox(home / "outbox.db")
        self.supervisors: dict[Key, Supervisor] = {}
        self.tasks: dict[Key, asyncio.Task[None]] = {}
        self.url = ""
        self.id = self._identity()

    def _identity(self) -> str:
        """A name that stays the same when the agent is started again in this folder."""
        file = self.home / "agent-id"
        if not file.exists():
            file.write_text(f"{self.name}-{os.urandom(3).hex()}")
        return file.read_text().strip()

    def folder(self, key: Key) -> Path:
        """The folder of an attempt."""
        return self.home / "attempts" / key[0] / str(key[1])

    def adopt(self) -> None:
        """Goes on with every attempt that an earlier agent left."""
        for key, position in self.outbox.attempts():
            spec = load_spec(self.folder(key))
            framework = self.frameworks.get(str((spec or {}).get("framework")))
            if spec is None or framework is None:
                log(f"{key[0]}/{key[1]}: its assignment is gone, dropped")
                self.outbox.close_attempt(key)
                continue
            log(f"{key[0]}/{key[1]}: adopted at update {position.next_seq - 1}")
            self._supervise(key, spec, framework)

    def _supervise(self, key: Key, spec: dict[str, Any], framework: Framework) -> None:
        cache = self.home / "cache" / "datasets"
        supervisor = Supervisor(self.folder(key), spec, framework, self.backend, self.outbox, cache, log)
        self.supervisors[key] = supervisor
        task = asyncio.create_task(supervisor.run(), name=f"attempt {key[0]}/{key[1]}")
        self.tasks[key] = task
        task.add_done_callback(lambda done: self._done(key, done))

    def _done(self, key: Key, task: asyncio.Task[None]) -> None:
        self.supervisors.pop(key, None)
        self.tasks.pop(key, None)
        if not task.cancelled() and task.exception() is not None:
            # The journal is kept: the next start of the agent takes the attempt up again.
            log(f"{key[0]}/{key[1]}: supervision failed: {task.exception()!r}")

    def take(self, spec: dict[str, Any]) -> Response:
        """Takes an attempt, or says why not; the same attempt twice is one."""
        key = (str(spec["job_id"]), int(spec["attempt"]))
        if key in self.supervisors:
            return JSONResponse({"accepted": True})
        framework = self.frameworks.get(str(spec["framework"]))
        if framework is None or not framework.available:
            reason = framework.descriptor.get("reason") if framework else "no such trainer here"
            return refuse(422, "DEPENDENCY_ERROR", f"{spec['framework']}: {reason}")
        if sum(supervisor.busy for supervisor in self.supervisors.values()) >= self.slots:
            return refuse(409, "CONFLICT", "no free slot")
        keep_spec(self.folder(key), spec)
        self.outbox.open(key)
        self._supervise(key, spec, framework)
        return JSONResponse({"accepted": True}, 202)

    async def report(self) -> None:
        """Reports to the backend for ever: every 10 s, sooner after a failure."""
        while True:
            wait = REPORT_SECONDS
            try:
                for key in await self.backend.report(self.id, self.description()):
                    if key in self.supervisors:
                        log(f"{key[0]}/{key[1]}: released")
                        self.supervisors[key].release()
            except (BackendAway, BackendRefuses) as error:
                log(f"report not delivered: {error}")
                wait = AGAIN_SECONDS
            await asyncio.sleep(wait)

    def description(self) -> dict[str, Any]:
        """What the agent tells of itself."""
        return {
            "name": self.name,
            "url": self.url,
            "slots": self.slots,
            "frameworks": [framework.descriptor for framework in self.frameworks.values()],
            "resources": {
                "cpus": os.cpu_count(),
                "memory_bytes": psutil.virtual_memory().total,
                "disk_free_bytes": shutil.disk_usage(self.home).free,
                "gpus": [],
                "platform": platform.platform(),
            },
            "version": version("vtp"),
            "attempts": [
                {
                    "job_id": key[0],
                    "attempt": key[1],
                    "last_step_at": supervisor.last_step_at,
                    "last_heartbeat_at": stamp(),
                }
                for key, supervisor in self.supervisors.items()
            ],
        }

    async def close(self, *, stop_trainings: bool) -> None:
        """Ends the agent. Trainings go on and are adopted by the next one, unless they are to be stopped."""
        if stop_trainings:
            for supervisor in self.supervisors.values():
                supervisor.stop("shutdown")
            await asyncio.wait(self.tasks.values(), timeout=15) if self.tasks else None
        for task in list(self.tasks.values()):
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)
        await self.backend.close()
        self.outbox.close()


def application(agent: Agent, secret: str, *, stop_trainings: bool = False) -> Starlette:
    """The agent's intake."""

    def allowed(request: Request) -> bool:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(given.encode(), secret.encode())

    async def health(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def attempts(request: Request) -> Response:
        if not allowed(request):
            return refuse(401, "INVALID_TOKEN", "the agent's secret is wrong or missing")
        if request.method == "GET":
            items = [
                {"job_id": key[0], "attempt": key[1], "busy": held.busy, "pid": held.process.pid}
                for key, held in agent.supervisors.items()
            ]
            return JSONResponse({"items": items})
        return agent.take(await request.json())

    async def cancel(request: Request) -> Response:
        if not allowed(request):
            return refuse(401, "INVALID_TOKEN", "the agent's secret is wrong or missing")
        key = (request.path_params["job_id"], request.path_params["attempt"])
        supervisor = agent.supervisors.get(key)
        if supervisor is None:
            return refuse(404, "NOT_FOUND", "no such attempt here")
        reason = (await request.json()).get("reason", "cancel")
        supervisor.stop(reason)
        return JSONResponse({"accepted": True}, 202)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        agent.adopt()
        reporting = asyncio.create_task(agent.report())
        try:
            yield
        finally:
            reporting.cancel()
            await agent.close(stop_trainings=stop_trainings)

    routes = [
        Route("/health", health),
        Route("/attempts", attempts, methods=["GET", "POST"]),
        Route("/attempts/{job_id}/{attempt:int}/cancel", cancel, methods=["POST"]),
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
    return parser.parse_args()


def main() -> None:
    """Entry point of ``vtp-agent``."""
    options = _arguments()
    options.home.mkdir(parents=True, exist_ok=True)
    secret = options.secret_file.read_text().strip()
    listener = socket.create_server((options.host, options.port))
    port = listener.getsockname()[1]
    frameworks = discover(options.trainers_dir, options.home / "cache" / "frameworks")
    for framework in frameworks:
        state = "ready" if framework.available else framework.descriptor.get("reason")
        log(f"framework {framework.name}: {state}")
    agent = Agent(options.home, Backend(options.backend_url, secret), frameworks, options.slots, options.name)
    agent.url = options.advertise_url or f"http://{options.host}:{port}"
    app = application(agent, secret, stop_trainings=options.stop_trainings)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on", timeout_graceful_shutdown=2))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    log(f"ready at {agent.url} as {agent.id}")
    server.run(sockets=[listener])
