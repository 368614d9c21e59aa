"""What becomes of jobs when the real Temporal server, or the way to it, fails; told in the table of faults.

What must hold each time: the code is TEMPORAL_ERROR, no job is lost, none is started twice, and agents' words are taken in
all the while.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from app.api.deps import Platform
from app.clients import temporal as temporal_client
from app.config import Settings
from app.core.errors import PlatformError
from app.workflows import temporal as temporal_driver
from tests.conftest import Clock, TrainerService
from tests.core.servers import Temporal
from tests.integration.faults_table import Record
from tests.integration.proxy import FaultProxy, Faults
from tests.integration.servers import need_temporal, new_queue
from tests.services.test_verdicts import CONFIG, JOBS, Talk
from tests.waiting import eventually

SHORT = 0.3
"""Seconds that an answer may take here, in place of `temporal_client.RPC_SECONDS`."""
WAITED = "tried again within the 14 s that a caller waits (5 s a try, here 0.3 s), then told them"
REFUSED = "503 with Retry-After: The workflow engine could not complete this."


@pytest.fixture
def way(temporal: Temporal, proxied: Callable[[int], FaultProxy]) -> FaultProxy:
    """The way to the shared server."""
    return proxied(temporal.port)


@pytest.fixture
def settings(settings: Settings, way: FaultProxy) -> Settings:
    changes = {"temporal_address": f"127.0.0.1:{way.port}", "temporal_task_queue": new_queue()}
    return settings.model_copy(update={"orchestrator": "temporal", **changes})


def give_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on calls to the server are given up soon; before, a busy machine may take its time."""
    monkeypatch.setattr(temporal_client, "RPC_SECONDS", SHORT)
    monkeypatch.setattr(temporal_client, "CONNECT_SECONDS", SHORT)


@pytest.fixture
def talk(client: httpx.AsyncClient, mock_trainer_service: TrainerService, platform: Platform, clock: Clock) -> Talk:
    return Talk(client, mock_trainer_service, platform, clock)


async def submitted(talk: Talk) -> str:
    """A job that is only stored."""
    answer = await talk.client.post(JOBS, json=CONFIG, headers={"Prefer": "respond-async"})
    assert answer.status_code == 202
    return str(answer.json()["job_id"])


async def status(talk: Talk, job_id: str) -> str:
    return str((await talk.client.get(f"{JOBS}/{job_id}")).json()["status"])


async def ended(talk: Talk, job_id: str, wanted: str = "succeeded") -> None:
    async def look() -> bool:
        return await status(talk, job_id) == wanted

    await eventually(look, 30, what=f"{job_id} {wanted}", every=0.02)


async def is_refused(talk: Talk) -> tuple[str, float]:
    """Submits a job that cannot be started: who submits is told, and the job has ended with that; its id, and the time."""
    began = time.monotonic()
    answer = await talk.client.post(JOBS, json=CONFIG)
    took = time.monotonic() - began
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (503, "TEMPORAL_ERROR"), answer.text
    assert error["message"] == "The workflow engine could not complete this."
    assert float(answer.headers["Retry-After"]) > 0
    newest = (await talk.client.get(JOBS)).json()["items"][0]
    assert (newest["status"], newest["error"]["code"]) == ("failed", "TEMPORAL_ERROR")
    return str(newest["job_id"]), took


async def failures_of_temporal(talk: Talk) -> int:
    """What the list of dependencies has against it."""
    items = (await talk.client.get("/api/v1/system/dependencies")).json()["items"]
    return next(int(item["failure_count"]) for item in items if item["name"] == "temporal")


async def starts_once_when_healed(talk: Talk, way: FaultProxy, kept: str, refused: str) -> None:
    """What was only stored starts by itself, once; what was refused never does."""
    way.heal()
    await eventually(lambda: talk.service.specs, 40, what=f"the start of {kept}", every=0.02)
    talk.job_id = kept
    await talk.tell(status="running", phase="training")
    await talk.tell(status="succeeded", result={"metrics": {}})
    await ended(talk, kept)
    assert [spec["job_id"] for spec in talk.service.specs] == [kept]
    assert await status(talk, refused) == "failed"


