"""Finds every problem of a data set, not the first: labels, images, classes, splits."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageFile, UnidentifiedImageError

from app.datasets.layout import Item, Layout

MAX_PIXELS = 200_000_000
SMALLEST_EDGE = 2
THREADS = 4


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault: its kind, the file, the line in it (from 1) where it has lines, what was found, the image it spoils."""

    problem: str
    file: str
    detail: str
    line: int | None = None
    image: str | None = None


TITLES: dict[str, tuple[str, str]] = {
    "image_unreadable": ("error", "Images that cannot be read"),
    "image_truncated": ("error", "Images that end too early"),
    "image_too_small": ("error", "Images that are too small"),
    "malformed_row": ("error", "Label rows that are not five numbers"),
    "class_out_of_range": ("error", "Class ids that no class has"),
    "coordinates_not_normalised": ("error", "Coordinates outside 0 to 1"),
    "zero_size_box": ("error", "Boxes without area"),
    "no_images": ("error", "No training images"),
    "no_validation_split": ("error", "No validation images"),
    "missing_label": ("warning", "Images without a label file (they count as background)"),
    "empty_label": ("warning", "Label files without a box (they count as background)"),
    "duplicate_row": ("warning", "Boxes that stand twice in a label file"),
    "label_without_image": ("warning", "Label files without an image"),
    "empty_class": ("warning", "Classes without training images"),
    "duplicate_image": ("warning", "Images that are there more than once"),
    "leaked_image": ("warning", "Training images that also serve for validation"),
}
IMAGE_PROBLEMS = frozenset({"image_unreadable", "image_truncated", "image_too_small"})
LABEL_PROBLEMS = frozenset({"malformed_row", "class_out_of_range", "coordinates_not_normalised", "zero_size_box"})


def severity(problem: str) -> str:
    """error or warning."""
    return TITLES[problem][0]


def check_row(row: str, classes: int) -> tuple[str, str] | None:
    """What is wrong with a label row (``class x y width height``, or a polygon); None where nothing is."""
    parts = row.split()
    if len(parts) != 5 and (len(parts) < 7 or len(parts) % 2 == 0):
        return "malformed_row", f"{len(parts)} values instead of 5: `{row[:60]}`"
    try:
        values = [float(part) for part in parts]
    except ValueError:
        return "malformed_row", f"not a number in `{row[:60]}`"
    if not all(map(math.isfinite, values)):
        return "malformed_row", f"not a finite number in `{row[:60]}`"
    if values[0] != int(values[0]) or not 0 <= values[0] < classes:
        return "class_out_of_range", f"class {parts[0]}, but classes run from 0 to {classes - 1}"
    if not all(0 <= value <= 1 for value in values[1:]):
        return "coordinates_not_normalised", f"`{' '.join(parts[1:])[:60]}` is not within 0 to 1"
    if len(values) == 5 and (values[3] == 0 or values[4] == 0):
        return "zero_size_box", f"width {parts[3]}, height {parts[4]}"
    return None


def check_labels(text: str, file: str, image: str, classes: int) -> list[Problem]:
    """All problems of one label file."""
    found: list[Problem] = []
    seen: set[str] = set()
    for number, raw in enumerate(text.splitlines(), 1):
        row = raw.strip()
        if not row:
            continue
        wrong = check_row(row, classes)
        if wrong is not None:
            found.append(Problem(wrong[0], file, wrong[1], number, image))
        elif row in seen:
            found.append(Problem("duplicate_row", file, f"`{row[:60]}`", number, image))
        seen.add(row)
    if not seen:
        found.append(Problem("empty_label", file, "no box", None, image))
    return found


def check_image(path: Path, file: str) -> Problem | None:
    """What is wrong with an image file; it is decoded to its end."""
    try:
        with Image.open(path) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                return Problem("image_unreadable", file, f"{width} × {height} pixels are too many", None, file)
            image.load()
    except (UnidentifiedImageError, Image.DecompressionBombError):
        return Problem("image_unreadable", file, "not an image", None, file)
    except (OSError, SyntaxError, ValueError, EOFError, IndexError) as error:
        kind = "image_truncated" if "truncated" in str(error).lower() or isinstance(error, EOFError) else "image_unreadable"
        return Problem(kind, file, "ends too early" if kind == "image_truncated" else "cannot be decoded", None, file)
    if min(width, height) < SMALLEST_EDGE:
        return Problem("image_too_small", file, f"{width} × {height} pixels", None, file)
    return None


def _images(folder: Path, items: Iterable[Item]) -> list[Problem]:
    # Pillow lets go of the interpreter's lock while it decodes.
    with ThreadPoolExecutor(THREADS) as pool:
        checked = pool.map(lambda item: check_image(folder / item.path, item.path), items)
        return [problem for problem in checked if problem is not None]


def _labels(layout: Layout, read_text: Callable[[str], str]) -> list[Problem]:
    found: list[Problem] = []
    for item in layout.items:
        if layout.task != "detect":
            break
        if item.label is None:
            found.append(Problem("missing_label", item.path, "no label file", None, item.path))
        else:
            found += check_labels(read_text(item.label), item.label, item.path, len(layout.classes))
    found += [Problem("label_without_image", label, "no image of this name") for label in layout.stray_labels]
    return found


def _copies(items: Iterable[Item], digests: Mapping[str, str]) -> list[Problem]:
    by_digest: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        by_digest[digests[item.path]].append(item)
    found = []
    for same in by_digest.values():
        splits = {item.split for item in same}
        for item in same[1:]:
            kind = "leaked_image" if {"train", "val"} <= splits else "duplicate_image"
            found.append(Problem(kind, item.path, f"the same as {same[0].path}", None, item.path))
    return found


def _whole(layout: Layout) -> list[Problem]:
    counts = Counter(item.split for item in layout.items)
    found = []
    if not counts["train"]:
        found.append(Problem("no_images", "train", "no training images"))
    if not counts["val"]:
        found.append(Problem("no_validation_split", "val", "no validation images; a share of the training images can serve"))
    if layout.task == "classify":
        filled = {item.class_name for item in layout.items if item.split == "train"}
        found += [Problem("empty_class", name, "no training image") for name in layout.classes if name not in filled]
    return found


def validate(layout: Layout, folder: Path, digests: Mapping[str, str], read_text: Callable[[str], str]) -> list[Problem]:
    """Every problem of a data set that lies unpacked in `folder`; `digests` has the SHA-256 of each file."""
    return [
        *_whole(layout),
        *_images(folder, layout.items),
        *_labels(layout, read_text),
        *_copies(layout.items, digests),
    ]


def thumbnail(path: Path, edge: int = 160) -> Image.Image | None:
    """What can be seen of a broken image, at most `edge` pixels wide or high; None where nothing can."""
    loads = ImageFile.LOAD_TRUNCATED_IMAGES
    try:
        ImageFile.LOAD_TRUNCATED_IMAGES = True
        with Image.open(path) as image:
            if image.width * image.height > MAX_PIXELS:
                return None
            image.load()
            small = image.convert("RGB")
            small.thumbnail((edge, edge))
            return small
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, Image.DecompressionBombError):
        return None
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = loads
