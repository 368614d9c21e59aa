"""A real agent, and every way in which the backend's calls to it and its own reports to a real backend can fail."""

import asyncio
import contextlib
import re
import resource
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from structlog.testing import capture_logs

from app.api.deps import Platform
from app.clients import trainer as module
from app.core.timing import TestTiming
from tests.conftest import SECRET, add_dataset, classification_zip
from tests.disks import small_file_system
from tests.integration.faults_table import Record
from tests.integration.proxy import FaultProxy, fault_proxy, http_answer
from tests.running import EVERY, JOBS, SKLEARN, RunningPlatform
from tests.waiting import eventually, free_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SKLEARN.exists(), reason="the scikit-learn trainer's environment is not installed"),
]
THERE, BACK = "Training machine", "Backend, for training machines"
CONFIG: dict[str, Any] = {
    "framework": "sklearn", "model": "sgd-linear", "dataset_id": "tiny", "epochs": 500, "batch_size": 2, "image_size": 16,
    "settings": {"images_per_s_limit": 30},
}  # fmt: skip
OFTEN = {"VTP_HEARTBEAT_SECONDS": "0.5", "VTP_HEARTBEATS_MISSED": "100"}
MANY = 200


@pytest.fixture
def ways(tmp_path: Path) -> Iterator[tuple[RunningPlatform, FaultProxy, FaultProxy]]:
    """What runs the processes, what stands before the agent, and what stands before the backend."""
    port = free_port()
    with fault_proxy(port) as agent, fault_proxy(0) as backend:
        options = ("--backend-url", backend.url, "--port", str(port), "--advertise-url", agent.url)
        machine = RunningPlatform(tmp_path / "machine", slots=4, agent_options=options, **OFTEN)
        backend.target = machine.port
        yield machine, agent, backend


def stop(machine: RunningPlatform, name: str, *, yes: bool = True) -> None:
    """Stops a process where it stands, or lets it go on."""
    machine.processes[name].send_signal(signal.SIGSTOP if yes else signal.SIGCONT)


def fill(machine: RunningPlatform, *, yes: bool = True) -> None:
    """No file of the backend may grow any more, as on a full disk; or it may again."""
    pid = machine.processes["backend"].pid
    _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0 if yes else most, most))


def answers(status: str, times: int = MANY, **headers: str) -> list[bytes]:
    """Answers in place of the server's."""
    return [http_answer(status, b"", "text/plain", **headers)] * times


# What the backend asks of an agent -------------------------------------------------------------------------------------


@pytest.fixture
async def machine(
    ways: tuple[RunningPlatform, FaultProxy, FaultProxy], app: FastAPI, platform: Platform
) -> AsyncIterator[RunningPlatform]:
    """An agent that this process's backend knows and reaches through the proxy."""
    found = ways[0]
    (found.home / "agent-secret").write_text(SECRET)
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="critical", port=found.port))
    serving = asyncio.create_task(server.serve())
    await add_dataset(platform, "tiny", classification_zip())
    found.start("agent")
    yield found
    await found.down()
    server.should_exit = True
    await serving


@dataclass(frozen=True, slots=True)
class Call:
    """A fault of the way to an agent, how it is undone, and what came of a submission: a code, or a training."""

    begin: Callable[[RunningPlatform, FaultProxy], object]
    did: str
    code: str | None = "TRAINER_UNREACHABLE"
    saw: str = "503: Unable to start training at this time."
    end: Callable[[RunningPlatform, FaultProxy], object] = lambda _machine, proxy: proxy.heal()


def through(name: str, value: Any) -> Callable[[RunningPlatform, FaultProxy], object]:
    """A fault of the connection; who speaks first can do so on a new one only."""

    def begin(_machine: RunningPlatform, proxy: FaultProxy) -> None:
        setattr(proxy.faults, name, value)
        if name == "garbage":
            proxy.reset()

    return begin


