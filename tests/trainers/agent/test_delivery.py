"""Delivery: in order, at least once, for as long as it takes."""

import asyncio
import random
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.trainers.fakes import KEY, FakeBackend, error_answer, reached, spec_of
from trainers.agent.delivery import FIRST_WAIT, LONGEST_WAIT, Delivery, back_off
from trainers.agent.outbox import Outbox


class Scene:
    """An outbox, a backend and the delivery between them; waits are kept and pass at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fake = FakeBackend()
        self.outbox = Outbox(folder / "outbox.db")
        self.outbox.open(KEY)
        self.waits: list[float] = []
        self.on_wait = lambda: None
        self.delivery = Delivery(
            self.fake.backend(), self.outbox, KEY, spec_of(), folder, sleep=self.sleep, rng=random.Random(3)
        )

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.on_wait()
        await asyncio.sleep(0)

    def tell(self, *updates: dict[str, Any], ended: bool = False) -> None:
        self.outbox.append(KEY, [{"status": "running", "at": "t", **update} for update in updates], ended=ended)
        self.delivery.news.set()

    async def run(self) -> None:
        await asyncio.wait_for(self.delivery.run(), 20)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def checkpoint(scene: Scene, epoch: int) -> dict[str, Any]:
    path = scene.folder / f"c{epoch}"
    path.write_bytes(f"weights {epoch}".encode())
    note = {"name": "checkpoints/last.pt", "role": "checkpoint", "epoch": epoch, "media_type": "application/octet-stream"}
    return {"artifact": note, "file": path.name}


def test_waits_grow_to_half_a_minute_and_are_never_shorter_than_a_second() -> None:
    rng = random.Random(1)
    for failures in range(1, 40):
        assert FIRST_WAIT <= back_off(failures, rng) <= min(LONGEST_WAIT, 2.0**failures)


async def test_updates_arrive_in_order_and_the_delivery_ends_with_the_attempt(scene: Scene) -> None:
    scene.tell({"phase": "data"}, {"phase": "training"})
    scene.tell({"status": "succeeded"}, ended=True)
    await scene.run()
    assert [update["seq"] for update in scene.fake.updates] == [1, 2, 3]
    assert scene.outbox.delivered(KEY)


@pytest.mark.parametrize(("asked", "least"), [("20", 20.0), ("3600", 30.0), ("Wed, 25 Nov 2026 12:00:00 GMT", 0.0)])
async def test_a_backend_that_asks_to_be_left_alone_is_not_asked_before_that(scene: Scene, asked: str, least: float) -> None:
    """Not even where another way to it works meanwhile. Beyond half a minute it is asked again: the silent count as lost."""
    refused = [httpx2.Response(429, headers={"Retry-After": asked})]
    scene.fake.fault = lambda _request: refused.pop() if refused else None
    scene.on_wait = scene.delivery.backend_is_back
    scene.tell({"status": "succeeded"}, ended=True)
    await scene.run()
    assert least <= sum(scene.waits) <= least + 2
    assert [update["seq"] for update in scene.fake.updates] == [1]


async def test_a_backend_that_is_away_for_an_hour_gets_everything_afterwards(scene: Scene) -> None:
    """Time is what the injected sleep was asked for."""

    def away(_request: httpx2.Request) -> None:
        if sum(scene.waits) < 3600:
            message = "refused"
            raise httpx2.ConnectError(message)

    scene.fake.fault = away
    scene.on_wait = lambda: scene.tell({"phase": f"p{len(scene.waits)}"}) if len(scene.waits) < 300 else None
    scene.tell({"phase": "data"})
    task = asyncio.create_task(scene.run())
    await reached(lambda: sum(scene.waits) >= 3600, task)
    scene.tell({"status": "succeeded"}, ended=True)
    await task
    assert max(scene.waits) <= LONGEST_WAIT
    assert len(scene.waits) < 500
    assert [update["seq"] for update in scene.fake.updates] == list(range(1, len(scene.fake.updates) + 1))
    assert len(scene.fake.updates) > 200
    assert scene.fake.last["status"] == "succeeded"


async def test_a_report_that_arrives_ends_the_wait(scene: Scene) -> None:
    never = asyncio.Event()
    scene.delivery.sleep = lambda _seconds: never.wait()
    down = [True]
    scene.fake.fault = lambda _request: error_answer(503, "SERVICE_UNAVAILABLE") if down[0] else None
    scene.tell({"status": "succeeded"}, ended=True)
    task = asyncio.create_task(scene.run())
    await reached(lambda: scene.fake.calls, task)
    down[0] = False
    while not task.done():
        scene.delivery.backend_is_back()
        await asyncio.sleep(0.01)
    await task
    assert scene.fake.last["status"] == "succeeded"


async def test_a_backend_that_has_lost_updates_gets_them_again(scene: Scene) -> None:
    scene.tell({"phase": "a"}, {"phase": "b"}, {"phase": "c"})
    task = asyncio.create_task(scene.run())
    await reached(lambda: len(scene.fake.updates) == 3, task)
    scene.fake.updates.pop()  # it was restored from a copy
    scene.tell({"status": "succeeded"}, ended=True)
    await task
    assert [update.get("phase") for update in scene.fake.updates] == ["a", "b", "c", None]


async def test_a_refused_update_does_not_dam_up_those_that_follow(scene: Scene) -> None:
    """It keeps its place without its content."""
    refused: list[str] = []

    def picky(request: httpx2.Request) -> httpx2.Response | None:
        if b'"bad"' in request.content:
            refused.append(request.url.path)
            return error_answer(400, "VALIDATION_FAILED")
        return None

    scene.fake.fault = picky
    scene.tell({"phase": "good"}, {"phase": "bad"}, {"phase": "good"})
    scene.tell({"status": "succeeded"}, ended=True)
    await scene.run()
    assert [update.get("phase") for update in scene.fake.updates] == ["good", None, "good", None]
    assert scene.waits == []


async def test_a_last_word_that_is_too_large_is_told_without_its_log_but_with_its_evidence(scene: Scene) -> None:
    scene.fake.fault = lambda request: error_answer(413, "PAYLOAD_TOO_LARGE") if len(request.content) > 10_000 else None
    evidence = {"signal": 9, "log": "x" * 20_000, "cgroup": "v1"}
    scene.tell({"status": "failed", "evidence": evidence}, ended=True)
    await scene.run()
    assert scene.fake.last["status"] == "failed"
    assert scene.fake.last["evidence"] == {"signal": 9, "cgroup": "v1"}


async def test_a_server_that_is_not_the_backend_is_no_verdict(scene: Scene) -> None:
    """A proxy's own 404 or 401 must not end a training."""
    answers = [httpx2.Response(404, html="nginx"), httpx2.Response(401), httpx2.Response(200, text="hello"), None]
    scene.fake.fault = lambda _request: answers.pop(0) if answers else None
    scene.tell({"status": "succeeded"}, ended=True)
    await scene.run()
    assert len(scene.waits) == 3
    assert scene.fake.last["status"] == "succeeded"


