"""Unpacks a zip that a stranger made: nothing outside the folder, nothing over the limits, nothing left when refused."""

import errno
import hashlib
import lzma
import os
import shutil
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from app.core.errors import PlatformError

CHUNK = 1 << 18
GIB = 1024**3
RATIO = 200
"""Contents may unpack to this many times their packed size; images do not compress, text files rarely by more than 20."""
SMALL = 10 * 1024 * 1024
ENTRY_BYTES = 512
"""Room in an archive's directory for one file: 46 bytes and a name; more than that on average is an attack on memory."""
LONGEST_NAME, LONGEST_PATH, DEEPEST = 255, 1000, 32
SPARE = 256 * 1024 * 1024
"""Room in bytes that unpacking leaves on the disk."""
JUNK_PARTS = {"__MACOSX", ".git", ".ipynb_checkpoints", "@eaDir"}
JUNK_NAMES = {".DS_Store", "Thumbs.db", "desktop.ini", ".gitkeep"}
TELLING = frozenset({"train", "training", "val", "valid", "validation", "test", "images", "labels"})
UTF8_NAMES, ENCRYPTED = 0x800, 0x1
# Marks that turn the direction of writing: with them a name shows as another than it is.
DIRECTION_MARKS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
Wanted = tuple[zipfile.ZipInfo, PurePosixPath]
DAMAGED = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, ValueError, struct.error, FileExistsError,
    MemoryError, OverflowError,
)  # fmt: skip
Proceed = Callable[[], None]
"""Called now and then during long work; raises where that was called off."""


def go_on() -> None:
    """Work that nobody calls off."""


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


def _name_of(entry: zipfile.ZipInfo) -> str:
    """The entry's name; archivers that write UTF-8 without saying so are understood."""
    name = entry.orig_filename
    if not entry.flag_bits & UTF8_NAMES and not name.isascii():
        try:
            return name.encode("cp437").decode("utf-8")
        except UnicodeError:
            return name
    return name


def safe_name(entry: zipfile.ZipInfo) -> PurePosixPath:
    """The entry's path.

    Raises:
        PlatformError: DATASET_BROKEN for a path that leads out of the folder or deceives, a link, or an encrypted entry.
    """
    name = _name_of(entry).replace("\\", "/")
    shown = "".join(letter if letter.isprintable() else "?" for letter in name[:80])
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or (path.parts and ":" in path.parts[0]) or not path.parts:
        raise broken(f"`{shown}` points outside the archive", shown)
    if any(unicodedata.category(letter) in ("Cc", "Cs") or letter in DIRECTION_MARKS for letter in name):
        raise broken(f"`{shown}` has invisible characters in its name", shown)
    if (
        len(name.encode()) > LONGEST_PATH
        or len(path.parts) > DEEPEST
        or any(len(p.encode()) > LONGEST_NAME for p in path.parts)
    ):
        raise broken(f"the name `{shown}…` is too long or lies too deep", shown)
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise broken(f"`{shown}` is a link or a special file", shown)
    if entry.flag_bits & ENCRYPTED:
        raise broken(f"`{shown}` is encrypted; zip it without a password", shown)
    return path


def check_entries(entries: Sequence[zipfile.ZipInfo], limits: Limits) -> list[Wanted]:
    """The files to unpack, checked by what the archive says of itself.

    Raises:
        PlatformError: DATASET_BROKEN, DATASET_TOO_LARGE.
    """
    wanted: list[Wanted] = []
    seen: set[str] = set()
    folders: set[str] = set()
    for entry in entries:
        path = safe_name(entry)
        if entry.is_dir() or is_junk(path):
            continue
        # Two spellings of one name (composed, decomposed) are one file to some systems.
        same = unicodedata.normalize("NFC", str(path))
        if same in seen:
            raise broken(f"`{path}` is there twice", str(path))
        seen.add(same)
        folders.update(str(parent) for parent in PurePosixPath(same).parents)
        if entry.file_size > SMALL and entry.file_size > RATIO * max(entry.compress_size, 1):
            raise broken(f"`{path}` would grow more than {RATIO}-fold", str(path))
        wanted.append((entry, path))
    both = seen & folders
    if both:
        raise broken(f"`{min(both)}` is a file and a folder", min(both))
    _check_sizes(wanted, limits)
    return wanted


