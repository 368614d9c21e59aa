"""What the agent's tests share: a backend that keeps what it is told, a toy trainer, an attempt to carry out."""

import asyncio
import io
import json
import random
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2

from trainers.agent.backend import Backend
from trainers.agent.cgroup import Cgroups
from trainers.agent.frameworks import Framework
from trainers.agent.outbox import Key, Outbox
from trainers.agent.settings import AgentSettings
from trainers.agent.start import keep_spec
from trainers.agent.supervisor import Supervisor
from trainers.agent.watch import HangLimits

URL = "http://backend.test"
KEY: Key = ("J-1", 1)


def error_answer(status: int, code: str, **params: Any) -> httpx2.Response:
    """A refusal in the platform's form."""
    return httpx2.Response(status, json={"error": {"code": code, "message": code.lower(), "params": params}})


class FakeBackend:
    """Takes updates as the real one: once, in order, with gaps told. `fault` may answer first, or raise."""

    def __init__(self) -> None:
        self.updates: list[dict[str, Any]] = []
        self.uploads: dict[str, bytes] = {}
        self.calls: list[str] = []
        self.release: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {"/archive": archive({"train/a/1.txt": b"x"})}
        self.fault: Callable[[httpx2.Request], httpx2.Response | None] = lambda _: None

    def backend(self) -> Backend:
        """The agent's side of it."""
        return Backend(URL, "secret", transport=httpx2.MockTransport(self.answer))

    async def answer(self, request: httpx2.Request) -> httpx2.Response:
        """The answer to one request."""
        await request.aread()
        self.calls.append(f"{request.method} {request.url.path}")
        early = self.fault(request)
        if early is not None:
            return early
        path = request.url.path
        if path.endswith("/callback"):
            return self._take(json.loads(request.content))
        if request.method == "PUT" and "/artifacts/" in path:
            self.uploads[path.split("/artifacts/", 1)[1]] = request.content
            return httpx2.Response(201, json={})
        if request.method == "PUT" and path.startswith("/api/v1/agents/"):
            return httpx2.Response(200, json={"release": self.release})
        if path in self.files:
            return httpx2.Response(200, content=self.files[path])
        return error_answer(404, "NOT_FOUND")

    def _take(self, updates: list[dict[str, Any]]) -> httpx2.Response:
        for update in updates:
            if update["seq"] > len(self.updates) + 1:
                return error_answer(409, "CONFLICT", expected_seq=len(self.updates) + 1)
            if update["seq"] == len(self.updates) + 1:
                self.updates.append(update)
        return httpx2.Response(200, json={"accepted": 1, "last_seq": len(self.updates), "final": self.final})

    @property
    def final(self) -> bool:
        """Whether the attempt has ended."""
        return bool(self.updates) and self.updates[-1]["status"] != "running"

    @property
    def last(self) -> dict[str, Any]:
        """The last update."""
        return self.updates[-1]


def archive(files: dict[str, bytes]) -> bytes:
    """A tar of these files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def spec_of(**more: Any) -> dict[str, Any]:
    """An assignment."""
    return {
        "job_id": KEY[0], "attempt": KEY[1], "token": "attempt-token", "callback_url": f"{URL}/callback",
        "artifacts_url": f"{URL}/artifacts", "framework": "toy", "config": {"epochs": 2},
        "dataset": {"digest": "d1", "archive_url": f"{URL}/archive"}, "weights": None, "resume": None,
        "limits": {}, "traceparent": None, **more,
    }  # fmt: skip


def toy(folder: Path, body: str) -> Framework:
    """A framework whose training is `body`: statements with `task` (the assignment) and `reporter` at hand."""
    script = folder / "toy" / "train.py"
    script.parent.mkdir(parents=True, exist_ok=True)
    lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
    script.write_text(
        "import os, signal, sys, threading, time\n"
        "from trainers.harness import Stopped, TrainingError, run\n\n"
        f"def train(task):\n    reporter = task.reporter\n{lines}\n\n"
        "run(train, lambda: {})\n"
    )
    return Framework("toy", script.parent, Path(sys.executable), {"available": True})


class Workshop:
    """One attempt on an agent of its own, carried out by a real process."""

    def __init__(self, folder: Path, body: str, settings: AgentSettings | None = None, **spec: Any) -> None:
        self.home = folder
        self.fake = FakeBackend()
        self.spec = spec_of(**spec)
        self.framework = toy(folder / "trainers", body)
        hang = HangLimits(warm_up=20, first=20, least=20)
        self.settings = settings or AgentSettings(grace=3, poll=0.01, hang=hang)
        self.cgroups = Cgroups()
        self.outbox = Outbox(folder / "outbox.db")
        self.folder = folder / "attempts" / KEY[0] / str(KEY[1])
        self.lines: list[str] = []
        keep_spec(self.folder, self.spec)
        self.outbox.open(KEY)
        self.supervisor = self.make()

    def make(self) -> Supervisor:
        """A supervisor as an agent that was just started makes it."""
        found = Supervisor(
            self.folder, self.spec, self.framework, self.fake.backend(), self.outbox, self.home / "cache", self.lines.append,
            self.settings, self.cgroups,
        )  # fmt: skip
        found.delivery.rng = random.Random(0)
        return found

    async def run(self) -> dict[str, Any]:
        """Carries the attempt through; its last update."""
        await asyncio.wait_for(self.supervisor.run(), 60)
        return self.fake.last

    async def started(self) -> asyncio.Task[None]:
        """Carries the attempt out until its training runs its own code; the task that goes on with it."""
        task = asyncio.create_task(self.supervisor.run())
        await reached(lambda: any("progress" in update for update in self.fake.updates), task)
        return task


async def reached(check: Callable[[], Any], task: asyncio.Task[None] | None = None, seconds: float = 30) -> None:
    """Waits until `check` holds; what ended `task` before that is raised.

    Raises:
        AssertionError: it never held.
    """
    deadline = asyncio.get_running_loop().time() + seconds
    while not check():
        if task is not None and task.done():
            task.result()
        assert asyncio.get_running_loop().time() < deadline, f"waited for {check} in vain"
        await asyncio.sleep(0.01)
