"""What really produces each code, through public behaviour: a request, a training's end, a process that dies.

`TRIGGERS` is the table. Each scenario gives the code that came out; none of them names it.
"""

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import httpx2
from fastapi import FastAPI
from sqlalchemy import text

from app.api.deps import Platform
from app.config import Settings
from app.core import responses
from app.core.classify import translate
from app.diagnosis.diagnose import diagnose
from app.diagnosis.evidence import Evidence
from app.main import create_app
from tests.conftest import SECRET, TOKEN, Clock, TrainerService, add_dataset, classification_zip, zipped
from tools import generate, pages
from trainers.agent import shim
from trainers.agent.evidence import read_json

JOBS = "/api/v1/training-jobs"
BODY: dict[str, Any] = {"model": "yolo11n", "dataset_id": "test-dataset", "epochs": 3}


@dataclass(frozen=True, slots=True)
class World:
    """A running backend with a trainer service that takes every attempt, and what scenarios need beside it."""

    client: httpx.AsyncClient
    platform: Platform
    trainer: TrainerService
    clock: Clock
    settings: Settings
    folder: Path
    stack: AsyncExitStack

    async def another(self, token: str = TOKEN, **changes: Any) -> tuple[httpx.AsyncClient, Platform]:
        """A client of a second backend with other settings."""
        app = create_app(self.settings.model_copy(update={"home": self.folder / "another", **changes}), self.clock)
        await self.stack.enter_async_context(app.router.lifespan_context(app))
        return await self.client_of(app, token), app.state.platform

    async def client_of(self, app: FastAPI, token: str = TOKEN) -> httpx.AsyncClient:
        """A client of any application."""
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x", headers=authorization(token))
        return await self.stack.enter_async_context(client)


Scenario = Callable[[World], Awaitable[str]]


