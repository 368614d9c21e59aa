"""Detection layouts as tools write them."""

import pytest

from app.datasets.layout import Layout
from app.datasets.yolo import class_names, label_path
from tests.datasets.test_layout import layout, refusal

YAML = "names: [a, b]\n"


def pairs(found: Layout) -> dict[str, tuple[str, str | None]]:
    return {item.path: (item.split, item.label) for item in found.items}


def test_roboflow_splits_above_images_are_understood() -> None:
    found = layout(
        "data.yaml", "README.roboflow.txt", "train/images/1.jpg", "train/labels/1.txt", "valid/images/2.jpg",
        "valid/labels/2.txt", "test/images/3.jpg", "test/labels/3.txt",
        data="train: ../train/images\nval: ../valid/images\ntest: ../test/images\nnc: 2\nnames: ['a', 'b']\n",
    )  # fmt: skip
    assert pairs(found) == {
        "train/images/1.jpg": ("train", "train/labels/1.txt"),
        "valid/images/2.jpg": ("val", "valid/labels/2.txt"),
        "test/images/3.jpg": ("test", "test/labels/3.txt"),
    }
    assert found.classes == ("a", "b")
    assert found.split_known
    assert not found.findings
    assert not found.stray_labels


def test_ultralytics_splits_below_images_are_understood() -> None:
    found = layout(
        "dataset.yml", "images/train/1.jpg", "labels/train/1.txt", "images/val/2.jpg", "labels/val/2.txt",
        dataset="path: ../datasets/x\ntrain: images/train\nval: images/val\nnames:\n  0: a\n  1: b\n",
    )  # fmt: skip
    assert pairs(found)["images/val/2.jpg"] == ("val", "labels/val/2.txt")


@pytest.mark.parametrize(
    ("train", "val"),
    [
        ("sets/one/images", "sets/two/images"),
        ("C:\\\\Users\\\\me\\\\data\\\\sets\\\\one\\\\images", "C:\\\\data\\\\sets\\\\two\\\\images"),
        ("/home/me/data/sets/one/images/", "/home/me/data/sets/two/images/"),
        ("./sets/one/images", "./sets/two"),
        ("[sets/one/images]", "[sets/two/images]"),
        ("Sets/One/Images", "SETS/TWO/IMAGES"),
    ],
)
def test_splits_that_only_the_yaml_tells_are_found(train: str, val: str) -> None:
    quote = "" if train.startswith("[") else '"'
    found = layout(
        "data.yaml", "sets/one/images/1.jpg", "sets/one/labels/1.txt", "sets/two/images/2.jpg", "sets/two/labels/2.txt",
        "sets/three/images/3.jpg",
        data=f"train: {quote}{train}{quote}\nval: {quote}{val}{quote}\nnames: [a]\n",
    )  # fmt: skip
    assert {path: split for path, (split, _) in pairs(found).items()} == {
        "sets/one/images/1.jpg": "train",
        "sets/two/images/2.jpg": "val",
    }
    assert [problem.file for problem in found.findings] == ["sets/three/images/3.jpg"]


def test_splits_listed_in_text_files_are_found_and_gaps_are_told_with_their_line() -> None:
    found = layout(
        "data.yaml", "train.txt", "val.txt", "images/1.jpg", "images/2.jpg", "images/Ünï 3.jpg", "labels/1.txt",
        data="train: train.txt\nval: val.txt\nnames: [a]\n",
        train="\ufeff./images/1.jpg\r\nimages/9.jpg\r\n\r\n",
        val="C:\\data\\images\\2.jpg\n/abs/somewhere/images/Ünï 3.jpg\n",
    )  # fmt: skip
    assert {path: split for path, (split, _) in pairs(found).items()} == {
        "images/1.jpg": "train", "images/2.jpg": "val", "images/Ünï 3.jpg": "val",
    }  # fmt: skip
    assert [(problem.problem, problem.file, problem.line) for problem in found.findings] == [
        ("listed_image_missing", "train.txt", 2)
    ]


def test_an_image_named_for_training_and_validation_is_told_and_kept_for_training() -> None:
    found = layout(
        "data.yaml", "images/train.txt", "images/val.txt", "images/1.jpg", "images/2.jpg", "images/3.jpg", "labels/1.txt",
        data="train: images/train.txt\nval: images/val.txt\nnames: [a]\n", train="1.jpg\n2.jpg\n", val="2.jpg\n3.jpg\n",
    )  # fmt: skip
    assert {path: split for path, (split, _) in pairs(found).items()} == {
        "images/1.jpg": "train", "images/2.jpg": "train", "images/3.jpg": "val",
    }  # fmt: skip
    assert [(problem.problem, problem.file) for problem in found.findings] == [("leaked_image", "images/2.jpg")]


