"""What a training will take in memory: by what others took, by the model, against what the machines have."""

from datetime import timedelta

import pytest
from httpx import AsyncClient
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.deps import Platform
from app.db.models import Agent
from app.services.memory_estimate import Measured, computed, from_measured
from tests.conftest import Clock, TrainerService
from tests.db.conftest import add_job

GIB = 1024**3
ONE = [Measured("J-1", 16, 4000)]
TWO = [*ONE, Measured("J-2", 32, 6000), Measured("J-3", 32, 5000)]


@pytest.mark.parametrize(
    ("seen", "batch", "needed", "by"),
    [
        (ONE, 16, 4000, "J-1"),
        (ONE, 64, 16_000, "J-1"),
        (ONE, 8, 4000, "J-1"),
        (TWO, 32, 6000, "J-2"),
        (TWO, 24, 5000, "J-1"),
        (TWO, 64, 10_000, "J-2"),
        (TWO, 1, 2125, "J-1"),
        ([Measured("J-1", 16, 4000), Measured("J-2", 32, 3000)], 64, 4000, "J-2"),
    ],
)
def test_memory_grows_with_the_batch_as_it_did_before(seen: list[Measured], batch: int, needed: int, by: str) -> None:
    told = from_measured(batch, seen)
    assert told is not None
    assert (told[0], told[1].job_id) == (needed, by)


def test_a_model_alone_tells_the_least_and_a_gpu_halves_it() -> None:
    model = {"params": 1000, "activation_bytes_per_pixel": 2}
    assert computed(model, 4, 10, gpu=False) == 1000 * 16 + 2 * 100 * 4
    assert computed(model, 4, 10, gpu=True) == 8400
    assert computed({"params": None}, 4, 10, gpu=False) is None
    assert computed(None, 4, 10, gpu=False) is None
    assert from_measured(4, []) is None


async def ran(session: AsyncSession) -> None:
    config = {"batch_size": 16, "image_size": 640}
    took = {"epoch": 1, "memory": {"gpu_bytes": 3 * GIB}}
    await add_job(session, status="succeeded", config=config, progress=took)
    await add_job(session, status="succeeded", config={**config, "image_size": 320}, progress=took)
    await add_job(session, status="failed", config=config, progress={**took, "epoch": None})


async def test_a_dry_run_says_what_a_gpu_has_and_which_job_told(
    client: AsyncClient, platform: Platform, mock_trainer_service: TrainerService, clock: Clock
) -> None:
    async def with_gpu(session: AsyncSession) -> None:
        for agent in (await session.scalars(select(Agent))).all():
            agent.resources = {"gpus": [{"name": "A GPU", "memory_bytes": 8 * GIB}]}
            agent.last_seen_at = clock()

    await platform.db.write(with_gpu)
    body = {"model": "yolo11n", "dataset_id": "test-dataset", "batch_size": 16, "image_size": 640}
    ask = "/api/v1/training-jobs/validate"
    assert (await client.post(ask, json=body)).json()["memory"] is None
    await platform.db.write(ran)
    for batch, verdict in ((16, "fits"), (40, "tight"), (64, "too_much")):
        memory = (await client.post(ask, json={**body, "batch_size": batch})).json()["memory"]
        assert [(item["device"], item["verdict"], item["basis"], item["job_id"]) for item in memory["devices"]] == [
            ("A GPU", verdict, "measured", "J-1")
        ]
        assert memory["devices"][0]["room_bytes"] == 8 * GIB
    clock.now += timedelta(hours=1)
    assert (await client.post(ask, json=body)).json()["memory"] is None
