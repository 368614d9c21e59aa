"""One pass over an uploaded zip, with everything wrong at once."""

import io
from pathlib import Path

import orjson
import pytest
from PIL import Image

from app.core.errors import PlatformError
from app.datasets.intake import Examined, decoded, examine
from app.datasets.unpack import Limits
from tests.conftest import picture, zipped

LIMITS = Limits(50_000_000, 1000)
BOX = b"0 .5 .5 .4 .4\n"


def examined(tmp_path: Path, files: dict[str, bytes]) -> Examined:
    (tmp_path / "a.zip").write_bytes(zipped(files))
    return examine(tmp_path / "a.zip", tmp_path / "out", LIMITS, "set-1")


def test_a_set_with_every_kind_of_problem_tells_them_all(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.effect_noise((300, 200), 80).save(buffer, "JPEG")
    files = {
        "w/data.yaml": "\ufeffnames: {0: thing, 1: never}\n".encode(),
        "w/images/train/good.png": picture(1),
        "w/images/train/twin.png": picture(1),
        "w/images/train/cut.jpg": buffer.getvalue()[:-900],
        "w/images/train/text.png": b"hello",
        "w/images/train/tiny.png": picture(2, edge=4),
        "w/images/train/bare.png": picture(3),
        "w/images/train/rows.png": picture(4),
        "w/images/val/leak.png": picture(4),
        "w/images/odd/stray.png": picture(6),
        "w/images/train/anim.gif": b"GIF89a",
        "w/labels/train/good.txt": b"\xef\xbb\xbf" + BOX + BOX,
        "w/labels/train/twin.txt": b"",
        "w/labels/train/cut.txt": BOX,
        "w/labels/train/text.txt": BOX,
        "w/labels/train/tiny.txt": BOX,
        "w/labels/train/rows.txt": b"7 .5 .5 .1 .1\nx\n0 9 9 9 9\n0 .5 .5 0 0\n",
        "w/labels/train/alone.txt": BOX,
        "w/labels/val/leak.txt": BOX.decode().encode("utf-16"),
    }
    found = examined(tmp_path, files)
    assert found.summary["problems"] == {
        "empty_class": 1, "image_truncated": 1, "image_unreadable": 1, "image_too_small": 1, "malformed_row": 3,
        "class_out_of_range": 1, "coordinates_not_normalised": 1, "zero_size_box": 1, "missing_label": 1, "empty_label": 1,
        "duplicate_row": 1, "label_without_image": 1, "stray_image": 1, "unused_file": 1, "duplicate_image": 1,
        "leaked_image": 1, "class_not_validated": 1,
    }  # fmt: skip
    assert found.error is not None
    assert found.error.code == "DATASET_BROKEN"
    rows = {(g["problem"], i["file"], i["line"]) for g in found.report["problems"] for i in g["items"]}
    assert ("malformed_row", "labels/train/rows.txt", 2) in rows
    assert len(found.problems.read_bytes().splitlines()) == sum(found.summary["problems"].values())
    cut = next(i for g in found.report["problems"] if g["problem"] == "image_truncated" for i in g["items"])
    number = int(cut["thumbnail"].rsplit("/", 1)[1])
    with Image.open(io.BytesIO(found.thumbnails[number])) as small:
        assert max(small.size) == 160
    assert set(found.manifest["files"]) == {name.removeprefix("w/") for name in files}
    assert found.counts == {"train": 7, "val": 1, "test": 0}


def test_the_digest_names_exactly_the_contents(tmp_path: Path) -> None:
    files = {f"{name}/{n}.png": picture(n + shade) for name, shade in (("a", 0), ("b", 100)) for n in range(3)}
    digests = []
    for number, variant in enumerate((files, dict(reversed(files.items())), {**files, "a/0.png": picture(77)})):
        folder = tmp_path / str(number)
        folder.mkdir()
        digests.append(examined(folder, variant).summary["digest"])
    assert digests[0] == digests[1] != digests[2]


def test_what_is_kept_can_be_stored_as_json(tmp_path: Path) -> None:
    found = examined(tmp_path, {"a/1.png": picture(1), "b/2.png": picture(2)})
    assert orjson.loads(orjson.dumps(found.manifest))["classes"] == ["a", "b"]
    assert found.error is not None
    assert found.error.code == "DATASET_INVALID_FORMAT"


def test_an_unknown_layout_is_refused_after_unpacking(tmp_path: Path) -> None:
    with pytest.raises(PlatformError) as caught:
        examined(tmp_path, {"readme.txt": b"x"})
    assert caught.value.code == "DATASET_INVALID_FORMAT"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"a: \xc3\xa4", "a: ä"),
        (b"\xef\xbb\xbfa", "a"),
        ("ä".encode("utf-16"), "ä"),
        ("ä".encode("utf-16-be"), "\ufffd\ufffd"),
        (b"\xff", "\ufffd"),
    ],
)
def test_texts_are_read_by_their_byte_order_mark(content: bytes, text: str) -> None:
    assert decoded(content).replace("\0", "\ufffd") == text
