"""From problems to a verdict, and when training without some files is sound."""

from itertools import chain

import orjson
import pytest

from app.datasets.layout import Item, Layout
from app.datasets.problems import TITLES, Problem
from app.datasets.report import FIRST_ITEMS, error_of, full_list, grouped, judge, spoiled


def classify(train: dict[str, int], val: dict[str, int]) -> tuple[Layout, dict[str, frozenset[str]]]:
    """A classification set with so many images a class, and the classes of its images."""
    named = [
        (split, name, n) for split, part in (("train", train), ("val", val)) for name in part for n in range(part[name])
    ]
    items = tuple(Item(f"{split}/{name}/{n}.jpg", split, class_name=name) for split, name, n in named)
    layout = Layout("classify", "imagefolder", tuple(sorted({*train, *val})), items, split_known=bool(val))
    return layout, {item.path: frozenset({item.class_name or ""}) for item in items}


def broken(*paths: str) -> list[Problem]:
    return [Problem("image_truncated", path, "ends too early", None, path) for path in paths]


def test_without_errors_there_is_no_refusal() -> None:
    layout, classes = classify({"a": 5}, {"a": 2})
    verdict = judge(layout, [Problem("duplicate_image", "train/a/0.jpg", "", None, "train/a/0.jpg")], classes)
    assert verdict.code is None
    assert error_of(verdict, layout.format, "d") is None


def test_a_few_broken_images_can_be_left_out() -> None:
    layout, classes = classify({"a": 9, "b": 9}, {"a": 2, "b": 2})
    verdict = judge(layout, broken("train/a/0.jpg", "train/b/1.jpg", "train/a/0.jpg"), classes)
    assert verdict.code == "DATASET_BROKEN"
    assert verdict.excludable == ("train/a/0.jpg", "train/b/1.jpg")
    error = error_of(verdict, layout.format, "d")
    assert error is not None
    assert [(fix.label, fix.applicability) for fix in error.fixes] == [("Train without these 2 files", "safe")]


@pytest.mark.parametrize(
    ("train", "val", "bad", "why"),
    [
        ({"a": 9, "b": 9}, {"a": 2, "b": 2}, [f"train/a/{n}.jpg" for n in range(5)], "more than 20%"),
        ({"a": 20, "b": 1}, {"a": 2, "b": 2}, ["train/b/0.jpg"], "class `b` would have no training image"),
        ({"a": 20, "b": 9}, {"a": 1}, ["val/a/0.jpg"], "no validation image"),
    ],
)
def test_files_are_not_left_out_where_a_class_or_a_split_would_vanish(
    train: dict[str, int], val: dict[str, int], bad: list[str], why: str
) -> None:
    layout, classes = classify(train, val)
    verdict = judge(layout, broken(*bad), classes)
    assert verdict.excludable is None
    assert why in str(verdict.why_not)
    error = error_of(verdict, layout.format, "d")
    assert error is not None
    assert not error.fixes


def test_a_class_that_only_a_bad_label_file_shows_would_vanish_from_detection() -> None:
    items = tuple(Item(f"{n}.jpg", "train" if n else "val", f"{n}.txt") for n in range(12))
    layout = Layout("detect", "yolo", ("a", "b"), items)
    classes = {item.path: frozenset({"a"}) for item in items} | {"5.jpg": frozenset({"a", "b"})}
    bad = [Problem("malformed_row", "5.txt", "", 3, "5.jpg")]
    verdict = judge(layout, bad, classes)
    assert verdict.code == "DATASET_INVALID_FORMAT"
    assert "class `b`" in str(verdict.why_not)
    assert judge(layout, bad, {**classes, "6.jpg": frozenset({"b"})}).excludable == ("5.jpg",)


def test_a_missing_validation_split_is_offered_from_the_training_images() -> None:
    layout, classes = classify({"a": 9, "b": 9}, {})
    verdict = judge(layout, [Problem("no_validation_split", "val", "")], classes)
    error = error_of(verdict, layout.format, "d")
    assert error is not None
    assert error.code == "DATASET_INVALID_FORMAT"
    assert [fix.patch[0]["path"] for fix in error.fixes] == ["/val_fraction"]


def test_every_kind_of_error_is_named_in_the_refusal() -> None:
    layout, classes = classify({"a": 9, "b": 9}, {})
    problems = [*broken("train/a/0.jpg"), Problem("no_validation_split", "val", "")]
    problems += [Problem("class_out_of_range", "l", "", 1, "train/a/1.jpg")] * 2
    assert judge(layout, problems, classes).details == (
        "1 image cannot be read, 2 label rows are wrong, there are no validation images"
    )


@pytest.mark.parametrize("kind", ["no_images", "no_labels"])
def test_nothing_is_offered_where_there_is_nothing_to_train_on(kind: str) -> None:
    layout, classes = classify({"a": 9}, {"a": 2})
    verdict = judge(layout, [*broken("val/a/0.jpg"), Problem(kind, "train", "")], classes)
    assert verdict.code is not None
    assert verdict.excludable is None
    assert not verdict.needs_split


def test_only_what_an_error_spoils_is_left_out() -> None:
    problems = [*broken("b.jpg", "a.jpg"), Problem("missing_label", "c.jpg", "", None, "c.jpg")]
    assert spoiled(problems) == ["a.jpg", "b.jpg"]


def test_the_report_shows_errors_first_and_the_first_hundred_items_and_the_list_shows_all() -> None:
    problems = [Problem("duplicate_image", f"{n}.jpg", "", None, f"{n}.jpg") for n in range(250)] + broken("x.jpg")
    groups = grouped(problems, {"x.jpg": "/thumbnails/0"})
    assert [(group["problem"], group["count"], len(group["items"])) for group in groups] == [
        ("image_truncated", 1, 1),
        ("duplicate_image", 250, FIRST_ITEMS),
    ]
    assert groups[0]["items"][0]["thumbnail"] == "/thumbnails/0"
    lines = [orjson.loads(line) for line in full_list(problems)]
    assert [line["file"] for line in lines] == ["x.jpg", *(f"{n}.jpg" for n in range(250))]
    assert set(lines[0]) == {"problem", "severity", "file", "line", "detail"}


def test_every_kind_of_problem_has_a_title_and_errors_stand_before_warnings() -> None:
    severities = [severity for severity, _ in TITLES.values()]
    assert severities == sorted(severities)
    assert all(chain.from_iterable(TITLES.values()))
