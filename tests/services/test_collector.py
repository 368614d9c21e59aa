"""What goes and what stays when files that nothing needs are removed."""

import asyncio
import hashlib
from datetime import timedelta

import httpx
import pytest

from app.api.deps import Platform
from app.clients.storage import blob_key
from app.db.models import Dataset
from app.services.dataset_checks import COLLECTING
from tests.api.test_training import JOBS, running, tell
from tests.conftest import Clock, TrainerService, add_dataset, chunks, classification_zip, job_in_state


@pytest.fixture(autouse=True)
def much_later(platform: Platform, clock: Clock) -> None:
    """The store's files have real times; the platform's clock is well past them."""
    platform.collector.clock = lambda: clock() + timedelta(days=40_000)


async def blobs(platform: Platform) -> set[str]:
    return set(await platform.storage.sizes("blobs"))


async def test_contents_stay_while_a_data_set_or_weights_refer_to_them_and_go_with_the_last(platform: Platform) -> None:
    shared = classification_zip()
    await add_dataset(platform, "one", shared)
    only_one = await blobs(platform)
    await add_dataset(platform, "two", shared)
    assert await blobs(platform) == only_one  # the same images are stored once
    await platform.artifacts.add_weights("w.pt", chunks(b"weights"))
    kept = blob_key(hashlib.sha256(b"weights").hexdigest())
    await platform.datasets.delete("one")
    assert await platform.collector.once() == {"checkpoints": 0, "contents": 0}
    await platform.datasets.delete("two")
    assert (await platform.collector.once())["contents"] == len(only_one)
    assert await blobs(platform) == {kept}


async def test_what_is_young_stays(platform: Platform) -> None:
    await platform.storage.put_blob(chunks(b"just being taken in"))
    there = await blobs(platform)
    (at,) = (await platform.storage.ages("blobs")).values()
    platform.collector.clock = lambda: at + timedelta(hours=23)
    await platform.collector.once()
    assert await blobs(platform) == there
    platform.collector.clock = lambda: at + timedelta(hours=25)
    await platform.collector.once()
    assert await blobs(platform) == set()


async def test_no_run_begins_while_a_data_set_is_checked_and_a_check_waits_for_a_run(platform: Platform) -> None:
    await add_dataset(platform, "one", classification_zip())

    async def status(value: str) -> None:
        async def tx(session):  # type: ignore[no-untyped-def]
            (await session.get(Dataset, "one")).status = value

        await platform.db.write(tx)

    await platform.storage.put_blob(chunks(b"nobody's"))
    await status("checking")
    assert await platform.collector.once() == {}
    await status("ready")
    async with platform.cluster.claim(COLLECTING):
        created = await platform.datasets.create("two", chunks(classification_zip(per_class=6)))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(platform.datasets.checks.over(created["dataset_id"])), 0.7)
        assert (await platform.datasets.show(created["dataset_id"]))["status"] == "checking"
    await platform.datasets.checks.over(created["dataset_id"])
    assert (await platform.datasets.show(created["dataset_id"]))["status"] != "checking"
    assert (await platform.collector.once())["contents"] == 1


async def test_a_training_keeps_its_newest_checkpoint_after_success_and_all_before(
    client: httpx.AsyncClient, platform: Platform, mock_trainer_service: TrainerService
) -> None:
    job_id, headers = await running(client, mock_trainer_service)

    async def put(name: str, role: str, epoch: int) -> None:
        more = {"X-Content-SHA256": hashlib.sha256(name.encode()).hexdigest(), "X-Artifact-Role": role}
        more |= {"X-Artifact-Epoch": str(epoch), **headers}
        answer = await client.put(f"{JOBS}/{job_id}/attempts/1/artifacts/{name}", content=name.encode(), headers=more)
        assert answer.status_code == 201

    for epoch in (1, 2, 10):
        await put(f"epoch-{epoch}.pt", "checkpoint", epoch)
    await put("best.pt", "weights", 2)
    assert (await platform.collector.once())["checkpoints"] == 0
    await tell(client, job_id, headers, {"status": "succeeded", "attempt": 1, "seq": 2, "result": {"metrics": {"map": 0.5}}})
    await job_in_state(client, job_id, "succeeded")
    assert (await platform.collector.once())["checkpoints"] == 2
    listed = [item["name"] for item in (await client.get(f"{JOBS}/{job_id}/artifacts")).json()["items"]]
    assert sorted(listed) == ["best.pt", "epoch-10.pt"]
    assert len(await platform.storage.sizes(f"jobs/{job_id}/1/artifacts")) == 2
