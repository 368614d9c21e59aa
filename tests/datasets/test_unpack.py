"""Zips that strangers made: what is unpacked, what is refused, and that nothing stays behind."""

import hashlib
import io
import os
import random
import shutil
import stat
import struct
import subprocess
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import PlatformError
from app.datasets import unpack as module
from app.datasets.unpack import Limits, UnpackedFile, unpack
from tests.conftest import zipped

LIMITS = Limits(bytes=50_000_000, files=100)


def unpacked(tmp_path: Path, content: bytes, limits: Limits = LIMITS) -> list[UnpackedFile]:
    archive = tmp_path / "upload.zip"
    archive.write_bytes(content)
    return unpack(archive, tmp_path / "out", limits)


def refused(tmp_path: Path, content: bytes, limits: Limits = LIMITS) -> PlatformError:
    """The refusal, after which nothing is left."""
    with pytest.raises(PlatformError) as caught:
        unpacked(tmp_path, content, limits)
    assert not (tmp_path / "out").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["upload.zip"]
    return caught.value


def outcome(tmp_path: Path, content: bytes) -> str | None:
    """The code of the refusal, None where it was unpacked."""
    try:
        unpacked(tmp_path, content)
    except PlatformError as error:
        return error.code
    return None


def with_entry(name: str, content: bytes = b"x", *, mode: int = 0, flags: int = 0, method: int = 0) -> bytes:
    """A zip of one entry, its name and attributes exactly as given."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        placeholder = "p" * len(name.encode())
        entry = zipfile.ZipInfo(placeholder)
        entry.external_attr = mode << 16
        entry.compress_type = method
        archive.writestr(entry, content)
    raw = buffer.getvalue().replace(placeholder.encode(), name.encode())
    if not name.isascii():
        flags |= 0x800
    local, central = raw.index(b"PK\x03\x04"), raw.index(b"PK\x01\x02")
    patched = bytearray(raw)
    patched[local + 6 : local + 8] = patched[central + 8 : central + 10] = struct.pack("<H", flags)
    return bytes(patched)


def test_every_file_is_unpacked_with_its_digest_and_size(tmp_path: Path) -> None:
    files = {"a/one.txt": b"1", "a/two.bin": os.urandom(600_000), "b/ключ é.txt": b"x" * 5}
    found = unpacked(tmp_path, zipped(files))
    assert {file.path: (file.sha256, file.size) for file in found} == {
        name: (hashlib.sha256(content).hexdigest(), len(content)) for name, content in files.items()
    }
    assert (tmp_path / "out/b/ключ é.txt").read_bytes() == b"x" * 5


@pytest.mark.parametrize(
    "name",
    ["../evil", "a/../../evil", "/etc/evil", "C:/evil", "C:\\evil", "..\\..\\evil", "\\\\host\\share", "a/..", "c:evil"],
)
def test_a_path_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    error = refused(tmp_path, with_entry(name))
    assert error.code == "DATASET_BROKEN"
    assert "outside" in str(error.context["details"])


@pytest.mark.parametrize(
    "name", ["a\x00.jpg", "a\n.jpg", "gpj.\u202etxt", "a/\x1b[31m.jpg", "\u2066x.png", "a" * 256 + ".jpg", "d/" * 40 + "x"]
)
def test_a_name_that_deceives_or_is_too_long_is_refused(tmp_path: Path, name: str) -> None:
    error = refused(tmp_path, with_entry(name))
    assert error.code == "DATASET_BROKEN"
    assert str(error.context["details"]).isprintable()


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK])
def test_links_and_special_files_are_refused(tmp_path: Path, kind: int) -> None:
    assert "link or a special file" in str(refused(tmp_path, with_entry("a", b"/etc/passwd", mode=kind | 0o777)).context)


def test_an_encrypted_entry_is_refused(tmp_path: Path) -> None:
    assert "encrypted" in str(refused(tmp_path, with_entry("a.jpg", flags=1)).context)


def test_an_unknown_compression_is_refused_with_what_to_use(tmp_path: Path) -> None:
    raw = bytearray(with_entry("a.jpg"))
    local, central = raw.index(b"PK\x03\x04"), raw.index(b"PK\x01\x02")
    raw[local + 8 : local + 10] = raw[central + 10 : central + 12] = struct.pack("<H", 9)
    assert "use deflate" in str(refused(tmp_path, bytes(raw)).context)


@pytest.mark.parametrize("names", [("a.jpg", "a.jpg"), ("\u00e9.jpg", "e\u0301.jpg"), ("a/b", "a//b"), ("a/b", "./a/b")])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_one_name_twice_is_refused_in_any_spelling(tmp_path: Path, names: tuple[str, str]) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), b"x")
    assert "twice" in str(refused(tmp_path, buffer.getvalue()).context)


def test_names_that_differ_in_case_are_two_files(tmp_path: Path) -> None:
    assert len(unpacked(tmp_path, zipped({"x/IMG.jpg": b"1", "x/img.jpg": b"2"}))) == 2


def test_a_file_that_is_also_a_folder_is_refused(tmp_path: Path) -> None:
    assert "file and a folder" in str(refused(tmp_path, zipped({"a": b"1", "a/b": b"2"})).context)


def test_names_in_utf8_without_the_mark_for_it_are_read(tmp_path: Path) -> None:
    raw = bytearray(zipped({"a/кот.jpg": b"1"}))
    local, central = raw.index(b"PK\x03\x04"), raw.index(b"PK\x01\x02")
    raw[local + 6 : local + 8] = raw[central + 8 : central + 10] = b"\0\0"
    assert [file.path for file in unpacked(tmp_path, bytes(raw))] == ["a/кот.jpg"]


def test_more_bytes_than_the_quota_are_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_extract", lambda *_: pytest.fail("it was unpacked"))
    error = refused(tmp_path, zipped({"a": b"x" * 600, "b": b"y" * 600}), Limits(1000, 10))
    assert error.code == "DATASET_TOO_LARGE"


def test_more_files_than_allowed_are_refused(tmp_path: Path) -> None:
    assert "allowed" in str(refused(tmp_path, zipped({str(n): b"" for n in range(11)}), Limits(1000, 10)).context)


def test_a_directory_that_is_far_too_long_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = zipped({f"{number:04}" + "x" * 200: b"" for number in range(8000)})
    monkeypatch.setattr(module.zipfile, "ZipFile", lambda *_: pytest.fail("it was read"))
    assert "lists more than" in str(refused(tmp_path, content, Limits(1000, 10)).context)


def test_a_bomb_is_refused_by_what_it_says(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(20_000_000))
    assert "200-fold" in str(refused(tmp_path, buffer.getvalue()).context)


def test_a_bomb_of_many_small_files_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(4):
            archive.writestr(f"{number}", bytes(9_000_000))
    assert "200-fold" in str(refused(tmp_path, buffer.getvalue()).context)


def test_what_comes_out_counts_not_what_the_archive_says(tmp_path: Path) -> None:
    packed = zlib.compress(bytes(20_000_000), 9)[2:-4]
    raw = bytearray(with_entry("zeros.bin", packed, method=0))
    local, central = raw.index(b"PK\x03\x04"), raw.index(b"PK\x01\x02")
    crc = zlib.crc32(bytes(20_000_000))
    for place, method, sums in ((local, 8, 14), (central, 10, 16)):
        raw[place + method : place + method + 2] = struct.pack("<H", 8)
        raw[place + sums : place + sums + 4] = struct.pack("<L", crc)
        raw[place + sums + 8 : place + sums + 12] = struct.pack("<L", 9)  # says nine bytes
    assert refused(tmp_path, bytes(raw)).code == "DATASET_BROKEN"


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_zip_that_was_cut_off_is_refused(tmp_path: Path, share: float) -> None:
    content = zipped({f"{number}.txt": os.urandom(500) for number in range(20)})
    error = refused(tmp_path, content[: int(len(content) * share)])
    assert error.code == "DATASET_BROKEN"
    assert "ends too early" in str(error.context["details"])


@pytest.mark.parametrize("content", [b"", b"hello", b"\x1f\x8b" + bytes(50), zipped({})])
def test_what_is_no_zip_or_holds_nothing_is_refused(tmp_path: Path, content: bytes) -> None:
    assert refused(tmp_path, content).code == "DATASET_BROKEN"


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_zip_never_escapes_as_another_exception(tmp_path: Path, method: int) -> None:
    seed = 20260101
    rng = random.Random(seed)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for number in range(5):
            archive.writestr(f"d/{number}.txt", rng.randbytes(50))
    good = buffer.getvalue()
    for trial in range(150):
        bad = bytearray(good)
        for _ in range(rng.randint(1, 8)):
            bad[rng.randrange(len(bad))] = rng.randrange(256)
        code = outcome(tmp_path, bytes(bad))
        assert code in (None, "DATASET_BROKEN", "DATASET_TOO_LARGE"), f"seed {seed}, trial {trial}: {code}"
        assert (tmp_path / "out").exists() == (code is None)
        shutil.rmtree(tmp_path / "out", ignore_errors=True)


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small tmpfs needs root")
    try:
        archive = tmp_path / "a.zip"
        archive.write_bytes(zipped({"a/1": os.urandom(40_000), "b/2": os.urandom(40_000)}))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "SPARE", -(10**9))  # so that writing itself fails, not the look beforehand
            with pytest.raises(PlatformError) as caught:
                unpack(archive, small / "out", LIMITS)
        assert caught.value.code == "DISK_FULL"
        assert not (small / "out").exists()
        with pytest.raises(PlatformError) as caught:
            unpack(archive, small / "out", LIMITS)
        assert caught.value.code == "DISK_FULL"
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_work_that_is_called_off_ends_at_the_next_file(tmp_path: Path) -> None:
    class Enough(Exception):
        pass

    calls = []

    def proceed() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise Enough

    (tmp_path / "a.zip").write_bytes(zipped({f"x/{number}": b"" for number in range(9)}))
    with pytest.raises(Enough):
        unpack(tmp_path / "a.zip", tmp_path / "out", LIMITS, proceed)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("names", "kept"),
    [
        (("set/train/a/1.jpg", "set/val/a/1.jpg"), "train/a/1.jpg"),
        (("w/set/data.yaml", "w/set/images/1.jpg"), "data.yaml"),
        (("cat/1.jpg", "cat/2.jpg"), "cat/1.jpg"),
        (("train/a/1.jpg", "train/b/1.jpg"), "train/a/1.jpg"),
        (("__MACOSX/x/._1.jpg", "x/a/1.jpg", "x/b/1.jpg", "x/.DS_Store"), "a/1.jpg"),
    ],
)
def test_wrapper_folders_are_taken_off_and_telling_ones_stay(tmp_path: Path, names: tuple[str, ...], kept: str) -> None:
    found = [file.path for file in unpacked(tmp_path, zipped(dict.fromkeys(names, b"x")))]
    assert kept in found
    assert not any("MACOSX" in path or "DS_Store" in path for path in found)


@pytest.mark.filterwarnings("ignore:Duplicate name")  # a name ends at a NUL for the module that writes it
@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=12), min_size=1, max_size=6, unique=True))
def test_no_name_whatsoever_writes_outside_the_folder(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    base = tmp_path_factory.mktemp("names")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            try:
                archive.writestr(zipfile.ZipInfo(name), b"x")
            except UnicodeEncodeError:
                return
    (base / "inner").mkdir()
    assert outcome(base / "inner", buffer.getvalue()) in (None, "DATASET_BROKEN")
    assert [path.name for path in base.iterdir()] == ["inner"]
    assert sorted(path.name for path in (base / "inner").iterdir()) in (["upload.zip"], ["out", "upload.zip"])
