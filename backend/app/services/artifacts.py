"""Files of jobs and weights of users, to and from the object store."""

import re
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError as SchemaViolation
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.clients.storage import Storage
from app.config import Settings
from app.core.errors import FieldError, PlatformError
from app.db.models import Artifact, Weights
from app.db.repositories import jobs
from app.db.session import Database, utcnow
from app.schemas.wire import ArtifactNote
from app.services.streams import limited
from app.services.updates import UpdateService
from app.services.views import stamp


class ArtifactService:
    """Stores what attempts upload and what users bring; hands both out again."""

    def __init__(
        self,
        db: Database,
        storage: Storage,
        settings: Settings,
        updates: UpdateService,
        clock: Callable[[], datetime] = utcnow,
    ) -> None:
        self.db = db
        self.storage = storage
        self.settings = settings
        self.updates = updates
        self.clock = clock

    async def store(self, job_id: str, attempt: int, note: ArtifactNote, content: AsyncIterator[bytes]) -> dict[str, Any]:
        """Stores a file of an attempt; a new version replaces the old one when it is there as a whole.

        Raises:
            PlatformError: VALIDATION_FAILED where the content is not what its SHA-256 says, PAYLOAD_TOO_LARGE,
                CONFLICT where the attempt has ended, STORAGE_ERROR.
        """
        earlier = await self.db.read(lambda session: session.get(Artifact, (job_id, note.name, attempt)))
        scratch = f"uploads/{uuid.uuid4().hex}"
        stored = await self.storage.put_stream(scratch, limited(content, self.settings.artifact_max_bytes))
        key = _key(job_id, attempt, note.name, note.sha256)
        made = [scratch]
        try:
            if stored.sha256 != note.sha256:
                message = "the content does not have this SHA-256; send it again"
                error = FieldError("#/X-Content-SHA256", "checksum", message)
                raise PlatformError.from_code("VALIDATION_FAILED", {"field": "X-Content-SHA256"}, errors=[error])
            await self.storage.rename(scratch, key)
            made = [key] if earlier is None or earlier.sha256 != note.sha256 else []
            told = note.model_dump() | {"bytes": stored.size}
            await self.updates.note_artifact(job_id, attempt, told)
        except PlatformError:
            for left in made:
                await self.storage.discard(left)
            raise
        if earlier is not None and earlier.sha256 != note.sha256:
            await self.storage.discard(_key(job_id, attempt, note.name, earlier.sha256))
        return told

    async def find(self, job_id: str, name: str, attempt: int | None = None) -> Artifact:
        """The newest file of this name, or that of one attempt.

        Raises:
            PlatformError: NOT_FOUND.
        """

        async def look(session: AsyncSession) -> Artifact:
            await jobs.get_job(session, job_id)
            query = select(Artifact).where(Artifact.job_id == job_id, Artifact.name == name)
            if attempt is not None:
                query = query.where(Artifact.attempt == attempt)
            found = await session.scalar(query.order_by(Artifact.attempt.desc()).limit(1))
            if found is None:
                details = {"resource_type": "artifact", "resource_id": name}
                raise PlatformError.from_code("NOT_FOUND", details)
            return found

        return await self.db.read(look)

    async def open(self, job_id: str, name: str, attempt: int | None = None) -> tuple[Artifact, AsyncIterator[bytes]]:
        """The newest file of this name (or that of one attempt) and its content.

        Raises:
            PlatformError: NOT_FOUND.
        """
        artifact = await self.find(job_id, name, attempt)
        return artifact, await self.storage.get_stream(place_of(artifact), artifact.sha256)

    async def address(self, job_id: str, name: str, attempt: int | None = None) -> str | None:
        """Where to fetch the file from the object store itself, for a while; None where the store is a folder.

        Raises:
            PlatformError: NOT_FOUND.
        """
        if self.settings.storage_direct_seconds == 0:
            return None
        artifact = await self.find(job_id, name, attempt)
        return await self.storage.address(place_of(artifact), "GET", self.settings.storage_direct_seconds)

    async def add_weights(self, name: str, content: AsyncIterator[bytes]) -> dict[str, Any]:
        """Keeps weights that a user brings. They are never loaded here; the trainer loads them safely.

        Raises:
            PlatformError: VALIDATION_FAILED for an empty file, PAYLOAD_TOO_LARGE, STORAGE_ERROR.
        """
        sha256, size = await self.storage.put_blob(limited(content, self.settings.weights_max_bytes))
        if size == 0:
            empty = FieldError("#", "empty", "the file is empty")
            raise PlatformError.from_code("VALIDATION_FAILED", {"count": 1}, errors=[empty])
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60].strip("-") or "weights"
        row = Weights(id=f"{slug}-{sha256[:8]}", name=name, bytes=size, sha256=sha256, created_at=self.clock())

        async def tx(session: AsyncSession) -> None:
            await session.merge(row)

        await self.db.write(tx)
        return _weights_view(row)

    async def weights(self) -> list[dict[str, Any]]:
        """All weights that users brought, newest first."""

        async def look(session: AsyncSession) -> list[dict[str, Any]]:
            rows = (await session.scalars(select(Weights).order_by(Weights.created_at.desc()))).all()
            return [_weights_view(row) for row in rows]

        return await self.db.read(look)

    async def open_weights(self, weights_id: str) -> tuple[Weights, AsyncIterator[bytes]]:
        """Weights and their content.

        Raises:
            PlatformError: NOT_FOUND.
        """
        row = await self.db.read(lambda session: session.get(Weights, weights_id))
        if row is None:
            raise PlatformError.from_code("NOT_FOUND", {"resource_type": "weights", "resource_id": weights_id})
        return row, await self.storage.get_blob(row.sha256)


def note_of(values: Mapping[str, Any]) -> ArtifactNote:
    """What is told of a file, checked.

    Raises:
        PlatformError: VALIDATION_FAILED with every wrong field.
    """
    try:
        return ArtifactNote.model_validate(values)
    except SchemaViolation as error:
        wrong = [FieldError(f"#/{problem['loc'][0]}", problem["type"], problem["msg"]) for problem in error.errors()]
        raise PlatformError.from_code("VALIDATION_FAILED", {"count": len(wrong)}, errors=wrong, cause=error) from error


def place_of(artifact: Artifact) -> str:
    """The key of a file in the object store."""
    return _key(artifact.job_id, artifact.attempt, artifact.name, artifact.sha256)


def _key(job_id: str, attempt: int, name: str, sha256: str) -> str:
    """Where a version of a file lies: a new one never overwrites the one that is in use."""
    return f"jobs/{job_id}/{attempt}/artifacts/{name}/{sha256}"


def _weights_view(row: Weights) -> dict[str, Any]:
    return {
        "weights_id": row.id,
        "name": row.name,
        "bytes": row.bytes,
        "sha256": row.sha256,
        "created_at": stamp(row.created_at),
    }
