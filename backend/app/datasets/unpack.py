"""Unpacks a zip that a stranger made: nothing outside the folder, nothing over the limits, nothing left when refused."""

import hashlib
import shutil
import stat
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from app.core.errors import PlatformError

CHUNK = 1 << 18
GIB = 1024**3
RATIO = 200
"""A file may unpack to this many times its packed size; images do not compress, text files rarely by more than 20."""
SMALL = 10 * 1024 * 1024
JUNK_PARTS = {"__MACOSX", ".git", ".ipynb_checkpoints", "@eaDir"}
JUNK_NAMES = {".DS_Store", "Thumbs.db", "desktop.ini", ".gitkeep"}


@dataclass(frozen=True, slots=True)
class Limits:
    """What a data set may be at most, unpacked: bytes and number of files."""

    bytes: int
    files: int


@dataclass(frozen=True, slots=True)
class UnpackedFile:
    """A file of a data set: path with ``/`` below the data set's folder, SHA-256, size in bytes."""

    path: str
    sha256: str
    size: int


def broken(details: str, entity: str | None = None, cause: BaseException | None = None) -> PlatformError:
    """The error of a damaged or malicious archive."""
    return PlatformError.from_code("DATASET_BROKEN", {"details": details, "entity": entity}, cause=cause)


def _too_large(size: int, limits: Limits) -> PlatformError:
    details = {"size_gb": round(size / GIB, 2), "limit_gb": round(limits.bytes / GIB, 2)}
    return PlatformError.from_code("DATASET_TOO_LARGE", details)


def is_junk(path: PurePosixPath) -> bool:
    """Whether a file is left behind by a system and no part of the data."""
    return bool(JUNK_PARTS & set(path.parts)) or path.name in JUNK_NAMES or path.name.startswith("._")


def safe_name(entry: zipfile.ZipInfo) -> PurePosixPath:
    """The entry's path.

    Raises:
        PlatformError: DATASET_BROKEN for a path that leads out of the folder, a link, or an encrypted entry.
    """
    name = entry.filename.replace("\\", "/")
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or (path.parts and ":" in path.parts[0]) or "\0" in name or not path.parts:
        raise broken(f"`{name[:80]}` points outside the archive", name[:200])
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise broken(f"`{name[:80]}` is a link or a special file", name[:200])
    if entry.flag_bits & 0x1:
        raise broken(f"`{name[:80]}` is encrypted", name[:200])
    return path


def check_entries(entries: list[zipfile.ZipInfo], limits: Limits) -> list[tuple[zipfile.ZipInfo, PurePosixPath]]:
    """The files to unpack, checked by what the archive says of itself.

    Raises:
        PlatformError: DATASET_BROKEN, DATASET_TOO_LARGE.
    """
    wanted: list[tuple[zipfile.ZipInfo, PurePosixPath]] = []
    seen: set[str] = set()
    for entry in entries:
        path = safe_name(entry)
        if entry.is_dir() or is_junk(path):
            continue
        if str(path).casefold() in seen:
            raise broken(f"`{path}` is there twice", str(path))
        seen.add(str(path).casefold())
        if entry.file_size > SMALL and entry.file_size > RATIO * max(entry.compress_size, 1):
            raise broken(f"`{path}` would grow more than {RATIO}-fold", str(path))
        wanted.append((entry, path))
    if len(wanted) > limits.files:
        raise broken(f"{len(wanted)} files are more than the {limits.files} allowed")
    size = sum(entry.file_size for entry, _ in wanted)
    if size > limits.bytes:
        raise _too_large(size, limits)
    return wanted


def common_folder(paths: list[PurePosixPath]) -> int:
    """Number of wrapper folders that all paths share and that say nothing; a layout's own folder names are kept."""
    depth = 0
    telling = {"train", "val", "valid", "validation", "test", "images", "labels"}
    while paths and all(len(path.parts) > depth + 1 for path in paths):
        names = {path.parts[depth] for path in paths}
        if len(names) > 1 or names & telling:
            break
        if all(len(path.parts) == depth + 2 for path in paths) and not _has_yaml(paths):
            break  # a single class folder
        depth += 1
    return depth


def _has_yaml(paths: list[PurePosixPath]) -> bool:
    return any(path.suffix.lower() in (".yaml", ".yml") for path in paths)


def unpack(archive: Path, folder: Path, limits: Limits) -> list[UnpackedFile]:
    """Unpacks `archive` into the new `folder`; the files with their SHA-256. When it is refused, nothing is left.

    Raises:
        PlatformError: DATASET_BROKEN (damaged, malicious, encrypted, empty), DATASET_TOO_LARGE, DISK_FULL.
    """
    folder.mkdir(parents=True)
    try:
        with zipfile.ZipFile(archive) as source:
            wanted = check_entries(source.infolist(), limits)
            if not wanted:
                raise broken("the archive has no files")
            depth = common_folder([path for _, path in wanted])
            return _extract(source, wanted, depth, folder, limits)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, UnicodeError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise broken("the zip file cannot be read to its end", cause=error) from error
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise PlatformError.from_code("DISK_FULL" if error.errno == 28 else "STORAGE_ERROR", cause=error) from error
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _extract(
    source: zipfile.ZipFile,
    wanted: list[tuple[zipfile.ZipInfo, PurePosixPath]],
    depth: int,
    folder: Path,
    limits: Limits,
) -> list[UnpackedFile]:
    total, found = 0, []
    for entry, path in wanted:
        target = folder.joinpath(*path.parts[depth:])
        target.parent.mkdir(parents=True, exist_ok=True)
        digest, size = hashlib.sha256(), 0
        with source.open(entry) as packed, target.open("xb") as file:
            while chunk := packed.read(CHUNK):
                size += len(chunk)
                # What an archive says of its sizes is not to be trusted; what comes out of it is.
                if total + size > limits.bytes:
                    raise _too_large(total + size, limits)
                if size > SMALL and size > RATIO * max(entry.compress_size, 1):
                    raise broken(f"`{path}` grows more than {RATIO}-fold", str(path))
                digest.update(chunk)
                file.write(chunk)
        total += size
        found.append(UnpackedFile("/".join(path.parts[depth:]), digest.hexdigest(), size))
    return found
