"""The order of the queue: first come, first served, also where dispatches overtake each other."""

import asyncio
from typing import Any

import pytest
from httpx import AsyncClient
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.deps import Platform
from app.db.models import Dataset
from tests.api.test_training import JOBS, tell
from tests.conftest import TrainerService, add_dataset, detection_zip, job_in_state
from tests.waiting import eventually


async def queued(client: AsyncClient, count: int, **first: Any) -> list[str]:
    """Jobs that wait while nobody drives; `first` is about the first, the number of epochs tells them apart."""
    made = []
    for number in range(1, count + 1):
        body = {"model": "yolo11n", "dataset_id": "test-dataset", "epochs": number, **(first if number == 1 else {})}
        made.append(str((await client.post(JOBS, json=body, headers={"Prefer": "respond-async"})).json()["job_id"]))
    return made


def begun(service: TrainerService) -> list[str]:
    return [spec["job_id"] for spec in service.specs]


async def test_six_jobs_for_one_slot_start_in_the_order_in_which_they_were_submitted(
    client: AsyncClient, mock_trainer_service: TrainerService, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the checks of the first take longer than those of all the others."""
    await platform.driver.stop()
    ids = await queued(client, 6)
    through, let_go, check = [], asyncio.Event(), platform.training.data_problems

    async def slow_for_the_first(config: dict[str, Any], *rest: Any) -> Any:
        if config["epochs"] == 1:
            await let_go.wait()
        through.append(config["epochs"])
        return await check(config, *rest)

    monkeypatch.setattr(platform.training, "data_problems", slow_for_the_first)
    await platform.driver.round()
    await eventually(lambda: set(platform.driver._under_way) == {ids[0]})
    assert (sorted(through), begun(mock_trainer_service)) == ([2, 3, 4, 5, 6], [])
    let_go.set()
    platform.driver.start()
    for number, job_id in enumerate(ids, 1):
        await eventually(lambda number=number: len(mock_trainer_service.specs) == number)
        assert begun(mock_trainer_service) == ids[:number]
        await job_in_state(client, job_id, "starting")
        headers = {"Authorization": f"Bearer {mock_trainer_service.specs[-1]['token']}"}
        done = {"status": "succeeded", "attempt": 1, "result": {"metrics": {}}}
        await tell(client, job_id, headers, {"status": "running", "attempt": 1, "seq": 1}, {**done, "seq": 2})


async def test_no_slot_is_kept_for_a_job_whose_start_breaks_off(
    client: AsyncClient, mock_trainer_service: TrainerService, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    await platform.driver.stop()
    ids = await queued(client, 2)
    check, broken = platform.training.data_problems, True

    async def fails_for_the_first(config: dict[str, Any], *rest: Any) -> Any:
        if config["epochs"] == 1 and broken:
            message = "a bug"
            raise RuntimeError(message)
        return await check(config, *rest)

    monkeypatch.setattr(platform.training, "data_problems", fails_for_the_first)
    for _ in range(2):
        await platform.driver.round()
        await eventually(lambda: not platform.driver._under_way)
    assert begun(mock_trainer_service) == ids[1:]
    broken = False
    await platform.driver.round()
    await eventually(lambda: not platform.driver._under_way)
    assert not platform.driver.dispatcher.stuck


async def test_no_slot_waits_for_the_check_of_a_data_set(
    client: AsyncClient, mock_trainer_service: TrainerService, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    await platform.driver.stop()
    dataset = await add_dataset(platform, "slow", detection_zip())
    checked = asyncio.Event()

    async def status(name: str) -> None:
        async def tx(session: AsyncSession) -> None:
            row = await session.get(Dataset, dataset["dataset_id"])
            assert row is not None
            row.status = name

        await platform.db.write(tx)

    async def over(_: str) -> None:
        await checked.wait()

    await status("checking")
    monkeypatch.setattr(platform.datasets.checks, "over", over)
    ids = await queued(client, 2, dataset_id=dataset["dataset_id"])
    await platform.driver.round()
    await eventually(lambda: begun(mock_trainer_service) == ids[1:])
    await status("ready")
    checked.set()
    await eventually(lambda: not platform.driver._under_way)
    assert (await client.get(f"{JOBS}/{ids[0]}")).json()["progress"]["waiting_for"] == "all agents are busy"
