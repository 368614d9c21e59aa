"""Every problem of a data set is found: label rows, images, classes, copies."""

import io
import random
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app.datasets.layout import Item, Layout
from app.datasets.problems import TITLES, Problem
from app.datasets.unpack import go_on
from app.datasets.validate import FORMATS, _images, check_image, check_labels, check_row, thumbnail, validate
from tests.conftest import picture


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("0 0.5 0.5 0.2 0.2", None),
        ("1.0 0.5 0.5 1 1", None),
        ("0 1.000001 0.5 0.2 -0.0 ", "zero_size_box"),
        ("0 1.005 -0.004 0.2 0.2", None),
        ("0 0.1 0.1 0.9 0.1 0.9 0.9", None),
        ("0 0.1 0.1 0.9 0.1 0.9 0.9 0.1 0.9", None),
        ("0 0.5 0.5 0.2", "malformed_row"),
        ("0 0.5 0.5 0.2 0.2 0.9", "malformed_row"),
        ("0 0.1 0.1 0.9 0.1 0.9 0.9 0.5", "malformed_row"),
        ("0,0.5,0.5,0.2,0.2", "malformed_row"),
        ("cat 0.5 0.5 0.2 0.2", "malformed_row"),
        ("0 nan 0.5 0.2 0.2", "malformed_row"),
        ("0 0.5 inf 0.2 0.2", "malformed_row"),
        ("2 0.5 0.5 0.2 0.2", "class_out_of_range"),
        ("-1 0.5 0.5 0.2 0.2", "class_out_of_range"),
        ("0.5 0.5 0.5 0.2 0.2", "class_out_of_range"),
        ("0 320 240 64 64", "coordinates_not_normalised"),
        ("0 0.5 0.5 0.2 1.2", "coordinates_not_normalised"),
        ("0 -0.2 0.5 0.2 0.2", "coordinates_not_normalised"),
        ("0 0.5 0.5 0 0.2", "zero_size_box"),
    ],
)
def test_a_row_is_judged_as_trainers_judge_it(row: str, problem: str | None) -> None:
    found = check_row(row, 2)
    assert (found[0] if found else None) == problem


@given(st.text(max_size=80), st.integers(1, 5))
def test_any_text_is_a_sound_row_or_has_a_named_problem(row: str, classes: int) -> None:
    found = check_row(row, classes)
    if found is None:
        values = [float(part) for part in row.split()]
        assert values[0] in range(classes)
        assert all(-0.01 <= value <= 1.01 for value in values[1:])
    else:
        assert found[0] in TITLES


@given(
    st.integers(0, 79),
    st.lists(st.tuples(*[st.floats(0.001, 1)] * 4), min_size=1, max_size=8, unique=True),
    st.sampled_from(["\n", "\r\n", "\n\n", " \n\t"]),
)
def test_any_sound_file_has_no_problem_and_tells_its_classes(
    index: int, boxes: list[tuple[float, ...]], newline: str
) -> None:
    text = newline.join(f"{index} " + " ".join(map(repr, box)) for box in boxes)
    assert check_labels(text, "l.txt", "i.jpg", 80) == ([], {index})


def test_every_problem_of_a_label_file_is_told_with_its_line() -> None:
    text = "0 .5 .5 .1 .1\n\n9 .5 .5 .1 .1\nx\n0 .5 .5 .1 .1\n0 5 5 1 1\n0 .1 .1 .2 .1 .2 .2\n"
    problems, ids = check_labels(text, "l.txt", "i.jpg", 2)
    assert [(problem.problem, problem.line) for problem in problems] == [
        ("class_out_of_range", 3),
        ("malformed_row", 4),
        ("duplicate_row", 5),
        ("coordinates_not_normalised", 6),
        ("malformed_row", 7),
    ]
    assert {problem.image for problem in problems} == {"i.jpg"}
    assert ids == {0}


@pytest.mark.parametrize("text", ["", "\n \n", "\t"])
def test_a_file_without_rows_is_an_empty_label(text: str) -> None:
    assert [problem.problem for problem in check_labels(text, "l", "i", 1)[0]] == ["empty_label"]


def saved(kind: str, size: tuple[int, int] = (48, 32)) -> bytes:
    noise = Image.frombytes("RGB", size, random.Random(7).randbytes(size[0] * size[1] * 3))
    buffer = io.BytesIO()
    noise.save(buffer, kind)
    return buffer.getvalue()


def checked(tmp_path: Path, content: bytes) -> Problem | None:
    (tmp_path / "x.img").write_bytes(content)
    return check_image(tmp_path / "x.img", "x.img")


