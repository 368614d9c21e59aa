"""Uploads in pieces: what is kept, where it goes on, what the last piece makes of them."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete

from app.api.deps import Platform
from app.config import Settings
from app.core.errors import PlatformError
from app.db.cluster import Backend
from app.main import create_app
from app.services.uploads import KEPT, UploadService
from tests.conftest import Clock, chunks, classification_zip
from tests.waiting import eventually

ZIP = classification_zip(per_class=12)


async def begun(uploads: UploadService, content: bytes = ZIP) -> str:
    return str((await uploads.begin("Digits", len(content), 7))["upload_id"])


async def code_of(awaitable: object) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        await awaitable  # type: ignore[misc]
    return caught.value


async def cut(content: bytes) -> AsyncIterator[bytes]:
    """A body whose connection breaks in the middle."""
    yield content
    raise ConnectionResetError


async def test_pieces_make_the_data_set_that_the_whole_would_have_made(platform: Platform) -> None:
    upload_id = await begun(platform.uploads)
    third = len(ZIP) // 3
    for offset in (0, third):
        piece = ZIP[offset : offset + third]
        shown = await platform.uploads.take(upload_id, offset, chunks(piece), hashlib.sha256(piece).hexdigest())
        assert (shown["offset"], shown["dataset_id"]) == (offset + third, None)
    last = await platform.uploads.take(upload_id, 2 * third, chunks(ZIP[2 * third :]), None)
    assert last["dataset_id"] == "digits"
    await platform.datasets.checks.over("digits")
    assert (await platform.datasets.show("digits"))["status"] == "ready"
    assert await platform.uploads.unfinished() == []
    assert (await platform.uploads.show(upload_id))["dataset_id"] == "digits"


async def test_the_last_piece_sent_again_makes_no_second_data_set(platform: Platform) -> None:
    upload_id = await begun(platform.uploads)
    for _ in range(2):
        shown = await platform.uploads.take(upload_id, 0, chunks(ZIP), None)
        assert (shown["offset"], shown["dataset_id"]) == (len(ZIP), "digits")
    assert [item["dataset_id"] for item in await platform.datasets.list_all()] == ["digits"]


async def test_a_data_set_whose_upload_was_not_noted_as_done_is_not_made_again(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id = await begun(platform.uploads)

    async def broken(*_: object) -> None:
        raise PlatformError.from_code("STORAGE_ERROR")

    with monkeypatch.context() as patch:
        patch.setattr(platform.uploads, "_write", broken)
        assert (await code_of(platform.uploads.take(upload_id, 0, chunks(ZIP), None))).code == "STORAGE_ERROR"
    # The sender finds all its pieces there, and has it finished.
    assert (await platform.uploads.show(upload_id))["offset"] == len(ZIP)
    assert (await platform.uploads.complete(upload_id, None))["dataset_id"] == "digits"
    assert [item["dataset_id"] for item in await platform.datasets.list_all()] == ["digits"]


@pytest.fixture
async def pair(postgres_url: str, settings: Settings, tmp_path: Path, clock: Clock) -> AsyncIterator[list[Platform]]:
    """Two backends with homes of their own on one PostgreSQL and one store."""
    shared = {"database_url": postgres_url, "storage_url": f"file://{tmp_path / 'objects'}"}
    async with AsyncExitStack() as stack:
        found = []
        for name in "ab":
            app = create_app(settings.model_copy(update={**shared, "home": tmp_path / name}), clock)
            await stack.enter_async_context(app.router.lifespan_context(app))
            found.append(app.state.platform)
        yield found


async def test_two_backends_that_finish_an_upload_in_the_same_moment_make_one_data_set(pair: list[Platform]) -> None:
    a, b = pair
    for number in range(1, 6):
        upload_id = await begun(a.uploads)
        await a.uploads.take(upload_id, 0, chunks(ZIP[:100]), None)
        shown = await asyncio.gather(*(one.uploads.take(upload_id, 100, chunks(ZIP[100:]), None) for one in (a, b, a, b)))
        assert len({one["dataset_id"] for one in shown}) == 1
        assert {one["offset"] for one in shown} == {len(ZIP)}
        assert len(await b.datasets.list_all()) == number
        assert (await b.uploads.complete(upload_id, None))["dataset_id"] == shown[0]["dataset_id"]


async def test_an_upload_whose_backend_dies_over_it_is_finished_by_the_next(pair: list[Platform]) -> None:
    a, b = pair
    upload_id = await begun(a.uploads)
    async with a.cluster.claim(f"upload {upload_id}"):
        waiting = asyncio.create_task(b.uploads.take(upload_id, 0, chunks(ZIP), None))
        await eventually(lambda: b.storage.exists(f"pieces/{upload_id}/{0:015d}"), what="the last piece")
        assert not waiting.done()
        assert a.cluster._task is not None
        a.cluster._task.cancel()
        await b.db.write(lambda session: session.execute(delete(Backend).where(Backend.id == a.cluster.me)))
        assert (await waiting)["dataset_id"] == "digits"


async def test_another_backend_on_the_same_store_goes_on_where_the_first_stopped(platform: Platform) -> None:
    upload_id = await begun(platform.uploads)
    await platform.uploads.take(upload_id, 0, chunks(ZIP[:100]), None)
    other = UploadService(platform.storage, platform.datasets, platform.settings, platform.cluster, platform.uploads.clock)
    assert [(item["offset"], item["name"], item["modified"]) for item in await other.unfinished()] == [(100, "Digits", 7)]
    assert (await other.take(upload_id, 100, chunks(ZIP[100:]), None))["dataset_id"] == "digits"


async def test_a_piece_whose_connection_broke_leaves_nothing_behind(platform: Platform) -> None:
    upload_id = await begun(platform.uploads)
    with pytest.raises(ConnectionResetError):
        await platform.uploads.take(upload_id, 0, cut(ZIP[:50]), None)
    assert (await platform.uploads.show(upload_id))["offset"] == 0


async def test_a_piece_that_arrived_changed_is_refused_and_can_be_sent_again(platform: Platform) -> None:
    upload_id = await begun(platform.uploads)
    refused = await code_of(platform.uploads.take(upload_id, 0, chunks(ZIP), "0" * 64))
    assert (refused.code, refused.errors[0].code) == ("VALIDATION_FAILED", "checksum")
    assert (await platform.uploads.take(upload_id, 0, chunks(ZIP), None))["dataset_id"] == "digits"


@pytest.mark.parametrize(
    ("offset", "content", "code"),
    [(5, b"x", "CONFLICT"), (0, b"", "VALIDATION_FAILED"), (0, ZIP + b"x", "PAYLOAD_TOO_LARGE")],
)
async def test_a_piece_that_does_not_fit_is_refused(platform: Platform, offset: int, content: bytes, code: str) -> None:
    upload_id = await begun(platform.uploads)
    refused = await code_of(platform.uploads.take(upload_id, offset, chunks(content), None))
    assert refused.code == code
    if code == "CONFLICT":
        assert refused.context["expected_seq"] == 0


async def test_what_is_too_large_is_refused_before_anything_is_sent(platform: Platform) -> None:
    too_large = platform.settings.dataset_quota_bytes + 1
    assert (await code_of(platform.uploads.begin("Digits", too_large, None))).code == "DATASET_TOO_LARGE"


async def test_forgotten_uploads_are_gone_on_demand_and_after_three_days(platform: Platform, clock: Clock) -> None:
    thrown, old = await begun(platform.uploads), await begun(platform.uploads)
    await platform.uploads.take(old, 0, chunks(ZIP[:10]), None)
    await platform.uploads.discard(thrown)
    assert [item["upload_id"] for item in await platform.uploads.unfinished()] == [old]
    clock.now += KEPT + timedelta(seconds=1)
    new = await begun(platform.uploads)
    assert [item["upload_id"] for item in await platform.uploads.unfinished()] == [new]
    assert await platform.storage.sizes(f"pieces/{old}") == {}
    for unknown in (old, "../secrets"):
        assert (await code_of(platform.uploads.show(unknown))).code == "NOT_FOUND"
