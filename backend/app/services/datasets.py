"""Data sets: taken in, unpacked, checked, kept, handed to trainers."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.clients.storage import Storage
from app.config import Settings
from app.core.errors import FieldError, PlatformError
from app.core.logging import get_logger
from app.core.metrics import track_error
from app.core.tracing import set_trace_id
from app.datasets.intake import Examined, examine
from app.datasets.plan import Plan, make_plan, tar_stream
from app.datasets.unpack import Limits
from app.db.models import Dataset
from app.db.repositories import jobs
from app.db.session import Database, utcnow
from app.services.views import shown_error, stamp, stored_error

logger = get_logger(__name__)
ROOT = Path(__file__).parents[3]
SAMPLES = {name: ROOT / "samples" / f"{name}.zip" for name in ("digits-classify", "digits-detect", "digits-broken")}


class DatasetService:
    """Everything that is done with data sets."""

    def __init__(self, db: Database, storage: Storage, settings: Settings, clock: Callable[[], datetime] = utcnow) -> None:
        self.db, self.storage, self.settings, self.clock = db, storage, settings, clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._plans: dict[tuple[Any, ...], Plan] = {}

    @property
    def scratch(self) -> Path:
        """Folder for zips under way and for unpacking; on the disk of the home folder, not in memory."""
        return self.settings.home / "scratch"

    async def start(self) -> None:
        """Goes on with data sets that were being checked when the backend ended."""

        async def unfinished(session: AsyncSession) -> list[str]:
            return list((await session.scalars(select(Dataset.id).where(Dataset.status == "checking"))).all())

        for dataset_id in await self.db.read(unfinished):
            self._check_later(dataset_id)

    async def stop(self) -> None:
        """Ends checks under way; the next start begins them again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def create(self, name: str, content: AsyncIterator[bytes], size: int | None = None) -> dict[str, Any]:
        """Takes in a zip and begins to check it.

        Raises:
            PlatformError: VALIDATION_FAILED for a name without a letter or digit, DATASET_TOO_LARGE, STORAGE_ERROR.
        """
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60]
        if not slug:
            wrong = FieldError("#/name", "name", "needs a letter or a digit")
            raise PlatformError.from_code("VALIDATION_FAILED", {"field": "name"}, errors=[wrong])
        if size is not None:
            self._check_size(size)
        upload = f"uploads/{slug}-{self.clock().timestamp():.6f}.zip"
        stored = await self.storage.put_stream(upload, self._limited(content))

        async def tx(session: AsyncSession) -> Dataset:
            dataset_id, number = slug, 1
            while await session.get(Dataset, dataset_id) is not None:
                number += 1
                dataset_id = f"{slug}-{number}"
            now = self.clock()
            row = Dataset(
                id=dataset_id, name=name, status="checking", classes=[], counts={"upload": upload}, problems={}, files=0,
                bytes=stored.size, errors=0, warnings=0, created_at=now, updated_at=now,
            )  # fmt: skip
            session.add(row)
            return row

        row = await self.db.write(tx)
        self._check_later(row.id)
        return dataset_view(row)

    async def add_sample(self, sample: str, name: str | None) -> dict[str, Any]:
        """Takes in one of the sample sets.

        Raises:
            PlatformError: NOT_FOUND for an unknown sample, or one that was not built.
        """
        path = SAMPLES.get(sample)
        if path is None or not path.is_file():
            raise PlatformError.from_code("NOT_FOUND", {"resource_type": "sample", "resource_id": sample})

        async def content() -> AsyncIterator[bytes]:
            yield await asyncio.to_thread(path.read_bytes)

        return await self.create(name or sample, content())

    def _check_size(self, size: int) -> None:
        limit = self.settings.dataset_quota_bytes
        if size > limit:
            details = {"size_gb": round(size / 1024**3, 2), "limit_gb": round(limit / 1024**3, 2)}
            raise PlatformError.from_code("DATASET_TOO_LARGE", details)

    async def _limited(self, content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        total = 0
        async for chunk in content:
            total += len(chunk)
            self._check_size(total)
            yield chunk

    def _check_later(self, dataset_id: str) -> None:
        task = asyncio.create_task(self._check(dataset_id), name=f"check {dataset_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _check(self, dataset_id: str) -> None:
        """Unpacks and examines a data set, keeps files, manifest and report, and records the verdict."""
        try:
            row = await self._row(dataset_id)
            found = await self._examine(row)
        except PlatformError as error:
            track_error(error, "datasets")
            logger.warning("data set refused", dataset_id=dataset_id, code=error.code, error=error.message)
            await self._record(dataset_id, None, error)
            return
        await self._record(dataset_id, found, found.error)

    async def _examine(self, row: Dataset) -> Examined:
        self.scratch.mkdir(parents=True, exist_ok=True)
        limits = Limits(self.settings.dataset_quota_bytes, self.settings.dataset_max_files)
        archive = self.scratch / f"{row.id}.zip"
        content = await self.storage.get_stream(str(row.counts["upload"]))
        with archive.open("wb") as file:
            async for chunk in content:
                await asyncio.to_thread(file.write, chunk)
        folder = self.scratch / row.id
        try:
            found = await asyncio.to_thread(examine, archive, folder, limits, row.id)
            for path, (sha256, _) in found.manifest["files"].items():
                await self.storage.put_blob_file(sha256, folder / path)
        finally:
            await asyncio.to_thread(_remove, archive, folder)
        base = f"datasets/{row.id}"
        await self.storage.put_bytes(f"{base}/manifest.json", orjson.dumps(found.manifest))
        await self.storage.put_bytes(f"{base}/report.json", orjson.dumps(found.report))
        for number, picture in enumerate(found.thumbnails):
            await self.storage.put_bytes(f"{base}/thumbnails/{number}.png", picture)
        return found

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
            row.counts = found.counts if found is not None else {}
            if found is not None:
                for field in ("task", "format", "classes", "files", "bytes", "digest", "problems", "errors", "warnings"):
                    setattr(row, field, found.summary[field])
                row.excludable = found.summary["excludable"]
            return str(upload) if upload else None

        upload = await self.db.write(tx)
        if upload is not None:
            await self.storage.delete_tree(upload)

    async def _row(self, dataset_id: str) -> Dataset:
        row = await self.db.read(lambda session: session.get(Dataset, dataset_id))
        if row is None:
            raise PlatformError.from_code("DATASET_NOT_FOUND", {"dataset_id": dataset_id})
        return row

    async def get(self, dataset_id: str) -> Dataset:
        """A data set's row.

        Raises:
            PlatformError: DATASET_NOT_FOUND.
        """
        return await self._row(dataset_id)

    async def show(self, dataset_id: str) -> dict[str, Any]:
        """A data set as the API shows it.

        Raises:
            PlatformError: DATASET_NOT_FOUND.
        """
        return dataset_view(await self._row(dataset_id))

    async def list_all(self) -> list[dict[str, Any]]:
        """All data sets, newest first."""

        async def look(session: AsyncSession) -> list[dict[str, Any]]:
            rows = (await session.scalars(select(Dataset).order_by(Dataset.created_at.desc()))).all()
            return [dataset_view(row) for row in rows]

        return await self.db.read(look)

    async def report(self, dataset_id: str) -> dict[str, Any]:
        """What was found in a data set; while it is checked and where it could not be read, only its status.

        Raises:
            PlatformError: DATASET_NOT_FOUND.
        """
        row = await self._row(dataset_id)
        body: dict[str, Any] = {"problems": [], "fixes": [], "why_not_excludable": None}
        if row.digest is not None:
            body = orjson.loads(await self.storage.read_bytes(f"datasets/{dataset_id}/report.json"))
        error = shown_error(row.error)
        return {**dataset_view(row), **body, "fixes": error["fixes"] if error else []}

    async def thumbnail(self, dataset_id: str, number: int) -> bytes:
        """The picture of a broken image, as PNG.

        Raises:
            PlatformError: DATASET_NOT_FOUND, NOT_FOUND.
        """
        await self._row(dataset_id)
        return await self.storage.read_bytes(f"datasets/{dataset_id}/thumbnails/{number}.png")

    async def delete(self, dataset_id: str) -> None:
        """Removes a data set. Contents that other data sets share stay.

        Raises:
            PlatformError: DATASET_NOT_FOUND; CONFLICT while a job uses it.
        """

        async def tx(session: AsyncSession) -> None:
            row = await session.get(Dataset, dataset_id)
            if row is None:
                raise PlatformError.from_code("DATASET_NOT_FOUND", {"dataset_id": dataset_id})
            users = await jobs.jobs_using(session, dataset_id)
            if users:
                raise PlatformError.from_code("CONFLICT", {"state": f"used by {', '.join(users[:3])}", "wanted": "delete"})
            await session.delete(row)

        await self.db.write(tx)
        await self.storage.delete_tree(f"datasets/{dataset_id}")

    async def check_for_training(self, dataset_id: str, config: Mapping[str, Any]) -> list[PlatformError]:
        """What keeps a data set from being trained on with this configuration."""
        try:
            row = await self._row(dataset_id)
        except PlatformError as error:
            return [error]
        if row.status == "checking":
            await self._checked(dataset_id)
            row = await self._row(dataset_id)
        if row.error is None:
            return []
        excluded = bool(config.get("exclude_invalid_files")) and row.excludable
        split = bool(config.get("val_fraction")) or not row.problems.get("no_validation_split")
        spoiled = row.errors - row.problems.get("no_validation_split", 0)
        if row.status == "invalid" and split and (excluded or not spoiled):
            return []
        fixes = [fix for fix in row.error.get("fixes") or () if fix["id"] != "exclude-invalid-files" or not excluded]
        return [_stored_as_error({**row.error, "fixes": fixes})]

    async def _checked(self, dataset_id: str) -> None:
        """Waits until the check of a data set is over."""
        name = f"check {dataset_id}"
        await asyncio.gather(*(task for task in self._tasks if task.get_name() == name), return_exceptions=True)

    async def _plan(self, dataset_id: str, config: Mapping[str, Any]) -> Plan:
        row = await self._row(dataset_id)
        exclude, share = bool(config.get("exclude_invalid_files")), config.get("val_fraction")
        seed = int(config.get("seed") or 0)
        key = (dataset_id, row.digest, exclude, share, seed)
        if key not in self._plans:
            manifest = orjson.loads(await self.storage.read_bytes(f"datasets/{dataset_id}/manifest.json"))
            plan = make_plan(
                manifest, exclude=manifest["spoiled"] if exclude else (), val_fraction=share, seed=seed
            )
            self._plans = dict(list(self._plans.items())[-15:]) | {key: plan}
        return self._plans[key]

    async def for_agent(self, dataset_id: str, config: Mapping[str, Any], base: str) -> dict[str, Any]:
        """What an agent is told of a data set; `base` is the API's address."""
        row, plan = await self._row(dataset_id), await self._plan(dataset_id, config)
        query = f"exclude_invalid_files={str(bool(config.get('exclude_invalid_files'))).lower()}"
        query += f"&seed={int(config.get('seed') or 0)}"
        if config.get("val_fraction"):
            query += f"&val_fraction={config['val_fraction']}"
        return {
            "dataset_id": dataset_id,
            "digest": plan.digest,
            "archive_url": f"{base}/datasets/{dataset_id}/archive?{query}",
            "task": row.task,
            "format": row.format,
            "classes": row.classes,
            "counts": plan.counts,
        }

    async def archive(self, dataset_id: str, config: Mapping[str, Any]) -> AsyncIterator[bytes]:
        """The data set as a trainer gets it, as a tar.

        Raises:
            PlatformError: DATASET_NOT_FOUND.
        """
        plan = await self._plan(dataset_id, config)
        return tar_stream(plan, self.storage.get_blob)


def _remove(archive: Path, folder: Path) -> None:
    import shutil

    archive.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _stored_as_error(stored: Mapping[str, Any]) -> PlatformError:
    from app.core.errors import Fix

    set_trace_id(stored["trace_id"]) if stored.get("trace_id") else None
    fixes = [Fix(**{**fix, "patch": tuple(fix["patch"])}) for fix in stored.get("fixes") or ()]
    return PlatformError.from_code(stored["code"], stored.get("params") or {}, fixes=fixes)


def dataset_view(row: Dataset) -> dict[str, Any]:
    """A data set as the API shows it."""
    return {
        "dataset_id": row.id,
        "name": row.name,
        "status": row.status,
        "task": row.task,
        "format": row.format,
        "classes": row.classes,
        "counts": {key: value for key, value in row.counts.items() if key != "upload"},
        "files": row.files,
        "bytes": row.bytes,
        "digest": row.digest,
        "problems": row.problems,
        "errors": row.errors,
        "warnings": row.warnings,
        "excludable": row.excludable,
        "error": shown_error(row.error),
        "created_at": stamp(row.created_at),
    }
