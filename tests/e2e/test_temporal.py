"""Real trainings through a real Temporal server, while backend, server and agent are killed."""

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from temporalio.client import Client

from tests.conftest import classification_zip
from tests.core.servers import Temporal
from tests.integration.servers import need_temporal
from tests.running import EVERY, SKLEARN, RunningPlatform, running
from tests.waiting import eventually

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.skipif(not SKLEARN.exists(), reason="the scikit-learn trainer's environment is not installed"),
]

CONFIG = {
    "framework": "sklearn", "model": "mlp-small", "dataset_id": "tiny", "epochs": 2, "batch_size": 2, "image_size": 16,
    "settings": {"hidden": 4},
}  # fmt: skip
SLOW = {"settings": {"hidden": 4, "images_per_s_limit": 12}}
"""About half a second an epoch."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Temporal]:
    need_temporal()
    server = Temporal(tmp_path / "temporal.db")
    yield server
    server.close()


async def told(platform: RunningPlatform, job_id: str, epoch: int) -> None:
    """Waits until a job has told of an epoch and left a checkpoint."""

    async def look() -> bool:
        items = (await platform.ask("GET", f"/api/v1/training-jobs/{job_id}/artifacts")).json()["items"]
        return any((item["epoch"] or 0) >= epoch for item in items if item["role"] == "checkpoint")

    await eventually(look, 30, f"epoch {epoch} of {job_id}", every=EVERY)


async def workflows(server: Temporal) -> dict[str, list[str]]:
    """How the workflows of jobs stand, by the server's index."""
    client, found = await Client.connect(server.address), {}
    async for row in client.list_workflows("WorkflowType = 'training-job'"):
        found.setdefault(row.id, []).append(row.status.name if row.status else "")
    return found


async def test_trainings_survive_the_death_of_backend_server_and_agent(tmp_path: Path, server: Temporal) -> None:
    """Success, time limit, cancellation and preemption; each job ends once, and its workflow with it."""
    times = {"VTP_HEARTBEAT_SECONDS": "1", "VTP_GRACE_SECONDS": "5"}
    options = {"slots": 4, "agent_options": ("--stop-trainings",), "ORCHESTRATOR": "temporal", **times}
    async with running(tmp_path / "home", TEMPORAL_ADDRESS=server.address, **options) as platform:
        await platform.add_dataset("tiny", classification_zip())
        quick = await platform.submit(**CONFIG)
        limited = await platform.submit(**{**CONFIG, **SLOW, "epochs": 200, "max_duration_s": 2})
        cancelled = await platform.submit(**{**CONFIG, **SLOW, "epochs": 200})
        assert (await platform.wait_for(quick, "succeeded", "failed"))["status"] == "succeeded"
        await told(platform, cancelled, 1)

        await asyncio.to_thread(platform.restart, "backend")
        await asyncio.to_thread(server.kill)
        await platform.wait_for(cancelled, "running")
        await platform.ask("POST", f"/api/v1/training-jobs/{cancelled}/cancel")
        await asyncio.to_thread(server.start)
        assert (await platform.wait_for(limited, "failed", "succeeded"))["error"]["code"] == "TRAINING_TIMEOUT"
        await platform.wait_for(cancelled, "cancelled")

        long = await platform.submit(**{**CONFIG, **SLOW, "epochs": 10})
        await told(platform, long, 1)
        await asyncio.to_thread(platform.kill, "agent", signal.SIGTERM)
        await platform.wait_for(long, "waiting", "queued")
        platform.start("agent")
        await platform.ask("POST", f"/api/v1/training-jobs/{long}/run-now")
        assert (await platform.wait_for(long, "succeeded", "failed"))["status"] == "succeeded"
        first, second = await platform.attempts(long)
        assert (first["diagnosis"]["code"], first["decision"]["budget"]) == ("JOB_PREEMPTED", "preemption")
        assert second["resumed_from"]["epoch"] >= 1
        assert [len(await platform.attempts(job_id)) for job_id in (quick, limited, cancelled)] == [1, 1, 1]

        async def over() -> bool:
            found = await workflows(server)
            return found == {f"vtp:{job_id}": ["COMPLETED"] for job_id in (quick, limited, cancelled, long)}

        await eventually(over, 30, "the end of all workflows", every=0.2)