def authorization(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def code_of(response: httpx.Response) -> str:
    """The code of a refusal; its status is the registry's and its header says the same."""
    error = response.json()["error"]
    assert response.headers["X-Error-Code"] == error["code"]
    return str(error["code"])


def request(method: str, path: str, **options: Any) -> Scenario:
    """A request that is refused."""

    async def scenario(world: World) -> str:
        return code_of(await world.client.request(method, path, **options))

    return scenario


def submission(**changes: Any) -> Scenario:
    """A training that is refused before it begins."""
    return request("POST", JOBS, json={**BODY, **changes})


def with_token(token: str) -> Scenario:
    """A list of jobs asked for with another token than the user's."""

    async def scenario(world: World) -> str:
        return code_of(await world.client.get(JOBS, headers=authorization(token)))

    return scenario


def upload(content: bytes) -> Scenario:
    """A data set whose check ends with an error."""

    async def scenario(world: World) -> str:
        found = await add_dataset(world.platform, "brought", content)
        return str(found["error"]["code"])

    return scenario


async def running_job(world: World) -> tuple[str, dict[str, str]]:
    """A job whose attempt has begun; its address and the attempt's credentials."""
    job_id = (await world.client.post(JOBS, json=BODY)).json()["job_id"]
    headers = authorization(world.trainer.specs[-1]["token"])
    update = {"status": "running", "attempt": 1, "seq": 1, "phase": "data"}
    response = await world.client.post(f"{JOBS}/{job_id}/callback", json=update, headers=headers)
    assert response.status_code == 200, response.text
    return f"{JOBS}/{job_id}", headers


async def verdict(world: World, job: str) -> str:
    """The code of the first attempt's diagnosis."""
    attempts = (await world.client.get(f"{job}/attempts")).json()["items"]
    return str(attempts[0]["diagnosis"]["code"])


def ending(code: str) -> Scenario:
    """An attempt that ends as the example on the code's page does: evidence through the callback, diagnosis, timeline."""

    async def scenario(world: World) -> str:
        page = (pages.FOLDER / f"{code}.md").read_text(encoding="utf-8")
        evidence = pages.evidence_dict(page)
        assert evidence is not None
        error = evidence.pop("error", None)
        job, headers = await running_job(world)
        update = {"status": "failed", "attempt": 1, "seq": 2, "evidence": evidence, "error": error}
        response = await world.client.post(f"{job}/callback", json=update, headers=headers)
        assert response.status_code == 200, response.text
        return await verdict(world, job)

    return scenario


def process(source: str) -> Scenario:
    """A real process under the agent's shim that ends by itself; what the shim saw is diagnosed."""

    async def scenario(world: World) -> str:
        world.folder.mkdir(exist_ok=True)
        command = [sys.executable, "-m", shim.__name__, str(world.folder), sys.executable, "-c", source]
        await asyncio.to_thread(subprocess.run, command, cwd=generate.ROOT, check=True, timeout=30)
        ended = read_json(world.folder / "exit.json")
        log = (world.folder / "log.txt").read_text()
        return diagnose(Evidence.from_dict({**(ended or {}), "log": log, "oom_kill_delta": 0})).code

    return scenario


async def silent_agent(world: World) -> str:
    """The agent of a running attempt is not heard of for longer than three heartbeats."""
    job, _ = await running_job(world)
    world.clock.move(31)
    await world.platform.driver.round()
    return await verdict(world, job)


async def unreachable_trainer(world: World) -> str:
    """The trainer service refuses every try to hand an attempt over."""
    world.trainer.fail_count = 1000
    return code_of(await world.client.post(JOBS, json=BODY))


async def full_quota(world: World) -> str:
    client, platform = await world.another(max_open_jobs=1)
    await platform.driver.stop()  # which would end the first job: its data set is not there
    later = {"Prefer": "respond-async"}
    assert (await client.post(JOBS, json=BODY, headers=later)).status_code == 202
    return code_of(await client.post(JOBS, json=BODY, headers=later))


async def too_many_requests(world: World) -> str:
    client, _ = await world.another(rate_limit="2/minute")
    return code_of([await client.get(JOBS) for _ in range(3)][-1])


async def large_data_set(world: World) -> str:
    client, _ = await world.another(dataset_quota_bytes=100)
    headers = {"Content-Type": "application/zip"}
    return code_of(await client.post("/api/v1/datasets", params={"name": "a"}, content=b"x" * 101, headers=headers))


async def foreign_task(world: World) -> str:
    """A classifier is to be trained on a data set for detection: the dry run says so."""
    answer = await world.client.post(f"{JOBS}/validate", json={**BODY, "model": "yolo11n-cls"})
    return str(answer.json()["errors"][0]["code"])


async def finished_job(world: World) -> str:
    """A job that is over is cancelled."""
    job, headers = await running_job(world)
    update = {"status": "succeeded", "attempt": 1, "seq": 2, "result": {}}
    await world.client.post(f"{job}/callback", json=update, headers=headers)
    return code_of(await world.client.post(f"{job}/cancel"))


async def broken_database(world: World) -> str:
    """A table is gone."""
    job, _ = await running_job(world)
    await world.platform.db.write(lambda session: session.execute(text("drop table artifacts")))
    return code_of(await world.client.get(f"{job}/artifacts"))


async def broken_store(world: World) -> str:
    """A file lies where the folder of the store was."""
    store = world.settings.home / "storage"
    shutil.rmtree(store)
    store.write_text("")
    return code_of(await world.client.post("/api/v1/weights", params={"name": "a"}, content=b"x"))


def service(fail: Callable[[], Any]) -> Scenario:
    """A service of somebody's own that lets the core answer for what its calls raise."""

    async def scenario(world: World) -> str:
        app = FastAPI()

        @app.get("/")
        def answer() -> None:
            try:
                fail()
            except Exception as error:
                raise translate(error) from error

        responses.install(app)
        return code_of(await (await world.client_of(app)).get("/"))

    return scenario


async def bug(world: World) -> str:
    """A route that raises what nobody expects."""
    app = FastAPI()
    app.add_api_route("/", lambda: 1 / 0)
    responses.install(app)
    return code_of(await (await world.client_of(app)).get("/"))


def ask_nobody() -> None:
    """A request to a port where nobody listens."""
    httpx2.get("http://127.0.0.1:9", trust_env=False)


def ask_the_deaf() -> None:
    """A request to a server that takes connections and never answers."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        httpx2.get(f"http://127.0.0.1:{server.getsockname()[1]}", timeout=0.05, trust_env=False)


def ask_a_model() -> None:
    """A language model at an address where nobody listens."""
    import openai

    client = openai.OpenAI(base_url="http://127.0.0.1:9/v1", api_key="none", max_retries=0)
    client.models.list()


async def no_platform(world: World) -> str:
    """The command line where no platform runs."""
    command = [sys.executable, "-m", "app.cli", "--json", "status"]
    environment = {"VTP_HOME": str(world.folder), "PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin:/bin"}
    done = await asyncio.to_thread(subprocess.run, command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 4, done.stderr
    return str(json.loads(done.stderr)["error"]["code"])


DIES = "import os, signal; print('epoch 3', flush=True); os.kill(os.getpid(), signal.{})"
TRIGGERS: dict[str, Scenario] = {
    "DATASET_NOT_FOUND": request("GET", "/api/v1/datasets/none"),
    "DATASET_INVALID_FORMAT": upload(zipped({"readme.txt": b"no images"})),
    "DATASET_BROKEN": upload(classification_zip(per_class=8, damaged=1)),
    "DATASET_TOO_LARGE": large_data_set,
    "INVALID_MODEL": submission(model="yolo11m-clss"),
    "INVALID_CONFIG": submission(settings={"flip": 1}),
    "VALIDATION_FAILED": submission(epochs=0),
    "NOT_FOUND": request("GET", f"{JOBS}/J-999"),
    "MODEL_DATA_MISMATCH": foreign_task,
    "CONFLICT": finished_job,
    "PAYLOAD_TOO_LARGE": submission(name="x" * 1_100_000),
    "INVALID_TOKEN": with_token("wrong"),
    "INSUFFICIENT_PERMISSIONS": with_token(SECRET),
    "QUOTA_EXCEEDED": full_quota,
    "RATE_LIMITED": too_many_requests,
    "TRAINER_UNREACHABLE": unreachable_trainer,
    "TRAINER_LOST": silent_agent,
    "TRAINER_CRASHED": process(DIES.format("SIGSEGV")),
    "TRAINER_KILLED": process(DIES.format("SIGKILL")),
    "DATABASE_ERROR": broken_database,
    "STORAGE_ERROR": broken_store,
    "NETWORK_ERROR": service(ask_nobody),
    "OPERATION_TIMEOUT": service(ask_the_deaf),
    "LLM_UNAVAILABLE": service(ask_a_model),
    "SERVICE_UNAVAILABLE": no_platform,
    "SYSTEM_ERROR": bug,
    **{
        code: ending(code)
        for code in (
            "CUDA_OOM", "HOST_OOM", "SHM_EXHAUSTED", "DISK_FULL", "CUDA_UNAVAILABLE", "CUDA_DEVICE_ASSERT", "CUDA_ERROR",
            "GPU_HARDWARE_FAULT", "DISTRIBUTED_COMM_ERROR", "TRAINING_DIVERGED", "CHECKPOINT_INVALID", "DEPENDENCY_ERROR",
            "DOWNLOAD_FAILED", "FILE_PERMISSION_DENIED", "TRAINING_HUNG", "JOB_PREEMPTED",
            "TRAINING_TIMEOUT", "TRAINING_CANCELLED", "WORKER_STARTUP_ERROR", "TRAINING_CODE_ERROR", "MLFLOW_UNAVAILABLE",
            "TEMPORAL_ERROR", "UNKNOWN_FAILURE",
        )
    },
}  # fmt: skip
