"""Finds every problem of a data set, not the first: labels, images, classes, splits."""

import math
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from PIL import Image, ImageFile

from app.datasets.layout import Item, Layout
from app.datasets.problems import Problem
from app.datasets.unpack import Proceed, go_on

MAX_PIXELS = 200_000_000
BIG_PIXELS = 25_000_000
SMALLEST_EDGE = 10
"""Trainers skip images with an edge below this without a word."""
FORMATS = frozenset({"JPEG", "PNG", "BMP", "WEBP", "TIFF", "MPO", "JPEG2000", "AVIF"})
TOLERANCE = 0.01
"""Coordinates may lie this far outside 0 to 1: rounding, which trainers accept."""
THREADS = 4
BATCH = 256
# Our own limit, judged from the header before anything is decoded, stands in for Pillow's warning.
Image.MAX_IMAGE_PIXELS = None
_one_big = threading.Lock()
# Drawing a broken image makes Pillow tolerant for the whole process; checking and drawing take turns.
_decoding = threading.Lock()


@dataclass(frozen=True, slots=True)
class Checked:
    """All problems of a data set, and the classes that each usable image shows, by its path."""

    problems: list[Problem]
    classes_of: dict[str, frozenset[str]]


def check_row(row: str, classes: int) -> tuple[str, str] | None:
    """What is wrong with a label row (``class x y width height``, or a polygon); None where nothing is."""
    parts = row.split()
    if len(parts) != 5 and (len(parts) < 7 or len(parts) % 2 == 0):
        return "malformed_row", f"{len(parts)} values instead of 5: `{row[:60]}`"
    try:
        values = [float(part) for part in parts]
    except ValueError:
        values = [math.nan]
    if not all(map(math.isfinite, values)):
        return "malformed_row", f"not a number in `{row[:60]}`"
    if values[0] != int(values[0]) or not 0 <= values[0] < classes:
        return "class_out_of_range", f"class {parts[0]}, but classes run from 0 to {classes - 1}"
    if not all(-TOLERANCE <= value <= 1 + TOLERANCE for value in values[1:]):
        return "coordinates_not_normalised", f"`{' '.join(parts[1:])[:60]}` is not within 0 to 1"
    if len(values) == 5 and (values[3] <= 0 or values[4] <= 0):
        return "zero_size_box", f"width {parts[3]}, height {parts[4]}"
    return None


def check_labels(text: str, file: str, image: str, classes: int) -> tuple[list[Problem], set[int]]:
    """All problems of one label file, and the class ids that its sound rows have."""
    found: list[Problem] = []
    seen: set[str] = set()
    ids: set[int] = set()
    boxes: bool | None = None
    for number, raw in enumerate(text.splitlines(), 1):
        row = " ".join(raw.split())
        if not row:
            continue
        wrong = check_row(row, classes)
        box = row.count(" ") == 4
        if wrong is None and boxes is not None and box != boxes:
            wrong = "malformed_row", f"boxes and polygons in one file: `{row[:60]}`"
        if wrong is not None:
            found.append(Problem(wrong[0], file, wrong[1], number, image))
        else:
            ids.add(int(float(row.split(" ", 1)[0])))
            boxes = box if boxes is None else boxes
            if row in seen:
                found.append(Problem("duplicate_row", file, f"`{row[:60]}`", number, image))
        seen.add(row)
    if not seen:
        found.append(Problem("empty_label", file, "no box", None, image))
    return found, ids


def check_image(path: Path, file: str) -> Problem | None:
    """What is wrong with an image file; it is decoded to its end."""
    try:
        with Image.open(path) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                return Problem("image_unreadable", file, f"{width} × {height} pixels are too many", None, file)
            if image.format not in FORMATS:
                return Problem("image_unreadable", file, f"is a {image.format} file, which trainers do not read", None, file)
            if width * height > BIG_PIXELS:
                with _one_big:  # memory for one such picture, not for one a thread
                    image.load()
            else:
                image.load()
    except Exception as error:  # noqa: BLE001 - what decoders raise on damaged input has no bounds
        return _undecodable(error, file)
    if min(width, height) < SMALLEST_EDGE:
        return Problem(
            "image_too_small", file, f"{width} × {height} pixels, at least {SMALLEST_EDGE} are needed", None, file
        )
    return None


