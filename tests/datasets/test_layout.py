"""Layouts of classification sets, and what is said of files that are no data set."""

import pytest

from app.core.errors import PlatformError
from app.datasets.layout import Layout, recognise, split_depth


def layout(*paths: str, **texts: str) -> Layout:
    """The layout of these files; `texts` are the contents of files by their names' stems."""

    def read(path: str) -> str:
        return texts[path.rsplit("/", 1)[-1].partition(".")[0]]

    return recognise(paths, read)


def refusal(*paths: str, **texts: str) -> str:
    with pytest.raises(PlatformError) as caught:
        layout(*paths, **texts)
    assert caught.value.code == "DATASET_INVALID_FORMAT"
    return str(caught.value.context["details"])


def placed(found: Layout) -> dict[str, tuple[str, str | None]]:
    return {item.path: (item.split, item.class_name) for item in found.items}


@pytest.mark.parametrize(
    ("split", "meant"),
    [("train", "train"), ("training", "train"), ("val", "val"), ("valid", "val"), ("Validation", "val"), ("TEST", "test")],
)
def test_a_split_folder_may_be_called_in_any_usual_way(split: str, meant: str) -> None:
    found = layout(f"{split}/cat/1.jpg", f"{split}/dog/2.jpg", "train/cat/0.jpg", "train/dog/0.jpg")
    assert {item.split for item in found.items if item.path.startswith(f"{split}/cat/1")} == {meant}


def test_class_folders_without_splits_are_all_for_training() -> None:
    found = layout("cat/1.jpg", "dog/1.JPEG", "dog/2.PNG")
    assert placed(found) == {"cat/1.jpg": ("train", "cat"), "dog/1.JPEG": ("train", "dog"), "dog/2.PNG": ("train", "dog")}
    assert not found.split_known
    assert found.classes == ("cat", "dog")


def test_a_folder_around_the_classes_is_no_class() -> None:
    assert layout("images/cat/1.jpg", "images/dog/1.jpg").classes == ("cat", "dog")
    assert layout("train/images/cat/1.jpg", "train/images/dog/1.jpg", "val/images/cat/2.jpg").classes == ("cat", "dog")


def test_folders_below_a_class_belong_to_it() -> None:
    found = layout("train/cat/a/b/1.jpg", "train/dog/1.jpg", "val/cat/c/1.jpg", "val/dog/2.jpg")
    assert {item.class_name for item in found.items} == {"cat", "dog"}


def test_a_class_may_be_called_like_a_split() -> None:
    vehicles = layout("bus/1.jpg", "car/1.jpg", "train/1.jpg")
    assert vehicles.classes == ("bus", "car", "train")
    assert not vehicles.split_known
    with_splits = layout("train/bus/1.jpg", "train/train/1.jpg", "val/bus/2.jpg", "val/train/2.jpg")
    assert with_splits.classes == ("bus", "train")
    assert placed(with_splits)["val/train/2.jpg"] == ("val", "train")


def test_a_wrapper_may_be_called_like_a_split() -> None:
    found = layout("test/train/a/1.jpg", "test/train/b/1.jpg", "test/val/a/2.jpg", "test/val/b/2.jpg")
    assert found.classes == ("a", "b")
    assert {item.split for item in found.items} == {"train", "val"}


def test_splits_below_the_classes_are_understood() -> None:
    found = layout("cat/train/1.jpg", "cat/val/2.jpg", "dog/train/1.jpg", "dog/val/2.jpg")
    assert found.classes == ("cat", "dog")
    assert placed(found)["dog/val/2.jpg"] == ("val", "dog")


def test_a_stray_image_is_told_and_left_out_not_a_reason_to_refuse() -> None:
    found = layout("preview.png", "train/a/1.jpg", "train/b/1.jpg", "val/a/2.jpg", "val/b/2.jpg")
    assert "preview.png" not in placed(found)
    assert [(problem.problem, problem.file) for problem in found.findings] == [("stray_image", "preview.png")]


def test_files_of_unused_kinds_are_told() -> None:
    found = layout("a/1.jpg", "b/1.jpg", "b/2.gif", "a/3.HEIC", "notes.txt")
    assert [problem.file for problem in found.findings] == ["a/3.HEIC", "b/2.gif"]


def test_names_in_other_scripts_and_with_spaces_are_kept() -> None:
    found = layout("train/кот 1/я и ты.jpg", "train/犬/2.jpg", "val/кот 1/3.jpg", "val/犬/4.jpg")
    assert found.classes == ("кот 1", "犬")


def test_one_class_is_refused_by_its_name() -> None:
    assert "only one class folder (`cat`)" in refusal("cat/1.jpg", "cat/2.jpg")


def test_images_without_folders_are_refused() -> None:
    assert "lies in no class folder" in refusal("1.jpg", "2.jpg")


def test_an_archive_within_the_archive_is_named() -> None:
    assert "another archive (`inner.zip`)" in refusal("inner.zip", "readme.txt")


def test_files_without_images_are_refused_with_what_is_expected() -> None:
    assert "train/<class>/" in refusal("readme.txt")
    assert ".gif files" in refusal("a/1.gif")


@pytest.mark.parametrize(("file", "name"), [("annotations/instances.json", "COCO"), ("annotations/1.xml", "Pascal VOC")])
def test_annotations_of_other_formats_are_named(file: str, name: str) -> None:
    assert name in refusal("images/1.jpg", "images/2.jpg", file)


def test_no_depth_holds_splits_where_only_a_few_folders_are_called_so() -> None:
    assert split_depth([("bus",), ("car",), ("train",)]) is None
    assert split_depth([]) is None
