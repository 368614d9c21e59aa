"""Recognises how a data set is laid out. Pure: works on paths, and reads the yaml's text that it is given."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import yaml

from app.core.errors import PlatformError

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}
SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
YAML_NAMES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
EXPECTED = (
    "for detection a data.yaml with `names`, images/train, images/val and labels/… beside them; "
    "for classification train/<class>/ and val/<class>/"
)


@dataclass(frozen=True, slots=True)
class Item:
    """One image: its path, its split (train, val, test), its class (classification) or its label file (detection)."""

    path: str
    split: str
    label: str | None = None
    class_name: str | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """What a data set consists of; `split_known` is False where no split was found and everything counts as train."""

    task: str
    format: str
    classes: tuple[str, ...]
    items: tuple[Item, ...]
    split_known: bool = True
    stray_labels: tuple[str, ...] = field(default=())


def invalid(details: str, kind: str = "YOLO or ImageFolder") -> PlatformError:
    """DATASET_INVALID_FORMAT with what was found."""
    return PlatformError.from_code("DATASET_INVALID_FORMAT", {"details": details, "format": kind})


def is_image(path: str) -> bool:
    """Whether a path's ending is that of an image."""
    return PurePosixPath(path).suffix.lower() in IMAGE_SUFFIXES


def recognise(paths: Iterable[str], read_text: Callable[[str], str]) -> Layout:
    """The layout of a data set with these files.

    Raises:
        PlatformError: DATASET_INVALID_FORMAT, with what was found and what is expected.
    """
    everything = sorted(paths)
    images = [path for path in everything if is_image(path)]
    if not images:
        raise invalid(f"there are no images in it; expected {EXPECTED}")
    config = next((path for path in everything if PurePosixPath(path).name.lower() in YAML_NAMES), None)
    config = config or next((path for path in everything if path.endswith((".yaml", ".yml"))), None)
    labels = [path for path in everything if path.endswith(".txt") and "labels" in PurePosixPath(path).parts]
    if config is not None or labels:
        return _detection(images, labels, config, read_text)
    return _classification(images)


def class_names(text: str) -> tuple[str, ...]:
    """Class names of a data.yaml, in the order of their ids.

    Raises:
        PlatformError: DATASET_INVALID_FORMAT.
    """
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise invalid("data.yaml is not valid YAML", "YOLO") from error
    names: Any = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, dict) and names:
        if sorted(map(str, names)) != sorted(str(index) for index in range(len(names))):
            raise invalid("the class ids under `names` in data.yaml must run from 0 without gaps", "YOLO")
        return tuple(str(names.get(index, names.get(str(index)))) for index in range(len(names)))
    if isinstance(names, list) and names:
        return tuple(str(name) for name in names)
    count = content.get("nc") if isinstance(content, dict) else None
    if isinstance(count, int) and count > 0:
        return tuple(str(index) for index in range(count))
    raise invalid("data.yaml has no `names`", "YOLO")


def _split_of(path: PurePosixPath) -> str | None:
    return next((SPLITS[part.lower()] for part in path.parts[:-1] if part.lower() in SPLITS), None)


def label_path(image: str) -> str:
    """Where the label file of a detection image lies: the last ``images`` folder becomes ``labels``."""
    path = PurePosixPath(image)
    parts = list(path.parent.parts)
    for index in range(len(parts) - 1, -1, -1):
        if parts[index].lower() == "images":
            parts[index] = "labels"
            break
    return str(PurePosixPath(*parts, path.stem + ".txt"))


def _detection(images: list[str], labels: list[str], config: str | None, read_text: Callable[[str], str]) -> Layout:
    if config is None:
        raise invalid("label files are there, but no data.yaml that names the classes", "YOLO")
    names = class_names(read_text(config))
    known = {label_path(image) for image in images}
    there = set(labels)
    splits = {_split_of(PurePosixPath(image)) for image in images}
    items = tuple(
        Item(
            path=image,
            split=_split_of(PurePosixPath(image)) or "train",
            label=label if (label := label_path(image)) in there else None,
        )
        for image in images
    )
    stray = tuple(label for label in labels if label not in known and not label.endswith("classes.txt"))
    return Layout("detect", "yolo", names, items, split_known=bool(splits & {"val"}), stray_labels=stray)


def _classification(images: list[str]) -> Layout:
    split_found = any(_split_of(PurePosixPath(image)) for image in images)
    items = []
    for image in images:
        path = PurePosixPath(image)
        split = _split_of(path)
        folders = [part for part in path.parts[:-1] if part.lower() not in SPLITS]
        if not folders or (split_found and split is None):
            raise invalid(f"`{image}` lies in no class folder; expected {EXPECTED}")
        items.append(Item(path=image, split=split or "train", class_name=folders[0]))
    classes = tuple(sorted({item.class_name or "" for item in items}))
    if len(classes) < 2:
        raise invalid(f"only one class folder (`{classes[0]}`); classification needs two or more", "ImageFolder")
    known = any(item.split == "val" for item in items)
    return Layout("classify", "imagefolder", classes, tuple(items), split_known=known)
