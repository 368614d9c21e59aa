"""Uploads in pieces that go on after a cut connection, a closed page or a restart of the backend.

All state is in the object store: a note on the upload, and each piece under the place where it begins. Whoever comes back is
told how far the pieces reach without a gap, and goes on from there; the last one makes a data set of them, once, whichever
backends it reaches.
"""

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any

import orjson
from pydantic import BaseModel
from sqlalchemy import select

from app.clients.storage import Storage
from app.config import Settings
from app.core.errors import FieldError, PlatformError
from app.db.models import Dataset
from app.db.session import utcnow
from app.services.cluster import Cluster
from app.services.dataset_views import slug_of
from app.services.datasets import DatasetService
from app.services.streams import limited
from app.services.views import stamp

ROOT = "pieces"
PIECE_BYTES = 8 << 20
"""What a sender had better put into one piece: little is lost with it, and few requests are needed."""
MOST_BYTES = 64 << 20
KEPT = timedelta(days=3)
LOOK_AGAIN_SECONDS = 0.2
"""How often a backend looks whether another one is done with an upload."""


class Note(BaseModel):
    """What is kept of an upload beside its pieces; `modified` is the file's own time, which tells it from its namesakes."""

    upload_id: str
    name: str
    bytes: int
    modified: int | None
    created_at: datetime
    dataset_id: str | None = None