@pytest.mark.parametrize("kind", sorted(FORMATS - {"MPO"}))
def test_whole_images_pass_and_cut_ones_do_not(tmp_path: Path, kind: str) -> None:
    content = saved(kind)
    assert checked(tmp_path, content) is None
    problem = checked(tmp_path, content[: len(content) // 2])
    assert problem is not None
    assert problem.problem in ("image_truncated", "image_unreadable")


def test_a_jpeg_that_lacks_its_end_is_truncated(tmp_path: Path) -> None:
    problem = checked(tmp_path, saved("JPEG")[:-200])
    assert problem is not None
    assert problem.problem == "image_truncated"


@pytest.mark.parametrize("content", [b"", b"text", b"\x89PNG\r\n\x1a\n", b"GIF89a" + bytes(20), bytes(100)])
def test_what_is_no_image_is_unreadable(tmp_path: Path, content: bytes) -> None:
    problem = checked(tmp_path, content)
    assert problem is not None
    assert problem.problem == "image_unreadable"


def test_a_format_that_trainers_do_not_read_is_told_whatever_its_ending(tmp_path: Path) -> None:
    problem = checked(tmp_path, saved("GIF"))
    assert problem is not None
    assert "GIF" in problem.detail


def test_an_image_that_trainers_would_skip_for_its_size_is_too_small(tmp_path: Path) -> None:
    assert checked(tmp_path, picture(9, edge=10)) is None
    problem = checked(tmp_path, picture(9, edge=9))
    assert problem is not None
    assert problem.problem == "image_too_small"


def test_an_image_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    content = bytearray(picture(0))
    content[16:24] = (60_000).to_bytes(4, "big") * 2
    problem = checked(tmp_path, bytes(content))
    assert problem is not None
    # The header's checksum no longer fits, or the size is judged: either way nothing of that size was decoded.
    assert problem.problem in ("image_unreadable", "image_truncated")


@pytest.mark.parametrize("kind", sorted(FORMATS - {"MPO"}))
def test_damaged_images_give_problems_never_exceptions(tmp_path: Path, kind: str) -> None:
    seed = 20260101
    rng = random.Random(seed)
    good = saved(kind, (16, 16))
    for _ in range(60):
        bad = bytearray(good)
        for _ in range(rng.randint(1, 20)):
            bad[rng.randrange(len(bad))] = rng.randrange(256)
        checked(tmp_path, bytes(bad[: rng.randint(1, len(bad))]))
        thumbnail(tmp_path / "x.img")


def test_what_can_be_seen_of_a_cut_image_becomes_a_small_picture(tmp_path: Path) -> None:
    content = saved("JPEG", (400, 300))
    (tmp_path / "x.jpg").write_bytes(content[: len(content) // 2])
    small = thumbnail(tmp_path / "x.jpg")
    assert small is not None
    assert max(small.size) == 160
    (tmp_path / "y.jpg").write_bytes(b"nothing")
    assert thumbnail(tmp_path / "y.jpg") is None
    problem = check_image(tmp_path / "x.jpg", "x.jpg")
    assert problem is not None
    assert problem.problem == "image_truncated"  # drawing it did not make Pillow tolerant for good


def test_checking_is_as_strict_while_broken_images_are_drawn(tmp_path: Path) -> None:
    content = saved("JPEG", (200, 150))
    for number in range(40):
        (tmp_path / f"{number}.jpg").write_bytes(content[: len(content) // 2])
    items = [Item(f"{number}.jpg", "train") for number in range(40)]
    stop = threading.Event()

    def draw() -> None:
        while not stop.is_set():
            thumbnail(tmp_path / "0.jpg")

    drawing = threading.Thread(target=draw)
    drawing.start()
    try:
        found = list(_images(tmp_path, items * 10, go_on))
    finally:
        stop.set()
        drawing.join()
    assert len(found) == 400


def kinds(layout: Layout, tmp_path: Path, contents: dict[str, bytes]) -> dict[str, list[str]]:
    """The files of each kind of problem."""
    for name, content in contents.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    digests = {name: str(hash(content)) for name, content in contents.items()}
    found = validate(layout, tmp_path, digests, lambda path: contents[path].decode())
    result: dict[str, list[str]] = {}
    for problem in found.problems:
        result.setdefault(problem.problem, []).append(problem.file)
    return result


def test_classes_without_training_or_validation_images_are_told_for_detection(tmp_path: Path) -> None:
    items = (Item("1.png", "train", "1.txt"), Item("2.png", "val", "2.txt"), Item("3.png", "train", None))
    layout = Layout("detect", "yolo", ("a", "b", "c"), items, stray_labels=("9.txt",))
    row = b"%d .5 .5 .1 .1\n"
    contents = {"1.png": picture(1), "2.png": picture(2), "3.png": picture(3), "1.txt": row % 0, "2.txt": row % 1}
    assert kinds(layout, tmp_path, contents) == {
        "class_not_validated": ["a"],
        "empty_class": ["b", "c"],
        "missing_label": ["3.png"],
        "label_without_image": ["9.txt"],
    }


def test_splits_copies_and_labels_that_are_missing_altogether_are_told(tmp_path: Path) -> None:
    items = (Item("1.png", "train"), Item("2.png", "train"))
    contents = {"1.png": picture(1), "2.png": picture(1)}
    found = kinds(Layout("detect", "yolo", ("a",), items, split_known=False), tmp_path, contents)
    assert found["no_labels"] == ["labels"]
    assert found["no_validation_split"] == ["val"]
    assert found["duplicate_image"] == ["2.png"]


def test_the_same_image_in_both_splits_leaks(tmp_path: Path) -> None:
    items = (Item("1.png", "train", class_name="a"), Item("2.png", "val", class_name="a"))
    contents = {"1.png": picture(1), "2.png": picture(1)}
    assert kinds(Layout("classify", "imagefolder", ("a",), items), tmp_path, contents) == {"leaked_image": ["2.png"]}


def test_a_set_of_validation_images_only_has_nothing_to_train_on(tmp_path: Path) -> None:
    layout = Layout("classify", "imagefolder", ("a",), (Item("1.png", "val", class_name="a"),))
    assert "no_images" in kinds(layout, tmp_path, {"1.png": picture(1)})
