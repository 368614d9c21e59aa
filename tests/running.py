"""A platform of real processes for tests: started as a user starts it, killed as nobody wants it to be."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.waiting import eventually, free_port

ROOT = Path(__file__).resolve().parents[1]
SKLEARN = ROOT / "trainers" / "sklearn" / ".venv" / "bin" / "python"
FINAL = ("succeeded", "failed", "cancelled")
JOBS = "/api/v1/training-jobs"
READY_SECONDS = 60.0
EVERY = 0.05
"""Seconds between two looks at another process."""


class RunningPlatform:
    """Backend and agent in processes of their own, on a home of their own; both can be killed and started again."""

    def __init__(self, home: Path, *, slots: int = 2, agent_options: tuple[str, ...] = (), **environment: str) -> None:
        self.home, self.slots, self.agent_options = home, slots, agent_options
        home.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("VTP_")}
        self.environment = {
            **inherited,
            "PYTHONPATH": f"{ROOT / 'backend'}{os.pathsep}{ROOT}",
            "VTP_HOME": str(home),
            "VTP_TOKEN": "token",
            "VTP_AGENT_SECRET": "secret",
            "VTP_RATE_LIMIT": "1000000/minute",
            **environment,
        }
        (home / "agent-secret").write_text("secret")
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.client = httpx.AsyncClient(base_url=self.url, headers={"Authorization": "Bearer token"}, timeout=30)

    def start(self, name: str) -> None:
        """Starts `backend` or `agent`."""
        serve = ["-m", "app.cli", "serve", "--port", str(self.port)]
        agent = [
            "-m", "trainers.agent", "--home", str(self.home / "agent"), "--backend-url", self.url,
            "--secret-file", str(self.home / "agent-secret"), "--slots", str(self.slots), "--name", "test",
            *self.agent_options,
        ]  # fmt: skip
        with (self.home / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, *(serve if name == "backend" else agent)],
                env=self.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Ends `backend` or `agent` by a signal, and waits until it is gone."""
        process = self.processes.pop(name, None)
        if process is not None:
            process.send_signal(number)
            process.wait(30)

    def restart(self, name: str) -> None:
        """Kills `backend` or `agent` and starts it again at once."""
        self.kill(name)
        self.start(name)

    def log(self, name: str) -> str:
        """What `backend` or `agent` said."""
        path = self.home / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    async def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """The answer to a request, asked again as long as the backend does not answer.

        Raises:
            AssertionError: it never answered.
        """

        async def answered() -> httpx.Response | None:
            try:
                return await self.client.request(method, path, **options)
            except httpx.TransportError:
                return None

        response: httpx.Response = await eventually(answered, READY_SECONDS, f"an answer to {method} {path}", EVERY)
        return response

    async def up(self) -> None:
        """Starts both and waits until trainings can be run."""
        for name in ("backend", "agent"):
            self.start(name)

        async def offered() -> bool:
            answer = await self.ask("GET", "/api/v1/frameworks")
            return any(item["framework"] == "sklearn" and item["agents"] for item in answer.json()["items"])

        await eventually(offered, READY_SECONDS, "an agent with sklearn", EVERY)

    async def add_dataset(self, name: str, content: bytes) -> None:
        """Uploads a data set and waits until it is checked."""
        await self.ask("POST", "/api/v1/datasets", params={"name": name}, content=content)

        async def checked() -> bool:
            answer = await self.ask("GET", f"/api/v1/datasets/{name}")
            return answer.status_code == 200 and answer.json()["status"] != "checking"

        await eventually(checked, READY_SECONDS, f"the check of {name}", EVERY)

    async def submit(self, **config: Any) -> str:
        """Submits a training; its id. A request whose answer was lost is sent again under the same key."""
        headers = {"Prefer": "respond-async", "Idempotency-Key": os.urandom(8).hex()}
        answer = await self.ask("POST", JOBS, json=config, headers=headers)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["job_id"])

    async def job(self, job_id: str) -> dict[str, Any]:
        """A job as the API shows it."""
        return dict((await self.ask("GET", f"{JOBS}/{job_id}")).json())

    async def attempts(self, job_id: str) -> list[dict[str, Any]]:
        """A job's attempts as the API shows them."""
        return list((await self.ask("GET", f"{JOBS}/{job_id}/attempts")).json()["items"])

    async def wait_for(self, job_id: str, *states: str, seconds: float = 60.0) -> dict[str, Any]:
        """The job as soon as it is in one of `states`."""

        async def there() -> dict[str, Any] | None:
            job = await self.job(job_id)
            return job if job["status"] in states else None

        found: dict[str, Any] = await eventually(there, seconds, f"{job_id} in {states}", EVERY)
        return found

    def pid(self, job_id: str, attempt: int, which: str = "pid") -> int | None:
        """The pid of an attempt's training, or of its shim (`shim_pid`); None where it does not run here."""
        try:
            record = json.loads((self.home / "agent" / "attempts" / job_id / str(attempt) / "process.json").read_text())
        except (OSError, ValueError):
            return None
        return int(record[which])

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of the backend's database."""
        return _rows(self.home / "vtp.db", query, values)

    def journal(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of the agent's journal."""
        return _rows(self.home / "agent" / "outbox.db", query, values)

    def trainings(self) -> list[int]:
        """Pids of trainings and shims of this platform that run now."""
        mark, found = str(self.home / "agent" / "attempts").encode(), []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                told = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
                if mark in told and b"Z" not in (entry / "stat").read_bytes().rpartition(b")")[2].split()[:1]:
                    found.append(int(entry.name))
            except OSError:
                continue  # it has ended in between
        return found

    async def down(self) -> None:
        """Ends everything, trainings too."""
        await self.client.aclose()
        for name in ("agent", "backend"):
            self.kill(name)
        for pid in self.trainings():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue  # it has ended in between


def _rows(path: Path, query: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query, values).fetchall()
    finally:
        connection.close()


@asynccontextmanager
async def running(home: Path, **options: Any) -> AsyncIterator[RunningPlatform]:
    """A platform that is up, and down again afterwards."""
    platform = RunningPlatform(home, **options)
    try:
        await platform.up()
        yield platform
    finally:
        await platform.down()
