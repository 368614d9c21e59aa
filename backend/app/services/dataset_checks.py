"""The check of data sets in the background: unpack, examine, keep what was found, record the verdict."""

import asyncio
import shutil
import threading
import uuid
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import orjson
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.clients.storage import Storage
from app.config import Settings
from app.core.classify import translate
from app.core.errors import PlatformError, UnexpectedError
from app.core.metrics import track_error
from app.core.monitoring import report
from app.datasets.intake import Examined, examine
from app.datasets.unpack import Limits
from app.db.models import Dataset
from app.db.session import Database
from app.services.cluster import Cluster
from app.services.views import stored_error

AT_ONCE = 2
"""Checks at the same time, so that a small set need not wait for a large one; each has a scratch copy of its set."""
COLLECTING = "collect"
"""The claim of whoever removes files that nothing refers to; that does not begin while a check is under way."""
LOOK_SECONDS = 0.5
"""Between looks at a check that another backend does."""
FIELDS = ("task", "format", "classes", "files", "bytes", "digest", "problems", "errors", "warnings", "excludable")


class DatasetChecks:
    """Runs checks, a few at a time; a check that a stop or crash cut off begins again at the next start."""

    def __init__(
        self,
        db: Database,
        storage: Storage,
        settings: Settings,
        clock: Callable[[], datetime],
        cluster: Cluster | None = None,
    ) -> None:
        self.db, self.storage, self.settings, self.clock = db, storage, settings, clock
        self.cluster = cluster
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._taking_up: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Semaphore(AT_ONCE)

    @property
    def scratch(self) -> Path:
        """Folder for zips under way and for unpacking; on the disk of the home folder, not in memory."""
        return self.settings.home / "scratch"

    async def start(self) -> None:
        """Goes on with data sets that were being checked when the backend ended."""
        await asyncio.to_thread(shutil.rmtree, self.scratch, ignore_errors=True)
        await self.take_up()

    async def take_up(self) -> None:
        """Checks what is to be checked and nobody is checking, such as what a backend that died has left."""

        async def unfinished(session: AsyncSession) -> list[str]:
            return list((await session.scalars(select(Dataset.id).where(Dataset.status == "checking"))).all())

        for dataset_id in await self.db.read(unfinished):
            if dataset_id not in self._tasks:
                self.later(dataset_id)

    def take_up_soon(self) -> None:
        """The same beside everything else."""
        task = asyncio.create_task(self.take_up(), name="take up checks")
        self._taking_up.add(task)
        task.add_done_callback(self._taken_up)

    def _taken_up(self, task: asyncio.Task[None]) -> None:
        self._taking_up.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            report(error, "datasets", "checks not taken up", level="warning")

    async def stop(self) -> None:
        """Ends checks under way; the next start begins them again."""
        tasks = [*self._tasks.values(), *self._taking_up]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def call_off(self, dataset_id: str) -> None:
        """Ends the check of a data set that nobody wants any more."""
        task = self._tasks.get(dataset_id)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    def later(self, dataset_id: str) -> None:
        """Checks a data set as soon as it is its turn."""
        task = asyncio.create_task(self._check(dataset_id), name=f"check {dataset_id}")
        self._tasks[dataset_id] = task

        def done(ended: asyncio.Task[None]) -> None:
            if self._tasks.get(dataset_id) is ended:
                del self._tasks[dataset_id]
            if not ended.cancelled() and (error := ended.exception()) is not None:
                # The verdict could not be recorded; the data set is still `checking` and taken up at the next start.
                report(error, "datasets", "check not recorded", dataset_id=dataset_id)

        task.add_done_callback(done)

    async def over(self, dataset_id: str) -> None:
        """Waits until the check of a data set is over."""
        task = self._tasks.get(dataset_id)
        if task is not None:
            await asyncio.wait([task])
        while self.cluster is not None and await self.cluster.is_claimed(claim_of(dataset_id)):
            await asyncio.sleep(LOOK_SECONDS)

    async def _check(self, dataset_id: str) -> None:
        """Checks a data set, unless another backend does."""
        async with self._turn:
            if self.cluster is None:
                await self._check_now(dataset_id)
                return
            async with self.cluster.claim(claim_of(dataset_id)) as mine:
                if mine:
                    await self._check_now(dataset_id)

    async def _check_now(self, dataset_id: str) -> None:
        """Unpacks and examines a data set, keeps files, manifest and report, and records the verdict."""
        row = await self.db.read(lambda session: session.get(Dataset, dataset_id))
        if row is None or row.status != "checking":
            return
        try:
            found = await self._examine(row)
            error = found.error
        except PlatformError as refused:
            found, error = None, refused
        except OSError as failed:
            found, error = None, translate(failed)
        except Exception as bug:  # noqa: BLE001 - a check must end with a verdict, whatever happens in it
            found, error = None, UnexpectedError(bug)
        if error is not None:
            track_error(error, "datasets")
            report(error, "datasets", "data set refused", level="warning", dataset_id=dataset_id)
        await self._record(dataset_id, found, error)

    async def _examine(self, row: Dataset) -> Examined:
        self.scratch.mkdir(parents=True, exist_ok=True)
        limits = Limits(self.settings.dataset_quota_bytes, self.settings.dataset_max_files)
        name = f"{row.id}.{uuid.uuid4().hex[:8]}"
        archive, folder = self.scratch / f"{name}.zip", self.scratch / name
        off = threading.Event()

        def proceed() -> None:
            if off.is_set():
                raise asyncio.CancelledError

        try:
            await self._fetch(str(row.counts["upload"]), archive)
            found = await asyncio.to_thread(examine, archive, folder, limits, row.id, proceed)
            # What is just being collected as no longer needed must not be counted on.
            while self.cluster is not None and await self.cluster.is_claimed(COLLECTING):
                await asyncio.sleep(LOOK_SECONDS)
            await self._keep(row.id, found, folder)
        finally:
            off.set()  # the thread of a cancelled check still runs
            await asyncio.shield(asyncio.to_thread(_remove, archive, folder))
        return found

    async def _fetch(self, key: str, archive: Path) -> None:
        content = await self.storage.get_stream(key)
        with archive.open("wb") as file:
            async for chunk in content:
                await asyncio.to_thread(file.write, chunk)

    async def _keep(self, dataset_id: str, found: Examined, folder: Path) -> None:
        """Stores files by their content, then manifest, report, the list of all problems, and thumbnails."""
        contents = {sha256: folder / path for path, (sha256, _) in found.manifest["files"].items()}
        await self.storage.put_blob_files(contents.items())
        base = f"datasets/{dataset_id}"
        await self.storage.put_bytes(f"{base}/manifest.json", orjson.dumps(found.manifest))
        await self.storage.put_bytes(f"{base}/report.json", orjson.dumps(found.report))
        await self.storage.put_file(f"{base}/problems.jsonl", found.problems)
        for number, picture in enumerate(found.thumbnails):
            await self.storage.put_bytes(f"{base}/thumbnails/{number}.png", picture)

    async def _record(self, dataset_id: str, found: Examined | None, error: PlatformError | None) -> None:
        now = self.clock()

        async def tx(session: AsyncSession) -> str | None:
            row = await session.get(Dataset, dataset_id)
            if row is None or row.status != "checking":
                return None
            upload = row.counts.get("upload")
            row.updated_at = now
            row.status = "ready" if error is None else ("invalid" if found is not None else "failed")
            row.error = stored_error(error, now) if error is not None else None
            if error is not None and not error.code.startswith("DATASET_"):
                return None  # not the data's fault: the upload stays, and can be checked again
            row.counts = found.counts if found is not None else {}
            if found is not None:
                for field in FIELDS:
                    setattr(row, field, found.summary[field])
            return str(upload) if upload else None

        upload = await self.db.write(tx)
        if upload is not None:
            await self.storage.delete(upload)


def claim_of(dataset_id: str) -> str:
    """What the claim on checking a data set is called."""
    return f"check {dataset_id}"


def _remove(archive: Path, folder: Path) -> None:
    archive.unlink(missing_ok=True)
    folder.with_name(folder.name + ".problems").unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