GAVE_UP = "asked three times, then told who submits; nothing starts later"
CALLS = {
    "refused": Call(lambda _, proxy: proxy.refuse(), GAVE_UP),
    "black hole": Call(
        lambda machine, _: stop(machine, "agent"),
        f"waited 10 s (here 0.3 s) for an answer, {GAVE_UP}; what it took in after all, it had to let go",
        end=lambda machine, _: stop(machine, "agent", yes=False),
    ),
    "reset in mid-answer": Call(
        through("cut_at", b"POST /attempts "), "asked again: the same attempt twice is one", None, "nothing"
    ),
    "slow": Call(through("latency", 0.2), "waited: each piece of data took 0.2 s longer", None, "the training starts later"),
    "wrong credentials": Call(
        lambda machine, _: None, f"{GAVE_UP}; the log says that the agent has another secret", end=lambda machine, _: None
    ),
    "5xx": Call(through("answers", answers("500 Internal Server Error")), GAVE_UP),
    "429 with Retry-After": Call(
        through("answers", answers("429 Too Many Requests", 1, Retry_After="9")),
        "waited as long as it was asked to (9 s), and tried again", None, "the training starts later",
    ),
    "garbage answer": Call(through("garbage", b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), GAVE_UP),
    "killed and restarted": Call(
        lambda machine, _: machine.kill("agent"),
        f"{GAVE_UP}; trainings that ran there went on and were taken up again",
        end=lambda machine, _: machine.start("agent"),
    ),
}  # fmt: skip


class Submitting:
    """A user of the backend in this process, whose agent is a real one."""

    def __init__(self, client: httpx.AsyncClient, machine: RunningPlatform, platform: Platform) -> None:
        self.client, self.machine, self.platform = client, machine, platform

    async def ready(self) -> None:
        """Waits until there is an agent for the next training."""

        async def offered() -> bool:
            items = (await self.client.get("/api/v1/frameworks")).json()["items"]
            return any(item["framework"] == "sklearn" and item["agents"] for item in items)

        await eventually(offered, 30, "an agent", EVERY)

    async def submit(self) -> tuple[httpx.Response, dict[str, Any], float]:
        """Starts a training; the answer, the job as it is then, and the seconds it took."""
        began = time.monotonic()
        answer = await self.client.post(JOBS, json=CONFIG)
        seconds = time.monotonic() - began
        job_id = (await self.client.get(JOBS)).json()["items"][0]["job_id"]
        return answer, await self.job(job_id), seconds

    async def job(self, job_id: str) -> dict[str, Any]:
        """A job as its page shows it."""
        return dict((await self.client.get(f"{JOBS}/{job_id}")).json())

    async def left(self, job_id: str) -> None:
        """Waits until the agent has nothing of a job."""
        query = "select count(*) from attempts where job_id=?"
        await eventually(lambda: self.machine.journal(query, job_id)[0][0] == 0, 30, f"nothing of {job_id}", EVERY)

    async def trains(self, job_id: str, attempt: int = 1) -> None:
        """Waits until a training has come further, in the attempt that it should be."""
        before = (await self.job(job_id))["last_seq"]

        async def further() -> bool:
            job = await self.job(job_id)
            return (job["status"], job["attempt"]) == ("running", attempt) and job["last_seq"] > before

        await eventually(further, 30, f"progress of {job_id}", EVERY)


@pytest.fixture
def user(client: httpx.AsyncClient, machine: RunningPlatform, platform: Platform) -> Submitting:
    return Submitting(client, machine, platform)


