"""The machines of the chaos run, all of them processes here: servers, two backends, three agents; each can be killed."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

from tests.conftest import classification_zip
from tests.core.servers import ObjectStore, Postgres, Temporal
from tests.waiting import eventually, free_port

ROOT = Path(__file__).resolve().parents[1]
HEADERS = {"Authorization": "Bearer token-of-the-chaos-run"}
SLOTS = 2
DOWN = (0.5, 3.0)
"""Seconds for which a server or backend stays away."""
JOBS = "/api/v1/training-jobs"


class Farm:
    """Everything that can be killed."""

    def __init__(self, folder: Path, *, temporal: bool) -> None:
        self.folder = folder
        self.postgres, self.store = Postgres(), ObjectStore()
        self.store.wait_for_bucket()
        self.temporal = Temporal(folder / "temporal.db") if temporal else None
        self.database_url = self.postgres.url
        self.ports = [free_port(), free_port()]
        address = {"ORCHESTRATOR": "temporal", "TEMPORAL_ADDRESS": self.temporal.address} if self.temporal else {}
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("VTP_")},
            "PYTHONPATH": f"{ROOT / 'backend'}{os.pathsep}{ROOT}",
            "DATABASE_URL": self.database_url,
            "STORAGE_URL": f"s3://{self.store.bucket}/chaos",
            **self.store.environment(),
            **address,
            "VTP_TOKEN": HEADERS["Authorization"].removeprefix("Bearer "),
            "VTP_AGENT_SECRET": "secret-of-the-chaos-run",
            "VTP_RATE_LIMIT": "1000000/minute",
            "VTP_HEARTBEAT_SECONDS": "5",
        }
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.client = httpx.AsyncClient(headers=HEADERS, timeout=20)

    def start(self, name: str) -> None:
        """Starts ``backend-N`` or ``agent-N``."""
        kind, _, number = name.partition("-")
        home = self.folder / name
        home.mkdir(exist_ok=True)
        port = self.ports[int(number) % 2]
        url = f"http://127.0.0.1:{port}"
        own = {"VTP_HOME": str(home), "VTP_PUBLIC_URL": url} if kind == "backend" else {}
        serve = ["-m", "app.cli", "serve", "--port", str(port)]
        agent = ["-m", "trainers.agent", "--backend-url", url, "--home", str(home), "--name", name, "--slots", str(SLOTS)]
        with (self.folder / f"{name}.log").open("ab") as log:
            command = [sys.executable, *(serve if kind == "backend" else agent)]
            self.processes[name] = subprocess.Popen(
                command, env={**self.environment, **own}, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    async def up(self) -> None:
        """Starts all, and brings the data set."""
        for name in ("backend-1", "backend-2", "agent-1", "agent-2", "agent-3"):
            self.start(name)

        async def ready() -> bool:
            items = (await self.ask("GET", "/api/v1/agents")).json()["items"]
            return (
                sum(any(one["framework"] == "sklearn" and one["available"] for one in item["frameworks"]) for item in items)
                == 3
            )

        await eventually(ready, 120, "three agents with scikit-learn", 0.2)
        await self.ask("POST", "/api/v1/datasets", params={"name": "tiny"}, content=classification_zip())

        async def checked() -> bool:
            answer = await self.ask("GET", "/api/v1/datasets/tiny")
            return answer.status_code == 200 and answer.json()["status"] == "ready"

        await eventually(checked, 60, "the data set", 0.2)

    async def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """The first answer of a backend that can give one: what a load balancer and a patient client do."""
        for number in range(10_000):
            try:
                url = f"http://127.0.0.1:{self.ports[number % 2]}{path}"
                answer = await self.client.request(method, url, **options)
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR:
                return answer
            await asyncio.sleep(0.1)
        message = f"no backend answers {method} {path}"
        raise AssertionError(message)

    async def submit(self, config: dict[str, Any]) -> str:
        """Submits a job once, however often it has to be sent; its id."""
        headers = {"Prefer": "respond-async", "Idempotency-Key": os.urandom(8).hex()}
        answer = await self.ask("POST", JOBS, json=config, headers=headers)
        assert answer.status_code == httpx.codes.ACCEPTED, answer.text
        return str(answer.json()["job_id"])

    async def open_jobs(self) -> int:
        """How many jobs have not ended; while the database is away nobody knows."""
        while (told := (await self.ask("GET", "/api/v1/system/status")).json()["open_jobs"]) is None:
            await asyncio.sleep(0.1)
        return int(told)

    async def kill(self, target: str, rng: random.Random) -> bool:
        """Kills one of `target`, and starts it again after a while; False where there was none."""
        away = rng.uniform(*DOWN)
        if target == "training":
            return self._kill_training(rng)
        if target == "S3":
            self.store.freeze()
            await asyncio.sleep(away)
            self.store.freeze(yes=False)
            return True
        if target in ("PostgreSQL", "Temporal"):
            server = self.postgres if target == "PostgreSQL" else self.temporal
            assert server is not None
            await asyncio.to_thread(server.kill)
            await asyncio.sleep(away)
            await asyncio.to_thread(server.start)
            return True
        name = f"{target}-{rng.randint(1, 2 if target == 'backend' else 3)}"
        self.processes[name].kill()
        await asyncio.to_thread(self.processes[name].wait)
        await asyncio.sleep(away)
        self.start(name)
        return True

    def _kill_training(self, rng: random.Random) -> bool:
        running = sorted(pid for pid, command in self._trainings() if b"shim.py" not in command)
        if not running:
            return False
        try:
            os.kill(rng.choice(running), signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def _trainings(self) -> list[tuple[int, bytes]]:
        """Pids of trainings and their shims, with their command lines."""
        mark, found = f"VTP_ATTEMPT_DIR={self.folder}/".encode(), []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (entry / "environ").read_bytes():
                    found.append((int(entry.name), (entry / "cmdline").read_bytes()))
            except OSError:
                continue  # it has ended in between
        return found

    async def down(self) -> None:
        """Ends everything."""
        await self.client.aclose()
        for process in self.processes.values():
            process.kill()
            process.wait()
        for pid, _ in self._trainings():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue  # it has ended in between
        for server in (self.postgres, self.store, self.temporal):
            if server is not None:
                server.close()