def _undecodable(error: Exception, file: str) -> Problem:
    text = str(error).lower()
    if "truncated" in text or isinstance(error, EOFError):
        return Problem("image_truncated", file, "ends too early", None, file)
    known = not isinstance(error, Image.UnidentifiedImageError)
    return Problem("image_unreadable", file, "cannot be decoded" if known else "not an image", None, file)


def _images(folder: Path, items: Iterable[Item], proceed: Proceed) -> Iterator[Problem]:
    # Pillow lets go of the interpreter's lock while it decodes. In batches, so that results do not pile up.
    rest = iter(items)
    with ThreadPoolExecutor(THREADS) as pool:
        while batch := list(islice(rest, BATCH)):
            proceed()
            with _decoding:
                checked = list(pool.map(lambda item: check_image(folder / item.path, item.path), batch))
            yield from (problem for problem in checked if problem is not None)


def _labels(layout: Layout, read_text: Callable[[str], str]) -> Checked:
    found: list[Problem] = []
    classes_of: dict[str, frozenset[str]] = {}
    names = layout.classes
    for item in layout.items:
        if item.label is None:
            found.append(Problem("missing_label", item.path, "no label file", None, item.path))
            continue
        problems, ids = check_labels(read_text(item.label), item.label, item.path, len(names))
        found += problems
        classes_of[item.path] = frozenset(names[index] for index in ids)
    if layout.items and not any(item.label for item in layout.items if item.split == "train"):
        found.append(Problem("no_labels", "labels", "no training image has a label file"))
    found += [Problem("label_without_image", label, "no image of this name") for label in layout.stray_labels]
    return Checked(found, classes_of)


def _copies(items: Iterable[Item], digests: Mapping[str, str]) -> Iterator[Problem]:
    by_digest: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        by_digest[digests[item.path]].append(item)
    for same in by_digest.values():
        splits = {item.split for item in same}
        for item in same[1:]:
            kind = "leaked_image" if {"train", "val"} <= splits else "duplicate_image"
            yield Problem(kind, item.path, f"the same as {same[0].path}", None, item.path)


def _whole(layout: Layout, classes_of: Mapping[str, frozenset[str]]) -> Iterator[Problem]:
    counts = Counter(item.split for item in layout.items)
    if not counts["train"]:
        yield Problem("no_images", "train", "no training images")
    if not counts["val"]:
        detail = "no validation images; a share of the training images can serve"
        yield Problem("no_validation_split", "val", detail)
    seen: dict[str, set[str]] = defaultdict(set)
    for item in layout.items:
        seen[item.split] |= classes_of.get(item.path, frozenset())
    for name in layout.classes:
        if counts["train"] and name not in seen["train"]:
            yield Problem("empty_class", name, "no training image shows it")
        elif counts["val"] and name not in seen["val"]:
            yield Problem("class_not_validated", name, "no validation image shows it")


def validate(
    layout: Layout,
    folder: Path,
    digests: Mapping[str, str],
    read_text: Callable[[str], str],
    proceed: Proceed = go_on,
) -> Checked:
    """Every problem of a data set that lies unpacked in `folder`; `digests` has the SHA-256 of each file."""
    if layout.task == "detect":
        labels = _labels(layout, read_text)
    else:
        labels = Checked([], {item.path: frozenset({item.class_name or ""}) for item in layout.items})
    problems = [
        *_whole(layout, labels.classes_of),
        *_images(folder, layout.items, proceed),
        *labels.problems,
        *layout.findings,
        *_copies(layout.items, digests),
    ]
    return Checked(problems, labels.classes_of)


def thumbnail(path: Path, edge: int = 160) -> Image.Image | None:
    """What can be seen of a broken image, at most `edge` pixels wide or high; None where nothing can."""
    with _decoding:
        return _drawn(path, edge)


def _drawn(path: Path, edge: int) -> Image.Image | None:
    loads = ImageFile.LOAD_TRUNCATED_IMAGES
    try:
        ImageFile.LOAD_TRUNCATED_IMAGES = True
        with Image.open(path) as image:
            if image.width * image.height > MAX_PIXELS:
                return None
            image.draft("RGB", (edge, edge))
            image.load()
            small = image.convert("RGB")
            small.thumbnail((edge, edge))
            return small
    except Exception:  # noqa: BLE001 - a broken image has been reported; here only its picture is lost
        return None
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = loads
