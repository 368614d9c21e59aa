"""Brings what an attempt needs to this machine: its data set (once), weights, a checkpoint."""

import asyncio
import hashlib
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from trainers.agent.backend import Backend


class DamagedDownload(Exception):
    """What arrived is not what was sent."""


def _unpack(archive: Path, target: Path) -> None:
    try:
        with tarfile.open(archive) as tar:
            # The filter refuses links out of the folder, devices, absolute names.
            tar.extractall(target, filter="data")
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
