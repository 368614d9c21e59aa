"""Data sets: taken in, unpacked, checked, kept, handed to trainers."""

import asyncio
import uuid
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
from app.core.fixes import fixes_for, nearest
from app.datasets.plan import Plan, make_plan, tar_stream
from app.db.models import Dataset
from app.db.repositories import jobs
from app.db.session import Database, utcnow
from app.services.cluster import Cluster
from app.services.dataset_checks import DatasetChecks
from app.services.dataset_views import csv_of, dataset_view, slug_of, stored_as_error
from app.services.views import shown_error

ROOT = Path(__file__).parents[3]
SAMPLES = {name: ROOT / "samples" / f"{name}.zip" for name in ("digits-classify", "digits-detect", "digits-broken")}
CHUNK = 1 << 20


class DatasetService:
    """Everything that is done with data sets."""

    def __init__(
        self,
        db: Database,
        storage: Storage,
        settings: Settings,
        clock: Callable[[], datetime] = utcnow,
        cluster: Cluster | None = None,
    ) -> None:
        self.db, self.storage, self.settings, self.clock = db, storage, settings, clock
        self.checks = DatasetChecks(db, storage, settings, clock, cluster)
        self._plans: dict[tuple[Any, ...], Plan] = {}

    async def start(self) -> None:
        """Goes on with data sets that were being checked when the backend ended."""
        await self.checks.start()

    async def stop(self) -> None:
        """Ends checks under way; the next start begins them again."""
        await self.checks.stop()

    async def create(
        self, name: str, content: AsyncIterator[bytes], size: int | None = None, upload_id: str | None = None
    ) -> dict[str, Any]:
        """Takes in a zip and begins to check it. `upload_id` is that of an upload in pieces, where it was one.

        Raises:
            PlatformError: VALIDATION_FAILED for a name without a letter or digit, DATASET_TOO_LARGE, STORAGE_ERROR.
        """
        slug = slug_of(name)
        if size is not None:
            self.check_size(size)
        upload = f"uploads/{uuid.uuid4().hex}.zip"
        stored = await self.storage.put_stream(upload, self._limited(content))

        async def tx(session: AsyncSession) -> Dataset:
            # The counter's lock keeps two uploads of the same name apart.
            await jobs.next_number(session, "dataset")
            dataset_id, number = slug, 1
            while await session.get(Dataset, dataset_id) is not None:
                number += 1
                dataset_id = f"{slug}-{number}"
            now = self.clock()
            row = Dataset(
                id=dataset_id, name=name, status="checking", classes=[], counts={"upload": upload}, problems={}, files=0,
                bytes=stored.size, errors=0, warnings=0, upload_id=upload_id, created_at=now, updated_at=now,
            )  # fmt: skip
            session.add(row)
            return row

        try:
            row = await self.db.write(tx)
        except PlatformError:
            await self.storage.delete(upload)
            raise
        self.checks.later(row.id)
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
            with path.open("rb") as file:
                while chunk := await asyncio.to_thread(file.read, CHUNK):
                    yield chunk

        return await self.create(name or sample, content())

    def check_size(self, size: int) -> None:
        """Refuses what is over the quota.

        Raises:
            PlatformError: DATASET_TOO_LARGE.
        """
        limit = self.settings.dataset_quota_bytes
        if size > limit:
            details = {"size_gb": round(size / 1024**3, 2), "limit_gb": round(limit / 1024**3, 2)}
            raise PlatformError.from_code("DATASET_TOO_LARGE", details)

    async def _limited(self, content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        total = 0
        async for chunk in content:
            total += len(chunk)
            self.check_size(total)
            yield chunk

    async def check_again(self, dataset_id: str) -> dict[str, Any]:
        """Checks a data set once more whose check failed for a reason of ours, such as a full disk.

        Raises:
            PlatformError: DATASET_NOT_FOUND; CONFLICT where the check has come to a verdict on the data.
        """

        async def tx(session: AsyncSession) -> Dataset:
            row = await session.get(Dataset, dataset_id, with_for_update=True)
            if row is None:
                raise PlatformError.from_code("DATASET_NOT_FOUND", {"dataset_id": dataset_id})
            if row.status != "failed" or "upload" not in row.counts:
                raise PlatformError.from_code("CONFLICT", {"state": row.status, "wanted": "check again"})
            row.status, row.error, row.updated_at = "checking", None, self.clock()
            return row

        row = await self.db.write(tx)
        self.checks.later(dataset_id)
        return dataset_view(row)

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
        full = f"/api/v1/datasets/{dataset_id}/problems" if row.digest is not None else None
        return {**dataset_view(row), **body, "fixes": error["fixes"] if error else [], "all_problems_url": full}

    async def problems(self, dataset_id: str, *, as_csv: bool = False) -> AsyncIterator[bytes]:
        """Every problem found in a data set, one a line: JSON, or CSV for a spreadsheet.

        Raises:
            PlatformError: DATASET_NOT_FOUND; NOT_FOUND where there is no report.
        """
        await self._row(dataset_id)
        lines = await self.storage.get_stream(f"datasets/{dataset_id}/problems.jsonl")
        return csv_of(lines) if as_csv else lines

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

        upload: list[str] = []

        async def tx(session: AsyncSession) -> None:
            row = await session.get(Dataset, dataset_id)
            if row is None:
                raise PlatformError.from_code("DATASET_NOT_FOUND", {"dataset_id": dataset_id})
            upload[:] = [str(row.counts["upload"])] if "upload" in row.counts else []
            users = await jobs.jobs_using(session, dataset_id)
            if users:
                raise PlatformError.from_code("CONFLICT", {"state": f"used by {', '.join(users[:3])}", "wanted": "delete"})
            await session.delete(row)

        await self.db.write(tx)
        await self.checks.call_off(dataset_id)
        await self.storage.delete_tree(f"datasets/{dataset_id}")
        if upload:
            await self.storage.delete(upload[0])

    async def check_for_training(self, dataset_id: str, config: Mapping[str, Any]) -> list[PlatformError]:
        """What keeps a data set from being trained on with this configuration."""
        row = await self.db.read(lambda session: session.get(Dataset, dataset_id))
        if row is None:
            return [await self._unknown(dataset_id)]
        if row.status == "checking":
            await self.checks.over(dataset_id)
            row = await self._row(dataset_id)
        if row.error is None:
            return []
        excluded = bool(config.get("exclude_invalid_files")) and row.excludable
        split = bool(config.get("val_fraction")) or not row.problems.get("no_validation_split")
        spoiled = row.errors - row.problems.get("no_validation_split", 0)
        if row.status == "invalid" and split and (excluded or not spoiled):
            return []
        fixes = [fix for fix in row.error.get("fixes") or () if fix["id"] != "exclude-invalid-files" or not excluded]
        return [stored_as_error({**row.error, "fixes": fixes})]

    async def _unknown(self, dataset_id: str) -> PlatformError:
        """DATASET_NOT_FOUND with the ids that look most like the one asked for."""
        known = [str(dataset["dataset_id"]) for dataset in await self.list_all()]
        close = nearest(dataset_id, known)
        hint = f"; did you mean {' or '.join(f'`{name}`' for name in close)}?" if close else ""
        wrong = FieldError("#/dataset_id", "unknown_dataset", f"no data set `{dataset_id}`{hint}")
        details = {"dataset_id": dataset_id}
        fixes = fixes_for("DATASET_NOT_FOUND", {**details, "suggestions": close})
        return PlatformError.from_code("DATASET_NOT_FOUND", details, errors=[wrong], fixes=fixes)

    async def _plan(self, dataset_id: str, config: Mapping[str, Any]) -> Plan:
        row = await self._row(dataset_id)
        exclude, share = bool(config.get("exclude_invalid_files")), config.get("val_fraction")
        seed = int(config.get("seed") or 0)
        key = (dataset_id, row.digest, exclude, share, seed)
        if key not in self._plans:
            manifest = orjson.loads(await self.storage.read_bytes(f"datasets/{dataset_id}/manifest.json"))
            plan = make_plan(manifest, exclude=manifest["spoiled"] if exclude else (), val_fraction=share, seed=seed)
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
