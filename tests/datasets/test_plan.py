"""The files that a trainer gets: every image once, names of their own, a seeded split, one tar."""

import hashlib
import io
import tarfile
from collections.abc import AsyncIterator
from pathlib import PurePosixPath
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from app.datasets.plan import make_plan, tar_stream

NAMES = st.sampled_from(["1.jpg", "1.png", "1-1.jpg", "IMG.JPG", "img.jpg", "ё ж.jpg", "a.b.jpg"])
FOLDERS = st.sampled_from(["a", "b/c", "B", "x/images"])


@st.composite
def manifests(draw: st.DrawFn, task: str | None = None) -> dict[str, Any]:
    """A manifest as intake makes it."""
    task = task or draw(st.sampled_from(["detect", "classify"]))
    paths = draw(st.lists(st.tuples(FOLDERS, NAMES), min_size=1, max_size=25, unique=True))
    known = draw(st.booleans())
    items, files = [], {}
    for folder, name in paths:
        path = f"{folder}/{name}"
        # A few contents only: copies are there, too.
        files[path] = [hashlib.sha256(draw(st.sampled_from("abcdefgh")).encode()).hexdigest(), 1]
        item = {"path": path, "split": draw(st.sampled_from(["train", "val", "test"])) if known else "train"}
        item |= {"label": None, "class_name": None}
        if task == "classify":
            item["class_name"] = draw(st.sampled_from(["cat", "Cat", "犬"]))
        elif draw(st.booleans()):
            item["label"] = f"labels/{path}.txt"
            files[item["label"]] = [hashlib.sha256(path.encode()).hexdigest(), 1]
        items.append(item)
    return {"task": task, "classes": ["cat", "犬"], "split_known": known, "items": items, "files": files}


@given(manifests(), st.one_of(st.none(), st.floats(0.01, 0.89)), st.integers(0, 5))
def test_every_image_is_planned_exactly_once_under_a_name_of_its_own(
    manifest: dict[str, Any], share: float | None, seed: int
) -> None:
    plan = make_plan(manifest, val_fraction=share, seed=seed)
    assert sum(plan.counts.values()) == len(manifest["items"])
    targets = [file.target for file in plan.files]
    assert len({target.casefold() for target in targets}) == len(targets)
    images = sorted(file.sha256 for file in plan.files if not file.target.endswith((".txt", ".yaml")))
    assert images == sorted(manifest["files"][item["path"]][0] for item in manifest["items"])


@given(manifests("detect"), st.integers(0, 5))
def test_every_label_lies_beside_its_own_image(manifest: dict[str, Any], seed: int) -> None:
    plan = make_plan(manifest, val_fraction=0.3, seed=seed)
    digest = {file.target: file.sha256 for file in plan.files}
    labels = [target for target in digest if target.startswith("labels/")]
    assert len(labels) == sum(item["label"] is not None for item in manifest["items"])
    own = {(manifest["files"][i["path"]][0], manifest["files"][i["label"]][0]) for i in manifest["items"] if i["label"]}
    for label in labels:
        _, split, name = label.split("/")
        stem = PurePosixPath(name).stem
        image = [t for t in digest if t.startswith(f"images/{split}/") and PurePosixPath(t).stem == stem]
        assert len(image) == 1
        assert (digest[image[0]], digest[label]) in own


@given(manifests(), st.floats(0.01, 0.89), st.integers(0, 5))
def test_the_split_is_stable_for_a_seed_and_independent_of_order(manifest: dict[str, Any], share: float, seed: int) -> None:
    once = make_plan(manifest, val_fraction=share, seed=seed)
    assert make_plan(manifest, val_fraction=share, seed=seed) == once
    turned = {**manifest, "items": manifest["items"][::-1]}
    assert make_plan(turned, val_fraction=share, seed=seed).counts == once.counts


@given(manifests("classify"), st.floats(0.01, 0.89), st.integers(0, 5))
def test_no_class_loses_all_its_training_images_and_copies_stay_together(
    manifest: dict[str, Any], share: float, seed: int
) -> None:
    manifest = {**manifest, "split_known": False, "items": [{**i, "split": "train"} for i in manifest["items"]]}
    plan = make_plan(manifest, val_fraction=share, seed=seed)
    parts = [(file.target.split("/"), file.sha256) for file in plan.files]
    trained = {name for (split, name, _), _ in parts if split == "train"}
    assert trained == {item["class_name"] for item in manifest["items"]}
    for name in trained:
        both = [{digest for (split, c, _), digest in parts if split == side and c == name} for side in ("train", "val")]
        assert not both[0] & both[1]
        if len(both[0] | both[1]) > 1:
            assert both[1]


def test_a_known_validation_split_is_not_touched() -> None:
    files = {"a/1.jpg": ["0" * 64, 1], "a/2.jpg": ["1" * 64, 1]}
    items = [
        {"path": "a/1.jpg", "split": "train", "label": None, "class_name": "a"},
        {"path": "a/2.jpg", "split": "val", "label": None, "class_name": "a"},
    ]
    manifest = {"task": "classify", "classes": ["a"], "split_known": True, "items": items, "files": files}
    assert make_plan(manifest, val_fraction=0.8).counts == {"train": 1, "val": 1, "test": 0}


def test_excluded_images_are_left_out_with_their_labels_and_change_the_digest() -> None:
    files = {"1.jpg": ["0" * 64, 1], "1.txt": ["1" * 64, 1], "2.jpg": ["2" * 64, 1]}
    items = [
        {"path": "1.jpg", "split": "train", "label": "1.txt", "class_name": None},
        {"path": "2.jpg", "split": "train", "label": None, "class_name": None},
    ]
    manifest = {"task": "detect", "classes": ["a"], "split_known": True, "items": items, "files": files}
    plan = make_plan(manifest, exclude=["1.jpg"])
    assert [file.target for file in plan.files] == ["data.yaml", "images/train/2.jpg"]
    assert plan.digest != make_plan(manifest).digest


async def test_the_tar_holds_exactly_the_plan() -> None:
    contents = {hashlib.sha256(text).hexdigest(): text for text in (b"", b"x" * 512, b"y" * 3_000_001, b"0 .5 .5 1 1\n")}
    digests = list(contents)
    files = {f"images/{'n' * 120}ö{n}.jpg": [digest, len(contents[digest])] for n, digest in enumerate(digests[:3])}
    files["labels/1.txt"] = [digests[3], len(contents[digests[3]])]
    items = [
        {"path": path, "split": "train", "label": "labels/1.txt" if n == 1 else None, "class_name": None}
        for n, path in enumerate(list(files)[:3])
    ]
    manifest = {"task": "detect", "classes": ["mañana"], "split_known": True, "items": items, "files": files}

    async def fetch(sha256: str) -> AsyncIterator[bytes]:
        async def pieces() -> AsyncIterator[bytes]:
            content = contents[sha256]
            for start in range(0, len(content), 100_000):
                yield content[start : start + 100_000]

        return pieces()

    plan = make_plan(manifest)
    pieces = [piece async for piece in tar_stream(plan, fetch)]
    assert max(map(len, pieces)) < 3_000_000  # in pieces, however large a file is
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as tar:
        read = {member.name: tar.extractfile(member).read() for member in tar.getmembers()}  # type: ignore[union-attr]
    assert {name: hashlib.sha256(content).hexdigest() for name, content in read.items()} == {
        file.target: file.sha256 for file in plan.files
    }
    assert yaml.safe_load(read["data.yaml"])["names"] == {0: "mañana"}
