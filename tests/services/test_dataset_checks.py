"""Checks of data sets in the background: they end with a verdict, survive restarts, and take nothing for granted."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient

from app.api.deps import Platform
from app.config import Settings
from app.core.errors import PlatformError, StorageError
from app.db.models import Dataset
from app.main import create_app
from app.services import dataset_checks as module
from tests.conftest import Clock, add_dataset, chunks, classification_zip, detection_zip

DATASETS = "/api/v1/datasets"


def scratch(platform: Platform) -> list[Path]:
    folder = platform.settings.home / "scratch"
    return list(folder.iterdir()) if folder.exists() else []


async def objects(platform: Platform, prefix: str) -> list[str]:
    folder = platform.settings.home / "storage" / prefix
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]


async def test_a_good_set_is_ready_and_leaves_no_scratch_nor_upload(platform: Platform) -> None:
    shown = await add_dataset(platform, "Set One", detection_zip())
    assert (shown["dataset_id"], shown["status"], shown["task"]) == ("set-one", "ready", "detect")
    assert shown["counts"] == {"train": 2, "val": 1, "test": 0}
    assert scratch(platform) == []
    assert await objects(platform, "uploads") == []


async def test_the_same_contents_are_stored_once(platform: Platform) -> None:
    await add_dataset(platform, "one", detection_zip())
    before = len(await objects(platform, "blobs"))
    await add_dataset(platform, "two", detection_zip())
    assert len(await objects(platform, "blobs")) == before


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"no zip", "failed", "DATASET_BROKEN"),
        (classification_zip(per_class=6, damaged=2), "invalid", "DATASET_BROKEN"),
    ],
)
async def test_a_bad_set_is_refused_with_its_code(platform: Platform, content: bytes, status: str, code: str) -> None:
    shown = await add_dataset(platform, "bad", content)
    assert (shown["status"], shown["error"]["code"]) == (status, code)
    assert await objects(platform, "uploads") == []
    assert scratch(platform) == []


async def test_a_failure_of_ours_keeps_the_upload_and_the_check_can_be_repeated(
    client: AsyncClient, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> Any:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module, "examine", full)
        shown = await add_dataset(platform, "later", detection_zip())
    assert (shown["status"], shown["error"]["code"]) == ("failed", "DISK_FULL")
    assert len(await objects(platform, "uploads")) == 1
    answer = await client.post(f"{DATASETS}/later/check")
    assert (answer.status_code, answer.json()["status"]) == (202, "checking")
    await platform.datasets.checks.over("later")
    assert (await client.get(f"{DATASETS}/later")).json()["status"] == "ready"
    assert await objects(platform, "uploads") == []
    refused = await client.post(f"{DATASETS}/later/check")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "CONFLICT")
    assert (await client.post(f"{DATASETS}/none/check")).status_code == 404


async def test_a_bug_in_the_check_is_a_verdict_too(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(module, "examine", bug)
    shown = await add_dataset(platform, "bug", detection_zip())
    assert (shown["status"], shown["error"]["code"]) == ("failed", "SYSTEM_ERROR")


async def test_a_check_cut_off_by_the_end_of_the_backend_begins_again(
    settings: Settings, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = create_app(settings, clock)
    platform: Platform = app.state.platform
    started = asyncio.Event()

    async def never(_self: Any, _row: Dataset) -> Any:
        started.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as patch:
        patch.setattr(module.DatasetChecks, "_examine", never)
        async with app.router.lifespan_context(app):
            await platform.datasets.create("cut", chunks(detection_zip()))
            await started.wait()
    (settings.home / "scratch").mkdir(exist_ok=True)
    (settings.home / "scratch" / "left").write_text("x")
    app = create_app(settings, clock)
    platform = app.state.platform
    async with app.router.lifespan_context(app):
        await platform.datasets.checks.over("cut")
        assert (await platform.datasets.show("cut"))["status"] == "ready"
        assert scratch(platform) == []


async def test_a_set_removed_while_it_is_checked_leaves_nothing_and_its_name_is_free(
    client: AsyncClient, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()
    fetch = module.DatasetChecks._fetch

    async def slow(self: Any, key: str, archive: Path) -> None:
        started.set()
        await go_on.wait()
        await fetch(self, key, archive)

    with monkeypatch.context() as patch:
        patch.setattr(module.DatasetChecks, "_fetch", slow)
        await platform.datasets.create("gone", chunks(detection_zip()))
        await started.wait()
        assert (await client.delete(f"{DATASETS}/gone")).status_code == 204
    go_on.set()
    assert scratch(platform) == []
    assert await objects(platform, "uploads") == []
    assert await objects(platform, "datasets/gone") == []
    assert (await add_dataset(platform, "gone", classification_zip()))["task"] == "classify"


async def test_an_upload_that_breaks_off_leaves_nothing(platform: Platform) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        yield os.urandom(9 << 20)
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await platform.datasets.create("broken-off", breaking())
    assert await objects(platform, "uploads") == []
    assert await platform.datasets.list_all() == []


async def test_a_database_that_fails_takes_the_upload_along(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_: Any) -> Any:
        raise PlatformError.from_code("DATABASE_ERROR")

    monkeypatch.setattr(platform.db, "write", broken)
    with pytest.raises(PlatformError):
        await platform.datasets.create("lost", chunks(detection_zip()))
    assert await objects(platform, "uploads") == []


async def test_a_store_that_fails_while_files_are_kept_is_told_as_that(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> None:
        raise StorageError("put", "storage", "k", OSError("gone"))

    with monkeypatch.context() as patch:
        patch.setattr(platform.storage, "put_blob_files", broken)
        shown = await add_dataset(platform, "unkept", detection_zip())
    assert (shown["status"], shown["error"]["code"]) == ("failed", "STORAGE_ERROR")
    assert len(await objects(platform, "uploads")) == 1