async def test_what_comes_of_a_submission_when_the_agent_cannot_be_asked(
    user: Submitting, ways: tuple[RunningPlatform, FaultProxy, FaultProxy], record_fault: Record, no_waiting: TestTiming,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    machine, proxy, _ = ways
    patience = module.ANSWER_SECONDS
    headers, trained = user.platform.trainer._http.headers, []
    for fault, call in CALLS.items():
        await user.ready()
        monkeypatch.setattr(module, "ANSWER_SECONDS", 0.3 if fault == "black hole" else patience)
        monkeypatch.setitem(headers, "authorization", f"Bearer {'another' if fault == 'wrong credentials' else SECRET}")
        call.begin(machine, proxy)
        waits = len(no_waiting.waits)
        with capture_logs() as lines:
            answer, job, seconds = await user.submit()
        call.end(machine, proxy)
        if call.code is None:
            assert answer.status_code == 200, fault
            await user.trains(job["job_id"])
            trained.append(job["job_id"])
        else:
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, call.code), fault
            assert f"503: {answer.json()['error']['message']}" == call.saw
            assert (job["status"], job["error"]["code"]) == ("failed", call.code)
            assert len(no_waiting.waits) - waits == 2, fault
            await user.left(job["job_id"])
        if "Retry-After" in fault:
            assert no_waiting.waits[-1] >= 9
        if fault == "wrong credentials":
            assert "given another secret" in str(lines)
        record_fault(THERE, fault, call.code, call.saw, call.did, seconds)
    for job_id in trained:
        await user.trains(job_id)
    assert len(trained) == 3


@pytest.fixture
def small_disk(ways: tuple[RunningPlatform, FaultProxy, FaultProxy]) -> Iterator[Path]:
    """The agent's folder on a file system of its own."""
    with small_file_system(ways[0].home / "agent", 32) as disk:
        yield disk


async def test_an_agent_whose_disk_is_full_takes_nothing_and_says_why(
    small_disk: Path, user: Submitting, record_fault: Record
) -> None:
    await user.ready()
    filler = small_disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 65536)
    _, job, seconds = await user.submit()
    job_id = job["job_id"]
    (attempt,) = (await user.client.get(f"{JOBS}/{job_id}/attempts")).json()["items"]
    assert (job["status"], attempt["error"]["code"]) == ("waiting", "DISK_FULL")
    assert attempt["error"]["message"] == "The disk was full."
    filler.unlink()
    await user.client.post(f"{JOBS}/{job_id}/run-now")
    await user.trains(job_id, attempt=2)
    saw = "the first attempt failed: The disk was full."
    did = "took the agent's word, asked it for nothing more; tried again after a wait, when there was room"
    record_fault(THERE, "full", "DISK_FULL", saw, did, seconds)


# What an agent tells the backend ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Silence:
    """A fault of the agent's way to the backend, and how it ends; with `stands` nothing comes through meanwhile. `said` is
    what the agent's log calls it."""

    begin: Callable[[RunningPlatform, FaultProxy], object]
    did: str
    end: Callable[[RunningPlatform, FaultProxy], object] = lambda _machine, proxy: proxy.heal()
    stands: bool = True
    said: str = ""


LATER = "the page stood still, then caught up"
KEPT = "the training went on; its agent kept what it told and delivered all of it, in order, each once"
SILENCES = {
    "refused": Silence(lambda _, proxy: proxy.refuse(), KEPT, said="All connection attempts failed"),
    "black hole": Silence(
        lambda machine, _: stop(machine, "backend"), KEPT, lambda machine, _: stop(machine, "backend", yes=False)
    ),
    "reset in mid-answer": Silence(
        through("cut_at", b"/callback"), "sent again what had no answer; what was stored already is there once", stands=False
    ),
    "slow": Silence(through("latency", 0.1), "the training did not wait; its agent did", stands=False),
    "full": Silence(
        lambda machine, _: fill(machine), KEPT, lambda machine, _: fill(machine, yes=False), said="answered 500"
    ),
    "killed and restarted": Silence(
        lambda machine, _: machine.kill("backend"), KEPT, lambda machine, _: machine.start("backend")
    ),
    "5xx": Silence(through("answers", answers("503 Service Unavailable")), KEPT, said="answered 503"),
    "429 with Retry-After": Silence(
        through("answers", answers("429 Too Many Requests", Retry_After="2")), f"{KEPT}, and not before it was asked to",
        said="answered 429",
    ),
    "garbage answer": Silence(through("garbage", b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), KEPT, said="illegal status line"),
}  # fmt: skip


