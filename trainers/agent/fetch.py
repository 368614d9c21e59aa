"""Brings what an attempt needs to this machine: its data set (once), weights, a checkpoint."""

import asyncio
import hashlib
import shutil
import tarfile
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

from trainers.agent.backend import Backend


class DamagedDownload(Exception):
    """What arrived is not what was sent."""


def _unpack(archive: Path, target: Path) -> None:
    """Unpacks a data set: regular files below `target` and nothing else.

    Written out, since Python has a safe `extractall` only from 3.11.4 on, and Debian 12 an older one.

    Raises:
        DamagedDownload: the archive is not whole, or holds what no data set has.
    """
    target.mkdir()
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                content, path = tar.extractfile(member) if member.isreg() else None, PurePosixPath(member.name)
                if content is None or path.is_absolute() or ".." in path.parts:
                    message = f"the data set arrived with `{member.name[:80]}` in it, which is no file of it"
                    raise DamagedDownload(message)
                file = target / path
                file.parent.mkdir(parents=True, exist_ok=True)
                with file.open("wb") as written:
                    shutil.copyfileobj(content, written)
    except tarfile.TarError as error:
        message = f"the data set arrived damaged: {error}"
        raise DamagedDownload(message) from error


async def data_set(backend: Backend, spec: dict[str, Any], cache: Path) -> Path:
    """The folder with the attempt's data set; downloaded where this machine does not have it yet.

    Raises:
        BackendAway, BackendRefuses: as they say.
        DamagedDownload: the archive is not whole.
        OSError: it cannot be stored.
    """
    wanted = spec["dataset"]
    target = cache / str(wanted["digest"])
    if target.is_dir():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="part-", dir=cache))
    try:
        archive = scratch / "archive.tar"
        async with backend.download(wanted["archive_url"], spec["token"]) as chunks:
            with archive.open("wb") as file:
                async for chunk in chunks:
                    file.write(chunk)
        folder = scratch / "files"
        await asyncio.to_thread(_unpack, archive, folder)
        try:
            folder.rename(target)
        except OSError:
            # Another attempt has brought the same data set in the meantime.
            if not target.is_dir():
                raise
    finally:
        await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)
    return target


async def single_file(backend: Backend, wanted: dict[str, Any], token: str, target: Path) -> Path:
    """One file (weights, a checkpoint), checked against its SHA-256 where that is known.

    Raises:
        BackendAway, BackendRefuses: as they say.
        DamagedDownload: the content has another SHA-256.
        OSError: it cannot be stored.
    """
    if target.exists():
        return target
    part, digest = target.with_name(target.name + ".part"), hashlib.sha256()
    async with backend.download(wanted["url"], token) as chunks:
        with part.open("wb") as file:
            async for chunk in chunks:
                digest.update(chunk)
                file.write(chunk)
    if wanted.get("sha256") not in (None, digest.hexdigest()):
        message = f"{target.name} arrived damaged"
        raise DamagedDownload(message)
    part.replace(target)
    return target
