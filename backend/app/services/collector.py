"""Removes files that nothing needs any more: checkpoints of trainings that succeeded, contents that no data set has.

The same content is stored once, whoever refers to it, so deleting a data set leaves its contents; they go here. No check of
a data set may count on a content that is just being removed: a run ends before it begins where one is under way, and a check
that begins meanwhile waits with storing until the run is over.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import orjson
from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.clients.storage import Storage, blob_key
from app.config import Settings
from app.core.logging import get_logger
from app.db.models import Artifact, Dataset, Job, Weights
from app.db.session import Database, utcnow
from app.services.artifacts import place_of
from app.services.cluster import Cluster
from app.services.dataset_checks import COLLECTING
from app.services.hourly import Hourly

YOUNG = timedelta(days=1)
"""What is younger stays: its data set or weights may be about to be recorded."""
logger = get_logger(__name__)


class Collector:
    """Works every hour, on one backend at a time."""

    def __init__(
        self, db: Database, storage: Storage, settings: Settings, cluster: Cluster, clock: Callable[[], datetime] = utcnow
    ) -> None:
        self.db, self.storage, self.settings, self.cluster, self.clock = db, storage, settings, cluster, clock
        self.hourly = Hourly("collector", self.once)

    async def once(self) -> dict[str, int]:
        """One run; how many files went, by kind. None do while another backend does this, or a data set is checked.

        Raises:
            PlatformError: the database or the store failed; what is left goes next time.
        """
        async with self.cluster.claim(COLLECTING) as mine:
            if not mine or await self.db.read(_checking):
                return {}
            gone = {"checkpoints": await self._checkpoints(), "contents": await self._contents()}
        if any(gone.values()):
            logger.info("files removed that nothing needs", **gone)
        return gone

    async def _checkpoints(self) -> int:
        """Removes checkpoints of trainings that succeeded, but for the newest."""
        keep = self.settings.checkpoints_kept
        rows = await self.db.read(lambda session: _spare_checkpoints(session, keep))
        for row in rows:
            await self.db.write(lambda session, row=row: _forget(session, row))
            await self.storage.discard(place_of(row))
        return len(rows)

    async def _contents(self) -> int:
        """Removes contents that no data set and no weights refer to."""
        written = await self.storage.ages("blobs")
        needed = await self._needed()
        old = self.clock() - YOUNG
        spare = [key for key, at in written.items() if key not in needed and at < old]
        for key in spare:
            await self.storage.discard(key)
        return len(spare)

    async def _needed(self) -> set[str]:
        async def look(session: AsyncSession) -> tuple[Sequence[str], Sequence[str]]:
            datasets = (await session.scalars(select(Dataset.id).where(Dataset.digest.is_not(None)))).all()
            return datasets, (await session.scalars(select(Weights.sha256))).all()

        datasets, weights = await self.db.read(look)
        needed = {blob_key(sha256) for sha256 in weights}
        for dataset_id in datasets:
            manifest = orjson.loads(await self.storage.read_bytes(f"datasets/{dataset_id}/manifest.json"))
            needed |= {blob_key(sha256) for sha256, _ in manifest["files"].values()}
        return needed


async def _checking(session: AsyncSession) -> bool:
    return (await session.scalar(select(Dataset.id).where(Dataset.status == "checking").limit(1))) is not None


async def _spare_checkpoints(session: AsyncSession, keep: int) -> list[Artifact]:
    """Checkpoints of succeeded jobs that have more than `keep`, but for each job's newest."""
    of_job = (Artifact.role == "checkpoint", Job.id == Artifact.job_id, Job.status == "succeeded")
    many = select(Artifact.job_id).join(Job, Job.id == Artifact.job_id).where(*of_job)
    many = many.group_by(Artifact.job_id).having(func.count() > keep)
    order = (Artifact.job_id, Artifact.attempt.desc(), func.coalesce(Artifact.epoch, -1).desc(), Artifact.created_at.desc())
    query = select(Artifact).where(Artifact.role == "checkpoint", Artifact.job_id.in_(many)).order_by(*order)
    seen: dict[str, int] = {}
    spare = []
    for row in (await session.scalars(query)).all():
        seen[row.job_id] = seen.get(row.job_id, 0) + 1
        if seen[row.job_id] > keep:
            spare.append(row)
    return spare


async def _forget(session: AsyncSession, row: Artifact) -> None:
    mine = (Artifact.job_id == row.job_id, Artifact.name == row.name, Artifact.attempt == row.attempt)
    await session.execute(delete(Artifact).where(*mine, Artifact.sha256 == row.sha256))
