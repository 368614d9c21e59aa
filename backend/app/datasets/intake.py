"""One pass over an uploaded zip: unpack, recognise, check, and put together what is kept."""

import hashlib
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.core.errors import PlatformError
from app.datasets.layout import Layout, recognise
from app.datasets.report import FIRST_ITEMS, error_of, grouped, judge, spoiled
from app.datasets.unpack import Limits, UnpackedFile, unpack
from app.datasets.validate import IMAGE_PROBLEMS, Problem, severity, thumbnail, validate


@dataclass(frozen=True, slots=True)
class Examined:
    """What is kept of a data set: the row's figures, the manifest, the report, pictures of broken images, the refusal."""

    summary: dict[str, Any]
    counts: dict[str, int]
    manifest: dict[str, Any]
    report: dict[str, Any]
    thumbnails: list[bytes]
    error: PlatformError | None


def examine(archive: Path, folder: Path, limits: Limits, dataset_id: str) -> Examined:
    """Unpacks `archive` into `folder` and examines it.

    Raises:
        PlatformError: it cannot be unpacked, or its layout is not one we know.
    """
    if folder.exists():
        # Left by a check that was cut off.
        import shutil

        shutil.rmtree(folder)
    files = unpack(archive, folder, limits)

    def read_text(path: str) -> str:
        return (folder / path).read_bytes()[: 16 << 20].decode("utf-8", errors="replace")

    layout = recognise((file.path for file in files), read_text)
    digests = {file.path: file.sha256 for file in files}
    problems = validate(layout, folder, digests, read_text)
    verdict = judge(layout, problems)
    pictures, addresses = _thumbnails(folder, problems, dataset_id)
    counts = Counter(problem.problem for problem in problems)
    manifest = _manifest(layout, files, spoiled(problems))
    summary = {
        "task": layout.task,
        "format": layout.format,
        "classes": list(layout.classes),
        "files": len(files),
        "bytes": sum(file.size for file in files),
        "digest": hashlib.sha256("".join(sorted(f"{f.path}\0{f.sha256}\n" for f in files)).encode()).hexdigest(),
        "problems": dict(counts),
        "errors": sum(count for kind, count in counts.items() if severity(kind) == "error"),
        "warnings": sum(count for kind, count in counts.items() if severity(kind) == "warning"),
        "excludable": len(verdict.excludable) if verdict.excludable else None,
    }
    splits = Counter(item.split for item in layout.items)
    return Examined(
        summary=summary,
        counts={split: splits[split] for split in ("train", "val", "test")},
        manifest=manifest,
        report={"problems": grouped(problems, addresses), "why_not_excludable": verdict.why_not},
        thumbnails=pictures,
        error=error_of(verdict, layout.format, dataset_id),
    )


def _manifest(layout: Layout, files: Sequence[UnpackedFile], bad: Sequence[str]) -> dict[str, Any]:
    return {
        "task": layout.task,
        "classes": list(layout.classes),
        "split_known": layout.split_known,
        "items": [
            {"path": item.path, "split": item.split, "label": item.label, "class_name": item.class_name}
            for item in layout.items
        ],
        "files": {file.path: [file.sha256, file.size] for file in files},
        "spoiled": list(bad),
    }


def _thumbnails(folder: Path, problems: Sequence[Problem], dataset_id: str) -> tuple[list[bytes], dict[str, str]]:
    """Pictures of the first broken images, and the address of each by the image's path."""
    wanted = [problem.file for problem in problems if problem.problem in IMAGE_PROBLEMS][:FIRST_ITEMS]
    pictures: list[bytes] = []
    addresses: dict[str, str] = {}
    for path in wanted:
        picture = thumbnail(folder / path)
        if picture is not None:
            buffer = io.BytesIO()
            picture.save(buffer, "PNG")
            addresses[path] = f"/api/v1/datasets/{dataset_id}/thumbnails/{len(pictures)}"
            pictures.append(buffer.getvalue())
    return pictures, addresses
