"""Recognises how a data set is laid out. Pure: works on paths, and reads the few texts that it asks for."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from app.core.errors import PlatformError
from app.datasets.problems import Problem

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".jp2", ".mpo", ".avif"})
UNUSED_SUFFIXES = frozenset({".gif", ".heic", ".heif", ".svg", ".psd", ".dng", ".raw", ".cr2", ".nef", ".pdf", ".ico"})
ARCHIVE_SUFFIXES = frozenset({".zip", ".rar", ".7z", ".tar", ".gz", ".tgz"})
SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
MOSTLY = 0.9
EXPECTED = (
    "for detection a data.yaml with `names`, images/train, images/val and labels/… beside them; "
    "for classification train/<class>/ and val/<class>/"
)
ReadText = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Item:
    """One image: its path, its split (train, val, test), its class (classification) or its label file (detection)."""

    path: str
    split: str
    label: str | None = None
    class_name: str | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """What a data set consists of; `split_known` is False where no validation split was found.

    `findings` are the faults seen while the files were told apart.
    """

    task: str
    format: str
    classes: tuple[str, ...]
    items: tuple[Item, ...]
    split_known: bool = True
    stray_labels: tuple[str, ...] = ()
    findings: tuple[Problem, ...] = field(default=())


def invalid(details: str, kind: str = "YOLO or ImageFolder") -> PlatformError:
    """DATASET_INVALID_FORMAT with what was found."""
    return PlatformError.from_code("DATASET_INVALID_FORMAT", {"details": details, "format": kind})


def suffix_of(path: str) -> str:
    """A path's ending in lower case, with the dot."""
    return PurePosixPath(path).suffix.lower()


def is_image(path: str) -> bool:
    """Whether a path's ending is that of an image that trainers read."""
    return suffix_of(path) in IMAGE_SUFFIXES


def recognise(paths: Iterable[str], read_text: ReadText) -> Layout:
    """The layout of a data set with these files.

    Raises:
        PlatformError: DATASET_INVALID_FORMAT, with what was found and what is expected.
    """
    from app.datasets import yolo

    everything = sorted(paths)
    images = [path for path in everything if is_image(path)]
    if not images:
        raise invalid(_instead_of_images(everything))
    found = yolo.detection(everything, images, read_text)
    if found is None:
        found = _classification(images, everything)
    unused = [Problem("unused_file", path, f"{suffix_of(path)} files are not read") for path in everything if _unused(path)]
    return Layout(
        found.task, found.format, found.classes, found.items, found.split_known, found.stray_labels,
        (*found.findings, *unused),
    )  # fmt: skip


def _unused(path: str) -> bool:
    return suffix_of(path) in UNUSED_SUFFIXES


def _instead_of_images(everything: Sequence[str]) -> str:
    """What is said of files without an image among them."""
    inner = [path for path in everything if suffix_of(path) in ARCHIVE_SUFFIXES]
    if inner:
        return f"there are no images in it, only another archive (`{inner[0]}`); unpack that one and zip its folder"
    unused = [path for path in everything if _unused(path)]
    if unused:
        return f"there are no images in it that can be read, only {suffix_of(unused[0])} files"
    return f"there are no images in it; expected {EXPECTED}"


def split_depth(folders: Sequence[tuple[str, ...]]) -> int | None:
    """At which depth of these folder paths the splits lie (train, val, test); None where they lie at none.

    A class may be called ``train`` and a wrapping folder ``test``: a depth counts only where its names tell at least two
    splits apart, or where nearly everything lies in one.
    """
    best: tuple[int, int] | None = None
    for depth in range(max((len(parts) for parts in folders), default=0)):
        names = [SPLITS.get(parts[depth].lower()) for parts in folders if len(parts) > depth]
        kinds = {name for name in names if name}
        share = sum(name is not None for name in names) / len(folders)
        wanted = share >= 0.5 if len(kinds) > 1 else share >= MOSTLY
        if kinds and wanted and (best is None or len(kinds) > best[0]):
            best = (len(kinds), depth)
    return best[1] if best else None


def folders_of(path: str) -> tuple[str, ...]:
    """The folders that a file lies in, outermost first."""
    return PurePosixPath(path).parts[:-1]


def _without_shared(folders: Sequence[tuple[str, ...]]) -> int:
    """Number of leading folders that all paths share although more follow: they say nothing about classes."""
    depth = 0
    while all(len(parts) > depth + 1 for parts in folders) and len({parts[depth] for parts in folders}) == 1:
        depth += 1
    return depth


def _classification(images: Sequence[str], everything: Sequence[str]) -> Layout:
    depth = split_depth([folders_of(image) for image in images])
    if depth is not None and all(len(folders_of(image)) == depth + 1 for image in images) and depth == 0:
        depth = None  # images lie right in it: a class that is called like a split
    placed: list[tuple[str, str, tuple[str, ...]]] = []
    findings: list[Problem] = []
    for image in images:
        parts = folders_of(image)
        split = SPLITS.get(parts[depth].lower()) if depth is not None and len(parts) > depth else None
        rest = parts if depth is None else parts[:depth] + parts[depth + 1 :]
        if not rest or (depth is not None and split is None):
            findings.append(Problem("stray_image", image, "lies in no class folder"))
        else:
            placed.append((image, split or "train", rest))
    if not placed:
        raise invalid(f"`{images[0]}` lies in no class folder; {_foreign(everything)}expected {EXPECTED}")
    shared = _without_shared([rest for _, _, rest in placed])
    items = tuple(Item(path=image, split=split, class_name=rest[shared]) for image, split, rest in placed)
    classes = tuple(sorted({item.class_name or "" for item in items}))
    if len(classes) < 2:
        hint = _foreign(everything) or "classification needs two or more"
        raise invalid(f"only one class folder (`{classes[0]}`); {hint}", "ImageFolder")
    known = any(item.split == "val" for item in items)
    return Layout("classify", "imagefolder", classes, items, split_known=known, findings=tuple(findings))


def _foreign(everything: Sequence[str]) -> str:
    """What is said of annotations in a format of others."""
    endings = [suffix_of(path) for path in everything]
    if ".xml" in endings:
        return "the .xml files look like Pascal VOC, convert them to YOLO labels; "
    if ".json" in endings:
        return "the .json files look like COCO, convert them to YOLO labels; "
    return ""
