"""The whole backend on PostgreSQL and S3: from the upload to the weights, as on the embedded defaults."""

import asyncio
import hashlib
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from app.config import Settings
from app.main import create_app
from tests.api.test_training import JOBS, running, tell
from tests.conftest import TOKEN, Clock, TrainerService, add_dataset, detection_zip, job_in_state


@pytest.fixture
def settings(settings: Settings, postgres_url: str, s3_url: str) -> Settings:
    """The same application with other addresses."""
    return settings.model_copy(update={"database_url": postgres_url, "storage_url": s3_url})


async def test_a_training_runs_from_upload_to_weights(
    client: httpx.AsyncClient, mock_trainer_service: TrainerService
) -> None:
    job_id, headers = await running(client, mock_trainer_service)
    spec = mock_trainer_service.specs[-1]
    archive = await client.get(spec["dataset"]["archive_url"].removeprefix("http://backend.test"))
    assert archive.status_code == 200
    assert len(archive.content) > 0
    progress = {"epoch": 1, "epochs": 3, "step": 1, "steps": 1, "epoch_end": True, "metrics": {"map": 0.5}}
    await tell(client, job_id, headers, {"status": "running", "attempt": 1, "seq": 2, "progress": progress})
    weights = b"weights" * 1000
    more = {**headers, "X-Content-SHA256": hashlib.sha256(weights).hexdigest(), "X-Artifact-Role": "weights"}
    stored = await client.put(f"{JOBS}/{job_id}/attempts/1/artifacts/best.pt", content=weights, headers=more)
    assert stored.status_code == 201
    done = {"status": "succeeded", "attempt": 1, "seq": 3, "result": {"metrics": {"map": 0.5}}}
    await tell(client, job_id, headers, done)
    job = await job_in_state(client, job_id, "succeeded")
    assert job["result"]["primary"] == {"name": "map", "value": 0.5}
    assert (await client.get(f"{JOBS}/{job_id}/artifacts/best.pt")).content == weights
    there = await client.get(f"{JOBS}/{job_id}/artifacts/best.pt", params={"direct": "true"})
    assert (there.status_code, there.content) == (307, b"")
    async with httpx.AsyncClient() as anybody:
        assert (await anybody.get(there.headers["Location"])).content == weights
    assert [item["epoch"] for item in (await client.get(f"{JOBS}/{job_id}/metrics")).json()["items"]] == [1]
    assert (await client.get(JOBS, params={"q": "YOLO", "status": "succeeded"})).json()["total"] == 1


@pytest.fixture
async def second(settings: Settings, clock: Clock, app: FastAPI) -> AsyncIterator[FastAPI]:
    """Another backend on the same database and store."""
    other = create_app(settings, clock)
    other.state.platform.base_url = "http://backend.test"
    async with other.router.lifespan_context(other):
        yield other


async def test_two_backends_give_out_each_number_once_and_share_data_sets(
    client: httpx.AsyncClient, second: FastAPI, trainer_service: TrainerService
) -> None:
    transport = httpx.ASGITransport(app=second)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://backend.test", headers={"Authorization": f"Bearer {TOKEN}"}
    ) as other:
        body = {"model": "yolo11n", "dataset_id": "test-dataset"}
        answers = await asyncio.gather(
            *(one.post(JOBS, json=body, headers={"Prefer": "respond-async"}) for _ in range(5) for one in (client, other))
        )
        ids = [answer.json()["job_id"] for answer in answers]
        assert sorted(ids) == sorted(f"J-{number}" for number in range(1, 11))
        names = await asyncio.gather(
            *(add_dataset(app.state.platform, "both", detection_zip()) for app in (client._transport.app, second))
        )
        assert sorted(name["dataset_id"] for name in names) == ["both", "both-2"]
        assert (await other.get("/api/v1/datasets/test-dataset")).json()["status"] == "ready"