def _check_sizes(wanted: Sequence[Wanted], limits: Limits) -> None:
    if len(wanted) > limits.files:
        raise broken(f"{len(wanted)} files are more than the {limits.files} allowed")
    size = sum(entry.file_size for entry, _ in wanted)
    if size > limits.bytes:
        raise _too_large(size, limits)
    if size > SMALL and size > RATIO * max(sum(entry.compress_size for entry, _ in wanted), 1):
        raise broken(f"its files would grow more than {RATIO}-fold")


def common_folder(paths: Sequence[PurePosixPath]) -> int:
    """Number of wrapper folders that all paths share and that say nothing; a layout's own folder names are kept."""
    depth = 0
    while paths and all(len(path.parts) > depth + 1 for path in paths):
        names = {path.parts[depth] for path in paths}
        if len(names) > 1 or names & TELLING:
            break
        if all(len(path.parts) == depth + 2 for path in paths) and not _has_yaml(paths):
            break  # a single class folder
        depth += 1
    return depth


def _has_yaml(paths: Sequence[PurePosixPath]) -> bool:
    return any(path.suffix.lower() in (".yaml", ".yml") for path in paths)


def check_directory(archive: Path, limits: Limits) -> None:
    """Looks at the size of the archive's directory before it is read into memory.

    Raises:
        PlatformError: DATASET_BROKEN where it is no zip, was cut off, or lists far more than is allowed.
    """
    with archive.open("rb") as file:
        start = file.read(4)
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - (1 << 16) - 22))
        tail = file.read()
    place = tail.rfind(b"PK\x05\x06")
    if place < 0 or len(tail) < place + 22:
        raise broken("the zip file ends too early" if start == b"PK\x03\x04" else "it is not a zip file")
    size = struct.unpack_from("<L", tail, place + 12)[0]
    if size == 0xFFFFFFFF:
        wide = tail.rfind(b"PK\x06\x06", 0, place)
        size = struct.unpack_from("<Q", tail, wide + 40)[0] if wide >= 0 and len(tail) >= wide + 48 else size
    if size > limits.files * ENTRY_BYTES + (1 << 20):
        raise broken(f"it lists more than the {limits.files} files allowed")


def unpack(archive: Path, folder: Path, limits: Limits, proceed: Proceed = go_on) -> list[UnpackedFile]:
    """Unpacks `archive` into the new `folder`; the files with their SHA-256. When it is refused, nothing is left.

    Raises:
        PlatformError: DATASET_BROKEN (damaged, malicious, encrypted, empty), DATASET_TOO_LARGE, DISK_FULL, STORAGE_ERROR.
    """
    folder.mkdir(parents=True)
    done = False
    try:
        check_directory(archive, limits)
        with zipfile.ZipFile(archive) as source:
            wanted = check_entries(source.infolist(), limits)
            if not wanted:
                raise broken("the archive has no files")
            need = sum(entry.file_size for entry, _ in wanted)
            if need + SPARE > shutil.disk_usage(folder).free:
                raise PlatformError.from_code("DISK_FULL")
            depth = common_folder([path for _, path in wanted])
            found = _extract(source, wanted, depth, folder, limits, proceed)
            done = True
            return found
    except NotImplementedError as error:
        raise broken("it is compressed in a way that is not supported; use deflate", cause=error) from error
    except DAMAGED as error:
        raise broken("the zip file cannot be read to its end", cause=error) from error
    except OSError as error:
        if error.errno in (None, errno.EINVAL):  # what bzip2 says of bad data; a place that no file has
            raise broken("the zip file cannot be read to its end", cause=error) from error
        raise PlatformError.from_code(
            "DISK_FULL" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "STORAGE_ERROR", cause=error
        ) from error
    finally:
        if not done:
            shutil.rmtree(folder, ignore_errors=True)


def _extract(
    source: zipfile.ZipFile, wanted: Sequence[Wanted], depth: int, folder: Path, limits: Limits, proceed: Proceed
) -> list[UnpackedFile]:
    total, found = 0, []
    made: set[tuple[str, ...]] = set()
    for entry, path in wanted:
        proceed()
        target = folder.joinpath(*path.parts[depth:])
        if path.parts[:-1] not in made:
            target.parent.mkdir(parents=True, exist_ok=True)
            made.add(path.parts[:-1])
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