async def test_an_attempt_that_the_backend_does_not_know_is_given_up(scene: Scene) -> None:
    scene.fake.fault = lambda _request: error_answer(404, "NOT_FOUND")
    scene.tell({"phase": "data"})
    await scene.run()
    assert scene.delivery.final is True


async def test_files_go_before_the_update_that_tells_of_them(scene: Scene) -> None:
    scene.tell({"phase": "training"}, checkpoint(scene, 1), {"phase": "validating"})
    scene.tell({"status": "succeeded"}, ended=True)
    await scene.run()
    assert scene.fake.uploads == {"checkpoints/last.pt": b"weights 1"}
    told = scene.fake.updates[1]["artifact"]
    assert told["bytes"] == 9
    assert len(told["sha256"]) == 64
    assert "file" not in scene.fake.updates[1]
    assert not (scene.folder / "c1").exists()


async def test_only_the_newest_of_waiting_checkpoints_is_uploaded(scene: Scene) -> None:
    scene.tell(checkpoint(scene, 1), checkpoint(scene, 2), checkpoint(scene, 3))
    scene.tell({"status": "succeeded"}, ended=True)
    await scene.run()
    assert scene.fake.calls.count("PUT /artifacts/checkpoints/last.pt") == 1
    assert scene.fake.uploads["checkpoints/last.pt"] == b"weights 3"
    assert not list(scene.folder.glob("c?"))


async def test_a_checkpoint_stays_until_the_backend_knows_of_it(scene: Scene) -> None:
    """An agent that is killed between upload and update sends the file again, and the event is not lost."""
    uploaded = asyncio.Event()

    def dies(request: httpx2.Request) -> None:
        if request.url.path == "/callback":
            uploaded.set()
            message = "reset"
            raise httpx2.ReadError(message)

    scene.fake.fault = dies
    scene.tell(checkpoint(scene, 1))
    scene.tell({"status": "succeeded"}, ended=True)
    task = asyncio.create_task(scene.delivery.run())
    await asyncio.wait_for(uploaded.wait(), 10)
    task.cancel()  # killed
    assert (scene.folder / "c1").exists()

    scene.fake.fault = lambda _: None
    scene.delivery = Delivery(scene.fake.backend(), scene.outbox, KEY, spec_of(), scene.folder)
    await scene.run()
    assert scene.fake.updates[0]["artifact"]["epoch"] == 1


async def test_a_file_that_is_gone_is_not_told(scene: Scene) -> None:
    note = {"name": "p.png", "media_type": "image/png", "role": "plot"}
    scene.tell({"artifact": note, "file": "absent.png"})
    scene.tell({"status": "succeeded"}, ended=True)
    await scene.run()
    assert scene.fake.updates[0] == {"status": "running", "attempt": 1, "seq": 1, "at": "t"}