def test_bare_names_in_a_list_are_found_where_only_one_image_has_them() -> None:
    found = layout(
        "data.yaml", "lists/train.txt", "x/images/1.jpg", "x/images/2.jpg", "y/images/2.jpg", "x/labels/1.txt",
        data="train: lists/train.txt\nnames: [a]\n", train="1.jpg\n2.jpg\n",
    )  # fmt: skip
    assert set(pairs(found)) == {"x/images/1.jpg"}
    assert ("listed_image_missing", 2) in [(problem.problem, problem.line) for problem in found.findings]


def test_one_folder_for_both_splits_is_no_validation_split() -> None:
    found = layout(
        "data.yaml", "images/1.jpg", "images/2.jpg", "labels/1.txt", "labels/2.txt",
        data="train: images\nval: images\nnames: [a]\n",
    )  # fmt: skip
    assert {item.split for item in found.items} == {"train"}
    assert not found.split_known
    assert not found.findings


def test_labels_beside_the_images_are_found() -> None:
    found = layout("classes.txt", "train/1.jpg", "train/1.txt", "val/2.jpg", "val/2.txt", classes="a\nb\n")
    assert pairs(found)["train/1.jpg"] == ("train", "train/1.txt")
    assert found.classes == ("a", "b")


def test_folders_and_endings_count_in_any_case() -> None:
    found = layout("Data.YAML", "Images/Train/1.JPG", "Labels/Train/1.TXT", "Images/Val/2.JPG", Data=YAML)
    assert pairs(found)["Images/Train/1.JPG"] == ("train", "Labels/Train/1.TXT")
    assert found.split_known


def test_a_label_without_an_image_is_stray_and_a_list_of_classes_is_not() -> None:
    found = layout("data.yaml", "images/1.jpg", "labels/1.txt", "labels/9.txt", "labels/classes.txt", data=YAML)
    assert found.stray_labels == ("labels/9.txt",)


def test_a_classification_set_may_bring_a_yaml_along() -> None:
    found = layout("data.yaml", "train/a/1.jpg", "train/b/2.jpg", "val/a/3.jpg", "val/b/4.jpg", data=YAML)
    assert found.task == "classify"


def test_a_yaml_of_another_tool_does_not_make_a_detection_set() -> None:
    texts = {"compose": "services: {web: {image: x}}", "broken": "a: [\n"}
    assert layout("compose.yaml", "broken.yaml", "a/1.jpg", "b/2.jpg", **texts).task == "classify"


def test_images_without_any_label_are_still_a_detection_set() -> None:
    found = layout("data.yaml", "images/train/1.jpg", "images/val/2.jpg", data=YAML)
    assert found.task == "detect"
    assert {item.label for item in found.items} == {None}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("names: [cat, dog]", ("cat", "dog")),
        ("names: {0: cat, 1: dog}", ("cat", "dog")),
        ("names: {'1': dog, '0': cat}", ("cat", "dog")),
        ("\ufeffnames: [cat]", ("cat",)),
        ("nc: 3", ("0", "1", "2")),
        ("names: [yes, 1]", ("True", "1")),
    ],
)
def test_class_names_come_as_list_or_as_numbers(text: str, names: tuple[str, ...]) -> None:
    assert class_names(text) == names


@pytest.mark.parametrize(
    "text", ["", "names:", "names: {0: a, 2: b}", "names: {a: b}", "- a", "names: [", "nc: true", "nc: 0", "a: &a [*a]"]
)
def test_a_yaml_that_names_no_classes_is_refused(text: str) -> None:
    refusal("data.yaml", "images/1.jpg", "labels/1.txt", data=text)


def test_labels_without_names_are_refused() -> None:
    assert "no data.yaml" in refusal("images/1.jpg", "labels/1.txt")


def test_only_the_last_images_folder_becomes_labels() -> None:
    assert label_path("images/x/Images/train/a.b.jpg") == "images/x/labels/train/a.b.txt"
    assert label_path("pictures/1.jpg") == "pictures/1.txt"
