"""What tests share: an application with its own home, a clock that only moves when told, a trainer service on loopback."""

import io
import json
import os
import socket
import threading
import zipfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import pytest
from fastapi import FastAPI
from PIL import Image

from app.api.deps import Platform
from app.config import Settings
from app.core import budget, logging, timing, tracing
from app.main import create_app
from app.schemas.wire import AgentReport
from tests.integration.servers import object_store, postgres, postgres_url, proxied, s3_environment, s3_url, temporal
from tests.waiting import eventually

__all__ = ["object_store", "postgres", "postgres_url", "proxied", "s3_environment", "s3_url", "temporal"]

TOKEN = "user-token-for-tests"
SECRET = "agent-secret-for-tests"
# The same examples in every run, and no time limit of their own: a busy machine is no failure.
hypothesis.settings.register_profile("suite", derandomize=True, deadline=None, print_blob=True)
hypothesis.settings.load_profile("suite")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where processes share the files out among them, those that take long come first: none begins when the rest is done."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        long = {item.path for item in items if item.get_closest_marker("slow") or item.get_closest_marker("e2e")}
        items.sort(key=lambda item: item.path not in long)


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[timing.TestTiming]:
    """Back-off passes at once."""
    with timing.testing() as clock:
        yield clock


@pytest.fixture(autouse=True)
def one_process() -> Iterator[None]:
    """A test with several backends in this process leaves no share of the retry budget behind."""
    yield
    budget.share_among(1)


@pytest.fixture(autouse=True)
def own_trace() -> None:
    """No test goes on with another one's trace."""
    tracing._trace.set(None)


@pytest.fixture(autouse=True)
def plain_logs() -> None:
    """Logs as a terminal of the product shows them; the library's own default draws every local variable of a traceback."""
    logging.configure(level="DEBUG")


@pytest.fixture(autouse=True)
def only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test leaves this machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            message = f"a test wants to connect to {address[0]}"
            raise AssertionError(message)
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, seconds: float) -> None:
        """Lets time pass."""
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        home=tmp_path / "home",
        token=TOKEN,
        agent_secret=SECRET,
        database_url=None,
        storage_url=None,
        anthropic_api_key=None,
        openai_api_key=None,
        # Tests look again as soon as they can; the limit has tests of its own.
        rate_limit="1000000/minute",
    )


@pytest.fixture
async def app(settings: Settings, clock: Clock) -> AsyncIterator[FastAPI]:
    """A running backend on an empty database."""
    app = create_app(settings, clock)
    app.state.platform.base_url = "http://backend.test"
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
def platform(app: FastAPI) -> Platform:
    """The parts of the running backend."""
    found: Platform = app.state.platform
    return found


@pytest.fixture
async def anonymous(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a token."""
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://backend.test") as client:
        yield client


@pytest.fixture
async def client(platform: Platform, anonymous: httpx.AsyncClient) -> httpx.AsyncClient:
    """The user's client, on a platform with a small data set called ``test-dataset``."""
    anonymous.headers["Authorization"] = f"Bearer {TOKEN}"
    await add_dataset(platform, "test-dataset", detection_zip())
    return anonymous


def picture(shade: int, edge: int = 16) -> bytes:
    """A PNG of one shade."""
    buffer = io.BytesIO()
    Image.new("L", (edge, edge), shade).save(buffer, "PNG")
    return buffer.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    """A zip of these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def detection_zip() -> bytes:
    """A YOLO data set of three images with a box each."""
    files = {"data.yaml": b"names: [thing]\n"}
    for number, split in enumerate(("train", "train", "val")):
        files[f"images/{split}/{number}.png"] = picture(number * 50)
        files[f"labels/{split}/{number}.txt"] = b"0 0.5 0.5 0.5 0.5\n"
    return zipped(files)


def classification_zip(per_class: int = 4, damaged: int = 0) -> bytes:
    """An ImageFolder data set of two classes; the first `damaged` training images are cut off."""
    files = {}
    for index in range(per_class):
        for shade, name in ((30, "dark"), (220, "light")):
            split = "val" if index == 0 else "train"
            files[f"{split}/{name}/{index}.png"] = picture(shade + index, edge=16)
    for name in [name for name in files if name.startswith("train")][:damaged]:
        files[name] = files[name][:40]
    return zipped(files)


async def chunks(content: bytes) -> AsyncIterator[bytes]:
    """A body that comes in one piece."""
    yield content


async def add_dataset(platform: Platform, name: str, content: bytes) -> dict[str, Any]:
    """Takes in a data set and waits until it is checked."""
    created = await platform.datasets.create(name, chunks(content))
    await platform.datasets.checks.over(created["dataset_id"])
    return await platform.datasets.show(created["dataset_id"])


DESCRIPTOR = {
    "framework": "ultralytics",
    "version": "8",
    "available": True,
    "tasks": ["detect", "classify"],
    "models": [
        {"name": "yolo11n", "task": "detect", "family": "yolo11", "params": None},
        {"name": "yolo11n-cls", "task": "classify", "family": "yolo11", "params": None},
    ],
    "defaults": {"detect": {"epochs": 100, "batch_size": 16, "image_size": 640}},
    "settings_schema": {
        "type": "object",
        "additionalProperties": False,
        "properties": {"fliplr": {"type": "number", "minimum": 0, "maximum": 1}},
    },
}


async def register_agent(platform: Platform, url: str, *, slots: int = 1, agent_id: str = "agent-1") -> None:
    """Makes an agent known as if it had reported."""
    report = AgentReport(name=agent_id, url=url, slots=slots, frameworks=[DESCRIPTOR], version="test")
    await platform.agents.report(agent_id, report)


class TrainerService:
    """A trainer service on loopback: answers 503 `fail_count` times, then takes attempts; counts the calls."""

    def __init__(self) -> None:
        self.fail_count = 0
        self.call_count = 0
        self.specs: list[dict[str, Any]] = []
        self.cancelled: list[tuple[str, str]] = []
        self.answer = 202
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                code = service.take(self.path, body)
                content = b'{"accepted":true}'
                self.send_response(code)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def take(self, path: str, body: dict[str, Any]) -> int:
        """The answer to one call."""
        if path.endswith("/cancel"):
            self.cancelled.append((path, body["reason"]))
            return 202
        self.call_count += 1
        if self.call_count <= self.fail_count:
            return 503
        if self.answer == 202:
            self.specs.append(body)
        return self.answer

    def close(self) -> None:
        """Stops serving."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def trainer_service() -> Iterator[TrainerService]:
    """A trainer service that no backend knows yet."""
    service = TrainerService()
    yield service
    service.close()


@pytest.fixture
async def mock_trainer_service(platform: Platform, trainer_service: TrainerService) -> TrainerService:
    """A trainer service that the backend knows."""
    await register_agent(platform, trainer_service.url)
    return trainer_service


async def job_in_state(client: httpx.AsyncClient, job_id: str, *wanted: str) -> dict[str, Any]:
    """The job as soon as it is in one of the states."""

    async def look() -> dict[str, Any] | None:
        job = (await client.get(f"/api/v1/training-jobs/{job_id}")).json()
        return job if job["status"] in wanted else None

    found: dict[str, Any] = await eventually(look)
    return found