async def told(machine: RunningPlatform, job_id: str) -> list[int]:
    """The epochs that the page shows."""
    return [item["epoch"] for item in (await machine.ask("GET", f"{JOBS}/{job_id}/metrics")).json()["items"]]


def journalled(machine: RunningPlatform, job_id: str) -> int:
    """How many updates the agent has taken down."""
    return int(machine.journal("select next_seq from attempts where job_id=?", job_id)[0][0]) - 1


async def test_no_word_of_a_training_is_lost_however_the_backend_fails(
    ways: tuple[RunningPlatform, FaultProxy, FaultProxy], record_fault: Record
) -> None:
    machine, _, proxy = ways
    try:
        await rejected(machine, record_fault)
        job_id = (await machine.ask("GET", JOBS)).json()["items"][0]["job_id"]
        await machine.wait_for(job_id, "running")
        for fault, silence in SILENCES.items():
            seconds = await gap(machine, proxy, job_id, silence)
            epochs = await told(machine, job_id)
            assert epochs == list(range(1, len(epochs) + 1)), fault
            job = await machine.job(job_id)
            assert (job["status"], job["attempt"]) == ("running", 1), fault
            if "Retry-After" in fault:
                waits = re.findall(r"answered 429\), next try in ([\d.]+) s", machine.log("agent"))
                assert min(map(float, waits)) >= 2
            record_fault(BACK, fault, None, LATER if silence.stands else "curves came later", silence.did, seconds)
    finally:
        proxy.heal()
        await machine.down()


async def rejected(machine: RunningPlatform, record_fault: Record) -> None:
    """An agent with another secret than the backend's; afterwards it has the right one."""
    machine.start("backend")
    secret = machine.home / "agent-secret"
    secret.write_text("another")
    machine.start("agent")
    await machine.add_dataset("tiny", classification_zip())
    job_id = await machine.submit(**CONFIG)
    await eventually(lambda: "401 INVALID_TOKEN" in machine.log("agent"), 30, "the agent's complaint", EVERY)
    assert (await machine.job(job_id))["status"] == "queued"
    machine.kill("agent")
    secret.write_text("secret")
    began = time.monotonic()
    machine.start("agent")
    await machine.wait_for(job_id, "starting", "running")
    did = "took nothing from it; its log says why; the job began when the agent had the right secret"
    saw = "the job waits, and no agent is there"
    record_fault(BACK, "wrong credentials", "INVALID_TOKEN", saw, did, time.monotonic() - began)


async def gap(machine: RunningPlatform, proxy: FaultProxy, job_id: str, silence: Silence) -> float:
    """One fault while a training goes on; seconds from its end until the page had caught up."""
    before, complaints = journalled(machine, job_id), machine.log("agent").count(f"backend away ({silence.said}")
    silence.begin(machine, proxy)
    await eventually(lambda: journalled(machine, job_id) > before + 4, 30, "the training to go on", EVERY)
    if silence.said:
        complained = f"backend away ({silence.said}"
        await eventually(lambda: machine.log("agent").count(complained) > complaints, 30, complained, EVERY)
    reached = journalled(machine, job_id)
    delivered = machine.journal("select acked_seq from attempts where job_id=?", job_id)[0][0]
    assert delivered < reached or not silence.stands
    silence.end(machine, proxy)
    began = time.monotonic()
    acked = "select acked_seq from attempts where job_id=?"
    await eventually(lambda: machine.journal(acked, job_id)[0][0] >= reached, 60, "the page to catch up", EVERY)
    return time.monotonic() - began
