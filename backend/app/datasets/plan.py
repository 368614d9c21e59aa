"""The files that a trainer gets of a data set, in the layout it expects. Pure, apart from streaming."""

import hashlib
import io
import random
import tarfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import yaml

Fetch = Callable[[str], Awaitable[AsyncIterator[bytes]]]
BLOCK = tarfile.BLOCKSIZE


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One file: where it goes, and the SHA-256 and size in bytes of its content (or the content itself)."""

    target: str
    sha256: str
    size: int
    content: bytes | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """All files of a data set for one configuration; `digest` names exactly these."""

    files: tuple[PlannedFile, ...]
    digest: str
    counts: dict[str, int]


def _held_back(manifest: Mapping[str, Any], items: Sequence[Mapping[str, Any]], share: float, seed: int) -> set[str]:
    """Paths of training images that serve for validation: the same share of every class, at least one.

    Copies of an image stay together, else validation would test what was trained on.
    """
    groups: dict[str, dict[str, list[str]]] = {}
    for item in items:
        if item["split"] == "train":
            same = groups.setdefault(item.get("class_name") or "", {})
            same.setdefault(manifest["files"][item["path"]][0], []).append(item["path"])
    chosen: set[str] = set()
    for name in sorted(groups):
        pictures = sorted(map(sorted, groups[name].values()))
        if len(pictures) > 1:
            count = min(max(1, round(share * len(pictures))), len(pictures) - 1)
            drawn = random.Random(f"{seed}/{name}").sample(pictures, count)  # noqa: S311 - a split, no secret
            chosen.update(path for paths in drawn for path in paths)
    return chosen


class _Names:
    """Gives every file a name of its own in its folder: without its ending, for a label goes by that; in any case of
    letters, for some file systems know none."""

    def __init__(self) -> None:
        self.taken: set[str] = set()
        self.last: dict[str, int] = {}

    def unique(self, folder: str, name: str) -> str:
        """`folder`/`name`, with a number where that is taken."""
        path = PurePosixPath(name)
        stem = path.stem
        key = f"{folder}/{stem}".casefold()
        number = self.last.get(key, 0)
        while f"{folder}/{stem}".casefold() in self.taken:
            number += 1
            stem = f"{path.stem}-{number}"
        self.last[key] = number
        self.taken.add(f"{folder}/{stem}".casefold())
        return f"{folder}/{stem}{path.suffix}"


def make_plan(
    manifest: Mapping[str, Any], *, exclude: Sequence[str] = (), val_fraction: float | None = None, seed: int = 0
) -> Plan:
    """The plan for a manifest (task, classes, items, files by path with sha256 and size).

    `exclude` names images to leave out; `val_fraction` holds back training images where there is no validation split.
    """
    gone = set(exclude)
    items = [item for item in manifest["items"] if item["path"] not in gone]
    held = _held_back(manifest, items, val_fraction, seed) if val_fraction and not manifest["split_known"] else set()
    files, names, counts = [], _Names(), {"train": 0, "val": 0, "test": 0}
    for item in items:
        split = "val" if item["path"] in held else item["split"]
        counts[split] += 1
        files += _targets(manifest, item, split, names)
    if manifest["task"] == "detect":
        text = yaml.safe_dump(
            {
                "path": ".",
                "train": "images/train",
                "val": "images/val",
                "names": dict(enumerate(manifest["classes"])),
            },
            sort_keys=False,
            allow_unicode=True,
        ).encode()
        files.append(PlannedFile("data.yaml", hashlib.sha256(text).hexdigest(), len(text), text))
    files.sort(key=lambda file: file.target)
    body = "\n".join(f"{file.sha256} {file.target}" for file in files)
    return Plan(tuple(files), hashlib.sha256(body.encode()).hexdigest(), counts)


def _targets(manifest: Mapping[str, Any], item: Mapping[str, Any], split: str, names: _Names) -> list[PlannedFile]:
    def planned(source: str, target: str) -> PlannedFile:
        sha256, size = manifest["files"][source]
        return PlannedFile(target, sha256, size)

    name = PurePosixPath(item["path"]).name
    if manifest["task"] == "classify":
        return [planned(item["path"], names.unique(f"{split}/{item['class_name']}", name))]
    target = names.unique(f"images/{split}", name)
    found = [planned(item["path"], target)]
    if item.get("label"):
        found.append(planned(item["label"], f"labels/{split}/{PurePosixPath(target).stem}.txt"))
    return found


async def tar_stream(plan: Plan, fetch: Fetch) -> AsyncIterator[bytes]:
    """The plan's files as an uncompressed tar, piece by piece; `fetch` opens the content of a SHA-256."""
    buffer = io.BytesIO()
    for file in plan.files:
        header = tarfile.TarInfo(file.target)
        header.size, header.mode = file.size, 0o644
        buffer.write(header.tobuf(tarfile.PAX_FORMAT))
        if file.content is not None:
            buffer.write(file.content)
        else:
            async for chunk in await fetch(file.sha256):
                buffer.write(chunk)
                if buffer.tell() >= 1 << 20:
                    yield buffer.getvalue()
                    buffer.seek(0)
                    buffer.truncate()
        buffer.write(b"\0" * (-file.size % BLOCK))
        if buffer.tell() >= 1 << 18:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue() + b"\0" * (2 * BLOCK)
