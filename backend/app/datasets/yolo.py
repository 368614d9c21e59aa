"""Recognises the YOLO detection layout in the forms that tools write: Ultralytics, Roboflow, darknet, lists of files.

Pure: works on paths, and reads the yaml and the lists of files.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import yaml

from app.core.errors import PlatformError
from app.datasets.layout import SPLITS, Item, Layout, ReadText, folders_of, invalid, split_depth, suffix_of
from app.datasets.problems import Problem

YAML_NAMES = ("data", "dataset")
NAME_LISTS = ("classes.txt", "obj.names", "classes.names", "predefined_classes.txt")


def detection(everything: Sequence[str], images: Sequence[str], read_text: ReadText) -> Layout | None:
    """The layout of a YOLO data set; None where these files are none.

    Raises:
        PlatformError: DATASET_INVALID_FORMAT where they are one, but the classes cannot be told.
    """
    config, content = _config(everything, read_text)
    texts = {path.casefold(): path for path in everything if suffix_of(path) == ".txt"}
    labels = {image: label for image in images if (label := _label_of(image, texts)) is not None}
    in_labels = [path for path in texts.values() if "labels" in _folded(path)]
    if config is None and not labels and not in_labels:
        return None
    names = _names(everything, config, content, read_text)
    if not labels and not in_labels and _class_folders(images, names):
        return None  # a classification set that brings a yaml along
    splits, findings = _splits(content, config, images, texts, read_text)
    items = tuple(Item(image, split, labels.get(image)) for image in images if (split := splits.get(image)) is not None)
    findings += [Problem("stray_image", image, "belongs to no split") for image in images if image not in splits]
    claimed = set(labels.values())
    stray = tuple(path for path in in_labels if path not in claimed and PurePosixPath(path).name.lower() not in NAME_LISTS)
    known = any(item.split == "val" for item in items)
    return Layout("detect", "yolo", names, items, known, stray, tuple(findings))


def class_names(text: str) -> tuple[str, ...]:
    """Class names of a data.yaml, in the order of their ids.

    Raises:
        PlatformError: DATASET_INVALID_FORMAT.
    """
    return _names_in(_mapping(text))


def label_path(image: str) -> str:
    """Where the label file of a detection image lies: the last ``images`` folder becomes ``labels``."""
    path = PurePosixPath(image)
    parts = list(path.parent.parts)
    for index in range(len(parts) - 1, -1, -1):
        if parts[index].lower() == "images":
            parts[index] = "labels"
            break
    return str(PurePosixPath(*parts, path.stem + ".txt"))


def _label_of(image: str, texts: Mapping[str, str]) -> str | None:
    """The label file of an image: in ``labels``, else beside it; endings and folders in any case."""
    beside = str(PurePosixPath(image).with_suffix(".txt"))
    return texts.get(label_path(image).casefold()) or texts.get(beside.casefold())


def _folded(path: str) -> tuple[str, ...]:
    return tuple(part.lower() for part in folders_of(path))


def _mapping(text: str) -> dict[str, Any]:
    try:
        content = yaml.safe_load(text.lstrip("\ufeff"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise invalid("data.yaml is not valid YAML", "YOLO") from error
    return {str(key): value for key, value in content.items()} if isinstance(content, dict) else {}


def _config(everything: Sequence[str], read_text: ReadText) -> tuple[str | None, dict[str, Any]]:
    """The yaml that describes the data set, and its content: by its name, else by what it holds."""
    found = sorted((path for path in everything if suffix_of(path) in (".yaml", ".yml")), key=lambda path: path.count("/"))
    for path in found:
        if PurePosixPath(path).stem.lower() in YAML_NAMES:
            return path, _mapping(read_text(path))
    for path in found:
        try:
            content = _mapping(read_text(path))
        except PlatformError:
            continue  # some other tool's file
        if "names" in content:
            return path, content
    return None, {}


def _names_in(content: Mapping[str, Any]) -> tuple[str, ...]:
    names: Any = content.get("names")
    if isinstance(names, dict) and names:
        if sorted(map(str, names)) != sorted(str(index) for index in range(len(names))):
            raise invalid("the class ids under `names` in data.yaml must run from 0 without gaps", "YOLO")
        return tuple(str(names.get(index, names.get(str(index)))) for index in range(len(names)))
    if isinstance(names, list) and names:
        return tuple(str(name) for name in names)
    count = content.get("nc")
    if isinstance(count, int) and not isinstance(count, bool) and 0 < count <= 100_000:
        return tuple(str(index) for index in range(count))
    raise invalid("data.yaml has no `names`", "YOLO")


def _names(
    everything: Sequence[str], config: str | None, content: Mapping[str, Any], read_text: ReadText
) -> tuple[str, ...]:
    if config is not None:
        return _names_in(content)
    for path in everything:
        if PurePosixPath(path).name.lower() in NAME_LISTS:
            names = tuple(line.strip() for line in read_text(path).splitlines() if line.strip())
            if names:
                return names
    raise invalid("label files are there, but no data.yaml that names the classes", "YOLO")


def _class_folders(images: Sequence[str], names: Sequence[str]) -> bool:
    """Whether the images lie in folders that are called like the classes."""
    wanted = {name.casefold() for name in names}
    return all(folders_of(image) and folders_of(image)[-1].casefold() in wanted for image in images)


def _splits(
    content: Mapping[str, Any], config: str | None, images: Sequence[str], texts: Mapping[str, str], read_text: ReadText
) -> tuple[dict[str, str], list[Problem]]:
    """The split of each image that has one: as the yaml says, else by folder names, else all are for training."""
    named = _Named(content, config or "", images, texts, read_text)
    splits = named.splits()
    if any(split == "train" for split in splits.values()):
        return splits, named.findings
    folders = {image: folders_of(image) for image in images}
    depth = split_depth(list(folders.values()))
    if depth is None:
        return dict.fromkeys(images, "train"), named.findings
    by_folder = {image: SPLITS.get(parts[depth].lower()) for image, parts in folders.items() if len(parts) > depth}
    return {image: split for image, split in by_folder.items() if split}, named.findings


class _Named:
    """The splits as a data.yaml names them: folders, lists of folders, or text files that list images.

    Paths in it were written on another machine: absolute, with backslashes, with a leading ``../``. The longest end of
    such a path that is there in the archive is what was meant.
    """

    def __init__(
        self, content: Mapping[str, Any], config: str, images: Sequence[str], texts: Mapping[str, str], read_text: ReadText
    ) -> None:
        self.content, self.texts, self.read_text = content, texts, read_text
        self.base = folders_of(config)
        self.images = {image.casefold(): image for image in images}
        self.names = Counter(PurePosixPath(image).name.casefold() for image in images)
        self.by_name = {PurePosixPath(image).name.casefold(): image for image in images}
        self.folders: dict[str, list[str]] = {}
        for image in images:
            parts = _folded(image)
            for depth in range(len(parts) + 1):
                self.folders.setdefault("/".join(parts[:depth]), []).append(image)
        self.findings: list[Problem] = []

    def splits(self) -> dict[str, str]:
        """The split of each image that the yaml puts into one; training wins where it names two."""
        train, val, test = (
            dict.fromkeys(image for key in keys for image in self._named_by(self.content.get(key)))
            for keys in (("train",), ("val", "valid"), ("test",))
        )
        twice = [image for image in val if image in train]
        if len(twice) < len(train):  # else one folder is named for both, which is no validation split
            self.findings += [Problem("leaked_image", image, "named for training and validation") for image in twice]
        return {**dict.fromkeys(test, "test"), **dict.fromkeys(val, "val"), **dict.fromkeys(train, "train")}

    def _named_by(self, entry: Any) -> Iterator[str]:
        if isinstance(entry, list):
            for one in entry:
                yield from self._named_by(one)
        elif isinstance(entry, str):
            root = self.content.get("path")
            for place in self._places(entry, _clean(root) if isinstance(root, str) else ()):
                folded = "/".join(place).casefold()
                if folded in self.texts:
                    yield from self._listed(self.texts[folded])
                    return
                if place and folded in self.folders:
                    yield from self.folders[folded]
                    return

    def _places(self, entry: str, root: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        parts = _clean(entry)
        for start in (self.base + root, self.base, root):
            yield start + parts
        for skip in range(len(parts)):
            yield parts[skip:]

    def _listed(self, path: str) -> Iterator[str]:
        base = folders_of(path)
        for number, line in enumerate(self.read_text(path).lstrip("\ufeff").splitlines(), 1):
            if not line.strip():
                continue
            parts = _clean(line)
            places = [base + parts, self.base + parts, *(parts[skip:] for skip in range(len(parts)))]
            keys = ("/".join(place).casefold() for place in places)
            image = next((self.images[key] for key in keys if key in self.images), None)
            name = parts[-1].casefold() if parts else ""
            if image is None and self.names[name] == 1:
                image = self.by_name[name]
            if image is not None:
                yield image
            else:
                self.findings.append(Problem("listed_image_missing", path, f"`{line.strip()[:80]}`", number))


def _clean(text: str) -> tuple[str, ...]:
    """A path as its parts, without drive, root, ``.`` and ``..``."""
    parts = text.strip().replace("\\", "/").split("/")
    return tuple(part for part in parts if part not in ("", ".", "..") and not part.endswith(":"))