async def test_refused(talk: Talk, way: FaultProxy, record_fault: Record) -> None:
    way.refuse()
    refused, took = await is_refused(talk)
    kept = await submitted(talk)
    again, _ = await is_refused(talk)

    async def told() -> bool:
        job = (await talk.client.get(f"{JOBS}/{kept}")).json()
        return bool((job["progress"] or {}).get("waiting_for") == temporal_driver.AWAY)

    await eventually(told, what="what it waits for", every=0.01)
    assert (await talk.client.get("/api/v1/system/status")).json()["status"] == "degraded"
    assert await failures_of_temporal(talk) > 0
    assert talk.service.specs == []
    await starts_once_when_healed(talk, way, kept, again)
    assert await status(talk, refused) == "failed"

    async def well() -> bool:
        return bool((await talk.client.get("/api/v1/system/status")).json()["status"] == "ok")

    await eventually(well, what="the platform to be whole again", every=0.1)
    assert talk.platform.driver.client.breaker.state == "CLOSED"  # type: ignore[attr-defined]
    did = "tried again within the 14 s that a caller waits, then told them; their job has ended with that"
    record_fault("Temporal", "refused", "TEMPORAL_ERROR", REFUSED, did, took)


async def test_black_hole(talk: Talk, way: FaultProxy, monkeypatch: pytest.MonkeyPatch, record_fault: Record) -> None:
    way.hold()
    way.reset()
    give_up_soon(monkeypatch)
    refused, took = await is_refused(talk)
    kept = await submitted(talk)
    await starts_once_when_healed(talk, way, kept, refused)
    did = f"{WAITED}; a start that got through after all finds that its job has ended"
    record_fault("Temporal", "black hole", "TEMPORAL_ERROR", REFUSED, did, took)


async def test_reset_in_mid_answer(talk: Talk, way: FaultProxy, record_fault: Record) -> None:
    """Whether the first try had come through is not known; the second is the same start."""
    way.faults.cut_after = 1
    way.reset()
    before = way.connections
    kept = await submitted(talk)
    await eventually(lambda: way.connections > before + 2, 10, every=0.01)
    way.heal()
    began = time.monotonic()
    await eventually(lambda: talk.service.specs, 40, what="the start", every=0.02)
    took = time.monotonic() - began
    talk.job_id = kept
    await talk.tell(status="succeeded", result={"metrics": {}})
    await ended(talk, kept)
    assert [spec["job_id"] for spec in talk.service.specs] == [kept]
    did = "tried again: the same job is the same workflow, so it was started once"
    record_fault("Temporal", "reset in mid-answer", None, "the job starts later", did, took)


async def test_slow(talk: Talk, way: FaultProxy, record_fault: Record) -> None:
    way.faults.latency = 0.1
    began = time.monotonic()
    answer = await talk.client.post(JOBS, json=CONFIG)
    took = time.monotonic() - began
    assert answer.status_code == 200
    talk.job_id = answer.json()["job_id"]
    assert len(talk.service.specs) == 1
    await talk.tell(status="succeeded", result={"metrics": {}})
    await ended(talk, talk.job_id)
    record_fault("Temporal", "slow", None, "the answer, later", "waited: each piece of data took 0.1 s longer", took)


