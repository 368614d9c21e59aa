"""Objects: a folder by default, S3 by address. What the storage library raises ends here."""

import asyncio
import hashlib
import os
import shutil
import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import obstore
from obstore.store import LocalStore, MemoryStore, S3Store, from_url

from app.clients.storage_errors import storage_errors
from app.core.errors import PlatformError, StorageError
from app.core.logging import get_logger
from app.core.retry import retry_s3

CHUNK = 1 << 18
PART = 8 << 20
PARTS_AT_ONCE = 2
CONNECT_SECONDS, TIMEOUT_SECONDS = 5, 30
STREAM_TRIES = 2
AT_ONCE = 16
READ_AND_WRITE = os.R_OK | os.W_OK | os.X_OK
NOTHING = "nothing"
"""Below this there are no objects."""
logger = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Stored:
    """What was written: SHA-256 in hexadecimal, size in bytes."""

    sha256: str
    size: int


class Storage:
    """A tree of objects. Keys are relative paths with ``/``.

    Every method raises NOT_FOUND for a missing object, DISK_FULL where there is no room, STORAGE_ERROR for the rest.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._folder: Path | None = None
        if url == "memory:":
            self._store: Any = MemoryStore()
            self._streaming = self._store
        elif url.startswith("file:"):
            folder = Path(url.removeprefix("file://").removeprefix("file:"))
            folder.mkdir(parents=True, exist_ok=True)
            self._folder = folder
            self._store = self._streaming = LocalStore(folder)
        else:
            # One layer retries: this module's methods. A stream cannot be sent twice, so there its parts are.
            self._store, self._streaming = _remote(url, 0), _remote(url, STREAM_TRIES)

    async def put_stream(self, key: str, content: AsyncIterator[bytes]) -> Stored:
        """Writes an object from a stream, whole or not at all; what the stream raises is raised as it is."""
        digest, size = hashlib.sha256(), 0
        broken: list[Exception] = []

        async def counted() -> AsyncIterator[bytes]:
            nonlocal size
            try:
                async for chunk in content:
                    digest.update(chunk)
                    size += len(chunk)
                    yield chunk
            except Exception as error:
                broken.append(error)
                raise

        try:
            with storage_errors("put", key):
                await obstore.put_async(
                    self._streaming, key, counted(), use_multipart=True, chunk_size=PART, max_concurrency=PARTS_AT_ONCE
                )
        except Exception:
            # The library hands on what went wrong in the stream in a wrapping of its own.
            if broken:
                raise broken[0] from None
            raise
        return Stored(digest.hexdigest(), size)

    @retry_s3()
    async def put_bytes(self, key: str, content: bytes) -> None:
        """Writes a small object."""
        with storage_errors("put", key):
            await obstore.put_async(self._store, key, content)

    @retry_s3()
    async def put_file(self, key: str, path: Path) -> None:
        """Writes an object from a file."""
        with storage_errors("put", key):
            await obstore.put_async(self._store, key, path)

    @retry_s3()
    async def put_blob_file(self, sha256: str, path: Path) -> None:
        """Keeps a file under its content's SHA-256; the same content is stored once."""
        key = blob_key(sha256)
        if not await self._head(key):
            with storage_errors("put", key):
                await obstore.put_async(self._store, key, path)

    async def put_blob_files(self, files: Iterable[tuple[str, Path]]) -> None:
        """Keeps many files, each under its content's SHA-256. They are not changed afterwards: a folder links to them."""
        if self._folder is not None:
            with storage_errors("put", "blobs"):
                await asyncio.to_thread(_link_all, self._folder, list(files))
            return
        rest = iter(files)
        while batch := list(islice(rest, AT_ONCE)):
            await asyncio.gather(*(self.put_blob_file(sha256, path) for sha256, path in batch))

    async def put_blob(self, content: AsyncIterator[bytes]) -> tuple[str, int]:
        """Keeps a stream under its SHA-256; returns that and the size in bytes."""
        scratch = f"uploads/{uuid.uuid4().hex}"
        stored = await self.put_stream(scratch, content)
        try:
            await self.rename(scratch, blob_key(stored.sha256))
        except PlatformError:
            await self.discard(scratch)
            raise
        return stored.sha256, stored.size

    @retry_s3()
    async def rename(self, key: str, new: str) -> None:
        """Moves an object, in place of one that is there."""
        with storage_errors("rename", key):
            await obstore.rename_async(self._store, key, new, overwrite=True)

    async def discard(self, key: str) -> None:
        """Removes what nobody needs any more; a failure of that is only logged."""
        try:
            await self.delete(key)
        except PlatformError as error:
            logger.warning("left behind in storage", key=key, code=error.code)

    async def get_blob(self, sha256: str) -> AsyncIterator[bytes]:
        """The content kept under a SHA-256, in pieces."""
        return await self.get_stream(blob_key(sha256), sha256)

    @retry_s3()
    async def get_stream(self, key: str, sha256: str | None = None) -> AsyncIterator[bytes]:
        """An object's content in pieces; a missing object is told before the first, a content that does not have the
        SHA-256 before the last, so that no reader takes it for whole."""
        with storage_errors("get", key):
            found = await obstore.get_async(self._store, key)

        async def pieces() -> AsyncIterator[bytes]:
            with storage_errors("get", key):
                async for piece in found.stream(min_chunk_size=CHUNK):
                    yield bytes(piece)

        return pieces() if sha256 is None else _verified(pieces(), key, sha256)

    @retry_s3()
    async def address(self, key: str, method: Literal["GET", "PUT"], seconds: int) -> str | None:
        """A URL under which anybody may read or write this object for a time; None where the store has no addresses."""
        if not isinstance(self._store, S3Store):
            return None
        with storage_errors("sign", key):
            return await obstore.sign_async(self._store, method, key, timedelta(seconds=seconds))

    @retry_s3()
    async def read_bytes(self, key: str) -> bytes:
        """A small object's content."""
        with storage_errors("get", key):
            found = await obstore.get_async(self._store, key)
            return bytes(await found.bytes_async())

    @retry_s3()
    async def exists(self, key: str) -> bool:
        """Whether there is such an object."""
        return await self._head(key)

    async def _head(self, key: str) -> bool:
        try:
            with storage_errors("head", key):
                await obstore.head_async(self._store, key)
        except PlatformError as error:
            if error.code == "NOT_FOUND":
                return False
            raise
        return True

    @retry_s3()
    async def delete(self, key: str) -> None:
        """Removes an object; a missing one is fine."""
        try:
            with storage_errors("delete", key):
                await obstore.delete_async(self._store, key)
        except PlatformError as error:
            if error.code != "NOT_FOUND":
                raise

    @retry_s3()
    async def sizes(self, prefix: str) -> dict[str, int]:
        """Keys of all objects below a prefix, with their sizes in bytes."""
        found: dict[str, int] = {}
        with storage_errors("list", prefix):
            async for page in obstore.list(self._store, prefix):
                found |= {str(item["path"]): int(item["size"]) for item in page}
        return found

    @retry_s3()
    async def ages(self, prefix: str) -> dict[str, datetime]:
        """Keys of all objects below a prefix, with when they were written."""
        found: dict[str, datetime] = {}
        with storage_errors("list", prefix):
            async for page in obstore.list(self._store, prefix):
                found |= {str(item["path"]): item["last_modified"] for item in page}
        return found

    @property
    def kind(self) -> str:
        """What holds the objects: ``folder``, ``memory``, or the scheme of its address, such as ``s3``."""
        return "folder" if self._folder is not None else self.url.partition(":")[0]

    async def check(self) -> None:
        """Asks once, at little cost, whether objects can be listed; of a folder, also whether they can be written."""
        with storage_errors("list", NOTHING):
            if self._folder is not None and not await asyncio.to_thread(os.access, self._folder, READ_AND_WRITE):
                message = "the folder of the objects is gone, or not ours to write to"
                raise PermissionError(message)
            await obstore.list_with_delimiter_async(self._store, NOTHING)

    @retry_s3()
    async def delete_tree(self, prefix: str) -> None:
        """Removes all objects below a prefix; none is fine."""
        with storage_errors("delete", prefix):
            async for page in obstore.list(self._store, prefix):
                await obstore.delete_async(self._store, [item["path"] for item in page])


