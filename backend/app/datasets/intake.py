"""One pass over an uploaded zip: unpack, recognise, check, and put together what is kept."""

import codecs
import hashlib
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.core.errors import PlatformError
from app.datasets.layout import Layout, recognise
from app.datasets.problems import IMAGE_PROBLEMS, Problem, severity
from app.datasets.report import FIRST_ITEMS, error_of, full_list, grouped, judge, spoiled
from app.datasets.unpack import Limits, Proceed, UnpackedFile, go_on, unpack
from app.datasets.validate import thumbnail, validate

LONGEST_TEXT = 16 << 20


@dataclass(frozen=True, slots=True)
class Examined:
    """What is kept of a data set: the row's figures, the manifest, the report (its first items, and a file with every
    problem as a line of JSON), pictures of broken images, the refusal."""

    summary: dict[str, Any]
    counts: dict[str, int]
    manifest: dict[str, Any]
    report: dict[str, Any]
    problems: Path
    thumbnails: list[bytes]
    error: PlatformError | None


def examine(archive: Path, folder: Path, limits: Limits, dataset_id: str, proceed: Proceed = go_on) -> Examined:
    """Unpacks `archive` into the new `folder` and examines it. What `proceed` raises ends it at once.

    Raises:
        PlatformError: it cannot be unpacked, or its layout is not one we know.
    """
    files = unpack(archive, folder, limits, proceed)

    def content(path: str) -> bytes:
        with (folder / path).open("rb") as file:
            return file.read(LONGEST_TEXT)

    def as_trainers_do(path: str) -> str:
        return content(path).decode("utf-8-sig", errors="replace")  # they know no other encoding of labels

    layout = recognise((file.path for file in files), lambda path: decoded(content(path)))
    digests = {file.path: file.sha256 for file in files}
    checked = validate(layout, folder, digests, as_trainers_do, proceed)
    problems = checked.problems
    pictures, addresses = _thumbnails(folder, problems, dataset_id)
    verdict = judge(layout, problems, checked.classes_of)
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
        problems=_written(problems, folder.with_name(folder.name + ".problems")),
        report={"problems": grouped(problems, addresses), "why_not_excludable": verdict.why_not},
        thumbnails=pictures,
        error=error_of(verdict, layout.format, dataset_id),
    )


def decoded(content: bytes) -> str:
    """A text file's content: UTF-8 or, by its byte-order mark, UTF-16; what is neither is kept readable."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", errors="replace")
    return content.decode("utf-8-sig", errors="replace")


def _written(problems: Sequence[Problem], path: Path) -> Path:
    with path.open("wb") as file:
        file.writelines(full_list(problems))
    return path


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