@pytest.mark.parametrize(
    ("fault", "faults", "did"),
    [
        (
            "garbage answer",
            Faults(garbage=b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
            "tried again, then told who submits; went on by itself when the server answered again",
        ),
        (
            "5xx",  # of a load balancer that has no server: gRPC's clients take it for UNAVAILABLE
            Faults(http2_status=503),
            "tried again within the 14 s that a caller waits, then told them; stored jobs start when it answers again",
        ),
    ],
)
async def test_no_answer_of_the_server(
    fault: str, faults: Faults, did: str, talk: Talk, way: FaultProxy, record_fault: Record
) -> None:
    way.faults = faults
    way.reset()
    refused, took = await is_refused(talk)
    kept = await submitted(talk)
    await starts_once_when_healed(talk, way, kept, refused)
    record_fault("Temporal", fault, "TEMPORAL_ERROR", REFUSED, did, took)


async def is_limited(server: Temporal) -> bool:
    """Whether the server refuses a call for there being too many."""
    client = await Client.connect(server.address, lazy=True, retry_config=temporal_client.ONE_TRY)
    try:
        await client.start_workflow("unknown", id=new_queue(), task_queue="nobody's")
    except RPCError as error:
        return error.status is RPCStatusCode.RESOURCE_EXHAUSTED
    return False


class TestWrongSettings:
    """What no retry can help is tried once."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"temporal_namespace": "nobody-made-this"})

    async def test_wrong_namespace(self, talk: Talk, record_fault: Record) -> None:
        _, took = await is_refused(talk)
        did = (
            "did not try again: that would not help; the backend serves pages and agents, and looks again for the namespace"
        )
        record_fault("Temporal", "wrong namespace", "TEMPORAL_ERROR", REFUSED, did, took)


class TestWrongCredentials:
    """The development server lets everybody in; what it cannot do is to speak TLS, which a key wants."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"temporal_tls": True})

    async def test_wrong_credentials(self, talk: Talk, monkeypatch: pytest.MonkeyPatch, record_fault: Record) -> None:
        give_up_soon(monkeypatch)
        _, took = await is_refused(talk)
        did = (
            "no secret is sent over a connection that is not what was asked for (here: TLS, which the server does not speak)"
        )
        record_fault("Temporal", "wrong credentials", "TEMPORAL_ERROR", REFUSED, did, took)


class TestOwnServer:
    """Faults of the server itself, which has a file and can be killed."""

    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[Temporal]:
        need_temporal()
        server = Temporal(tmp_path / "temporal.db")
        yield server
        server.close()

    @pytest.fixture
    def settings(self, settings: Settings, server: Temporal) -> Settings:
        return settings.model_copy(update={"temporal_address": server.address})

    async def test_killed_and_restarted(self, talk: Talk, server: Temporal, record_fault: Record) -> None:
        """While it is away, a training runs, ends, and another is cancelled; afterwards the next attempt comes once."""
        await talk.begin()
        await talk.epoch(1)
        server.kill()
        waiting = await submitted(talk)
        cancelled = await submitted(talk)
        await talk.client.post(f"{JOBS}/{cancelled}/cancel")
        assert await status(talk, cancelled) == "cancelled"
        await talk.epoch(2)
        await talk.fails("TRAINER_CRASHED", again=False)
        assert await status(talk, talk.job_id) == "waiting"
        assert (await talk.client.post(f"{JOBS}/{talk.job_id}/run-now")).status_code == 202
        server.start()
        began = time.monotonic()
        await eventually(lambda: len(talk.service.specs) == 2, 60, what="the next start", every=0.02)
        took = time.monotonic() - began
        first = talk.job_id
        for _ in range(2):
            talk.job_id, talk.seq = talk.spec["job_id"], 0
            number = len(talk.service.specs)
            await talk.tell(status="running", phase="training")
            await talk.tell(status="succeeded", result={"metrics": {}})
            await ended(talk, talk.job_id)
            if number == 2:
                await eventually(lambda: len(talk.service.specs) == 3, 30, what="the last start", every=0.02)
        assert await status(talk, cancelled) == "cancelled"
        assert sorted((spec["job_id"], spec["attempt"]) for spec in talk.service.specs) == [
            (first, 1),
            (first, 2),
            (waiting, 1),
        ]
        saw = "trainings go on and end as usual; the next attempt starts when it is back"
        did = (
            "took in what agents told, let users cancel; went on with each job where its rows stood, nothing lost or doubled"
        )
        record_fault("Temporal", "killed and restarted", None, saw, did, took)

    async def test_hung(self, talk: Talk, server: Temporal, monkeypatch: pytest.MonkeyPatch, record_fault: Record) -> None:
        await talk.begin()
        server.freeze()
        give_up_soon(monkeypatch)
        try:
            refused, took = await is_refused(talk)
            await talk.epoch(1)
            assert (await talk.client.post(f"{JOBS}/{talk.job_id}/cancel")).json()["status"] == "cancelling"
            await eventually(lambda: talk.service.cancelled, what="the cancellation at the agent")
        finally:
            server.freeze(yes=False)
        await talk.tell(status="cancelled")
        await ended(talk, talk.job_id, "cancelled")
        assert await status(talk, refused) == "failed"
        did = f"{WAITED}; trainings went on and could be cancelled"
        record_fault("Temporal", "hung (SIGSTOP)", "TEMPORAL_ERROR", REFUSED, did, took)

    async def test_lost_its_data(
        self, talk: Talk, server: Temporal, record_fault: Record, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The state of record is ours: on an empty server every job goes on where it stood."""
        monkeypatch.setattr(temporal_driver, "COMPARE_SECONDS", 1.0)
        await talk.begin()
        await talk.epoch(1)
        server.kill()
        assert server.file is not None
        for file in server.file.parent.glob("temporal.db*"):
            file.unlink()
        kept = await submitted(talk)
        server.start()
        began = time.monotonic()
        driver: Any = talk.platform.driver

        async def both() -> bool:
            try:
                return await driver.client.running() >= {talk.job_id, kept}
            except PlatformError:
                return False  # it takes connections before it is ready

        await eventually(both, 60, what="both workflows", every=0.05)
        took = time.monotonic() - began
        await talk.client.post(f"{JOBS}/{kept}/cancel")
        await talk.fails("TRAINER_CRASHED")
        assert (talk.spec["job_id"], talk.spec["attempt"]) == (talk.job_id, 2)
        assert [spec["attempt"] for spec in talk.service.specs] == [1, 2]
        did = "saw at its next comparison (every 30 s, here 1 s) which workflows are missing, and started each again, once"
        record_fault("Temporal", "restarted without its data", None, "nothing", did, took)

    async def test_full(self, talk: Talk, server: Temporal, record_fault: Record) -> None:
        """What the server says then is that it does not know the namespace."""
        await talk.begin()
        server.fill(full=True)
        refused, took = await is_refused(talk)
        kept = await submitted(talk)
        await talk.tell(status="succeeded", result={"metrics": {}})
        await ended(talk, talk.job_id)
        server.fill(full=False)
        await eventually(lambda: len(talk.service.specs) == 2, 40, what=f"the start of {kept}", every=0.02)
        assert (talk.spec["job_id"], await status(talk, refused)) == (kept, "failed")
        did = "told who submits; trainings went on and ended, jobs that were stored started when there was room again"
        record_fault("Temporal", "full", "TEMPORAL_ERROR", REFUSED, did, took)

    async def test_429(self, talk: Talk, server: Temporal, record_fault: Record) -> None:
        """gRPC's form of it: RESOURCE_EXHAUSTED."""
        server.kill()
        server.start(frontend_namespaceRPS="1", frontend_namespaceBurstRatio="1.0")
        await eventually(lambda: is_limited(server), 10, what="the limit", every=0.05)
        refused, took = await is_refused(talk)
        kept = await submitted(talk)
        server.kill()
        server.start()
        await eventually(lambda: talk.service.specs, 40, what=f"the start of {kept}", every=0.02)
        assert [spec["job_id"] for spec in talk.service.specs] == [kept]
        assert await status(talk, refused) == "failed"
        did = "tried again within the 14 s that a caller waits, then told them; stored jobs start when it lets them"
        record_fault("Temporal", "429 with Retry-After", "TEMPORAL_ERROR", REFUSED, did, took)


class TestDownAtTheStart:
    """The backend is started before the server."""

    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[Temporal]:
        need_temporal()
        server = Temporal(tmp_path / "temporal.db")
        server.kill()
        yield server
        server.close()

    @pytest.fixture
    def settings(self, settings: Settings, server: Temporal) -> Settings:
        return settings.model_copy(update={"temporal_address": server.address})

    async def test_down_at_the_start(self, talk: Talk, server: Temporal, record_fault: Record) -> None:
        kept = await submitted(talk)
        assert (await talk.client.get("/api/v1/system/health/ready")).status_code == 200
        server.start()
        began = time.monotonic()
        await eventually(lambda: talk.service.specs, 40, what=f"the start of {kept}", every=0.02)
        took = time.monotonic() - began
        talk.job_id = kept
        await talk.tell(status="succeeded", result={"metrics": {}})
        await ended(talk, kept)
        assert [spec["job_id"] for spec in talk.service.specs] == [kept]
        saw, did = (
            "pages and stored jobs as usual",
            "served all that does not need it, and began to drive as soon as it was there",
        )
        record_fault("Temporal", "down when the backend starts", None, saw, did, took)