def _remote(url: str, tries: int) -> Any:
    """A store on another machine; credentials and endpoint come from the environment, as its vendor's tools read them."""
    plain = (os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT") or "").startswith("http://")
    return from_url(
        url,
        client_options={
            "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
            "timeout": timedelta(seconds=TIMEOUT_SECONDS),
            "allow_http": plain,
        },
        retry_config={"max_retries": tries, "retry_timeout": timedelta(seconds=TIMEOUT_SECONDS)},
    )


async def _verified(content: AsyncIterator[bytes], key: str, sha256: str) -> AsyncIterator[bytes]:
    digest, held = hashlib.sha256(), b""
    async for piece in content:
        digest.update(piece)
        if held:
            yield held
        held = piece
    if digest.hexdigest() != sha256:
        damaged = ValueError("the content has another SHA-256 than when it was stored")
        raise StorageError("get", "storage", key, damaged) from damaged
    if held:
        yield held


def _link_all(folder: Path, files: Sequence[tuple[str, Path]]) -> None:
    made: set[Path] = set()
    for sha256, path in files:
        target = folder / blob_key(sha256)
        if target.parent not in made:
            target.parent.mkdir(parents=True, exist_ok=True)
            made.add(target.parent)
        try:
            target.hardlink_to(path)
        except FileExistsError:
            continue
        except OSError:  # another file system, or one without links
            part = target.with_name(f"{sha256}#{uuid.uuid4().hex}")
            try:
                shutil.copyfile(path, part)
                part.replace(target)
            finally:
                part.unlink(missing_ok=True)


def blob_key(sha256: str) -> str:
    """Where content with this SHA-256 is kept."""
    return f"blobs/{sha256[:2]}/{sha256}"