class UploadService:
    """Uploads under way. An unknown one raises NOT_FOUND."""

    def __init__(
        self,
        storage: Storage,
        datasets: DatasetService,
        settings: Settings,
        cluster: Cluster,
        clock: Callable[[], datetime] = utcnow,
    ) -> None:
        self.storage, self.datasets, self.settings, self.cluster, self.clock = storage, datasets, settings, cluster, clock
        self._locks: dict[str, asyncio.Lock] = {}

    async def begin(self, name: str, size: int, modified: int | None) -> dict[str, Any]:
        """A new upload.

        Raises:
            PlatformError: VALIDATION_FAILED for a name without a letter or digit, DATASET_TOO_LARGE.
        """
        slug_of(name)
        self.datasets.check_size(size)
        await self._forget_old()
        note = Note(upload_id=uuid.uuid4().hex, name=name, bytes=size, modified=modified, created_at=self.clock())
        await self._write(note)
        return self._view(note, 0)

    async def show(self, upload_id: str) -> dict[str, Any]:
        """How far an upload has come, or the data set that it has become."""
        note = await self._note(upload_id)
        return self._view(note, sum((await self._pieces(note)).values()))

    async def unfinished(self) -> list[dict[str, Any]]:
        """Uploads that can go on, newest first."""
        found = [await self.show(upload_id) for upload_id in await self._ids()]
        left = [item for item in found if item["dataset_id"] is None]
        return sorted(left, key=lambda item: str(item["created_at"]), reverse=True)

    async def take(self, upload_id: str, offset: int, content: AsyncIterator[bytes], sha256: str | None) -> dict[str, Any]:
        """Keeps a piece, whole or not at all; the last one makes the data set.

        Raises:
            PlatformError: CONFLICT where the piece is not the next one, with the place where that begins;
                VALIDATION_FAILED where its checksum is another or it reaches past the end; PAYLOAD_TOO_LARGE.
        """
        async with self._locks.setdefault(upload_id, asyncio.Lock()):
            note = await self._note(upload_id)
            pieces = await self._pieces(note)
            reached = sum(pieces.values())
            if note.dataset_id is not None:
                return self._view(note, note.bytes)
            if offset != reached:
                raise PlatformError.from_code("CONFLICT", {"state": f"at byte {reached}", "expected_seq": reached})
            if reached < note.bytes:
                pieces[offset] = await self._keep(note, offset, content, sha256)
                reached += pieces[offset]
            if reached == note.bytes:
                note = await self._finish(upload_id)
            return self._view(note, reached)

    async def address(self, upload_id: str, offset: int) -> dict[str, Any]:
        """Where to put the piece that begins at `offset`, in the object store itself; `url` is None where the store is a
        folder, and pieces go through the backend."""
        note = await self._note(upload_id)
        url = None
        if self.settings.storage_direct_seconds and offset < note.bytes:
            url = await self.storage.address(_piece(note, offset), "PUT", self.settings.storage_direct_seconds)
        return {"offset": offset, "url": url}

    async def complete(self, upload_id: str, sha256: str | None) -> dict[str, Any]:
        """Makes the data set of pieces that were put into the store; `sha256` is that of the whole file.

        Raises:
            PlatformError: CONFLICT where pieces are missing, with the place where the first of them begins;
                VALIDATION_FAILED where the content is another one.
        """
        async with self._locks.setdefault(upload_id, asyncio.Lock()):
            note = await self._finish(upload_id, sha256)
            return self._view(note, note.bytes)

    async def discard(self, upload_id: str) -> None:
        """Forgets an upload and its pieces."""
        await self._note(upload_id)
        await self.storage.delete_tree(f"{ROOT}/{upload_id}")
        self._locks.pop(upload_id, None)

    async def _keep(self, note: Note, offset: int, content: AsyncIterator[bytes], sha256: str | None) -> int:
        key = _piece(note, offset)
        stored = await self.storage.put_stream(key, limited(content, min(MOST_BYTES, note.bytes - offset)))
        wrong = None
        if stored.size == 0:
            wrong = FieldError("#", "empty", "the piece is empty")
        elif sha256 is not None and sha256.lower() != stored.sha256:
            wrong = FieldError("#/X-Content-SHA256", "checksum", "the piece arrived changed; send it again")
        if wrong is not None:
            await self.storage.discard(key)
            raise PlatformError.from_code("VALIDATION_FAILED", {"field": wrong.pointer[2:]}, errors=[wrong])
        return stored.size

    async def _finish(self, upload_id: str, sha256: str | None = None) -> Note:
        """The note with the data set that the pieces make. One backend makes it; the others wait, and find it made.

        Raises:
            PlatformError: as `complete`.
        """
        while True:
            async with self.cluster.claim(f"upload {upload_id}") as mine:
                if mine:
                    note = await self._note(upload_id)
                    return note if note.dataset_id is not None else await self._make(note, sha256)
            await asyncio.sleep(LOOK_AGAIN_SECONDS)

    async def _make(self, note: Note, sha256: str | None) -> Note:
        pieces = await self._pieces(note)
        query = select(Dataset.id).where(Dataset.upload_id == note.upload_id)
        made = await self.datasets.db.read(lambda session: session.scalar(query))
        if made is not None:
            # Whoever made it came no further than that.
            return await self._made(note, made, pieces)
        reached = sum(pieces.values())
        if reached != note.bytes:
            raise PlatformError.from_code("CONFLICT", {"state": f"at byte {reached}", "expected_seq": reached})

        async def whole() -> AsyncIterator[bytes]:
            digest = hashlib.sha256()
            for offset in sorted(pieces):
                async for chunk in await self.storage.get_stream(_piece(note, offset)):
                    digest.update(chunk)
                    yield chunk
            if sha256 is not None and digest.hexdigest() != sha256.lower():
                wrong = FieldError("#/sha256", "checksum", "the file arrived changed; send it again")
                raise PlatformError.from_code("VALIDATION_FAILED", {"field": "sha256"}, errors=[wrong])

        dataset = await self.datasets.create(note.name, whole(), note.bytes, note.upload_id)
        return await self._made(note, dataset["dataset_id"], pieces)

    async def _made(self, note: Note, dataset_id: str, pieces: dict[int, int]) -> Note:
        note = note.model_copy(update={"dataset_id": dataset_id})
        # The note stays for a while: whoever missed the answer asks again and gets it.
        await self._write(note)
        for offset in pieces:
            await self.storage.discard(_piece(note, offset))
        return note

    async def _pieces(self, note: Note) -> dict[int, int]:
        """Sizes of pieces by where they begin, as far as they reach without a gap."""
        if note.dataset_id is not None:
            return {0: note.bytes}
        stored = await self.storage.sizes(f"{ROOT}/{note.upload_id}")
        sizes = {int(key.rsplit("/", 1)[1]): size for key, size in stored.items() if key[-1].isdigit()}
        found: dict[int, int] = {}
        reached = 0
        while sizes.get(reached):
            found[reached] = sizes[reached]
            reached += sizes[reached]
        return found

    async def _ids(self) -> list[str]:
        return [key.split("/")[1] for key in await self.storage.sizes(ROOT) if key.endswith("/note.json")]

    async def _note(self, upload_id: str) -> Note:
        unknown = {"resource_type": "upload", "resource_id": upload_id}
        if not upload_id.isalnum():
            raise PlatformError.from_code("NOT_FOUND", unknown)
        try:
            return Note.model_validate(orjson.loads(await self.storage.read_bytes(_note_key(upload_id))))
        except PlatformError as error:
            if error.code != "NOT_FOUND":
                raise
            raise PlatformError.from_code("NOT_FOUND", unknown, cause=error) from error

    async def _write(self, note: Note) -> None:
        await self.storage.put_bytes(_note_key(note.upload_id), note.model_dump_json().encode())

    async def _forget_old(self) -> None:
        for upload_id in await self._ids():
            note = await self._note(upload_id)
            if self.clock() - note.created_at > KEPT:
                await self.discard(upload_id)

    @staticmethod
    def _view(note: Note, offset: int) -> dict[str, Any]:
        return {
            **note.model_dump(exclude={"created_at"}),
            "created_at": stamp(note.created_at),
            "offset": offset,
            "piece_bytes": PIECE_BYTES,
        }


def _piece(note: Note, offset: int) -> str:
    return f"{ROOT}/{note.upload_id}/{offset:015d}"


def _note_key(upload_id: str) -> str:
    return f"{ROOT}/{upload_id}/note.json"
