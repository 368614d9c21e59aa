"""Objects in a folder, in memory and on a real S3 server: the same behaviour, and what failures become."""

import hashlib
import os
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from app.clients.storage import Storage, blob_key
from app.clients.storage_errors import storage_errors
from app.core.classify import classify
from app.core.errors import PlatformError, StorageError
from app.core.timing import TestTiming
from tests.core.servers import ObjectStore, closing
from tests.integration.servers import need_object_store

MIB = 1 << 20


@pytest.fixture
def s3(object_store: ObjectStore, s3_environment: dict[str, str]) -> ObjectStore:
    """The shared SeaweedFS server; its address and keys are in the environment."""
    return object_store


@pytest.fixture(params=["folder", "memory", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """A store of each kind; none of them knows a key of another test."""
    if request.param == "s3":
        server: ObjectStore = request.getfixturevalue("s3")
        return Storage(f"s3://{server.bucket}/{tmp_path.name}")
    return Storage("memory:" if request.param == "memory" else f"file://{tmp_path / 'objects'}")


async def stream(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def whole(content: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in content])


@pytest.mark.parametrize("key", ["a/b.bin", "with space/ünï ñ.bin", "50%25/plus+&?.bin"])
async def test_a_stream_comes_back_as_it_was_with_its_digest_and_size(storage: Storage, key: str) -> None:
    pieces = [os.urandom(3 * MIB) for _ in range(7)]
    stored = await storage.put_stream(key, stream(*pieces))
    content = b"".join(pieces)
    assert stored.sha256 == hashlib.sha256(content).hexdigest()
    assert stored.size == len(content)
    assert await whole(await storage.get_stream(key)) == content


async def test_an_empty_object_is_an_object(storage: Storage) -> None:
    stored = await storage.put_stream("empty", stream())
    assert stored.size == 0
    assert await storage.read_bytes("empty") == b""
    assert await storage.exists("empty")


async def test_a_stream_that_breaks_leaves_nothing_and_its_own_error(storage: Storage) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        yield os.urandom(9 * MIB)
        raise PlatformError.from_code("DATASET_TOO_LARGE", {"size_gb": 2, "limit_gb": 1})

    with pytest.raises(PlatformError) as caught:
        await storage.put_stream("uploads/big", breaking())
    assert caught.value.code == "DATASET_TOO_LARGE"
    assert not await storage.exists("uploads/big")
    if storage.url.startswith("file:"):
        folder = Path(storage.url.removeprefix("file://"))
        assert [path for path in folder.rglob("*") if path.is_file()] == []


async def test_an_object_is_replaced_as_a_whole(storage: Storage) -> None:
    await storage.put_bytes("a", b"first and long")
    await storage.put_bytes("a", b"second")
    assert await storage.read_bytes("a") == b"second"


async def test_what_is_missing_is_not_found_before_the_first_piece(storage: Storage) -> None:
    for look in (storage.read_bytes, storage.get_stream):
        with pytest.raises(PlatformError) as caught:
            await look("jobs/J-1/none")
        assert caught.value.code == "NOT_FOUND"
        assert caught.value.context["resource_id"] == "none"
    assert not await storage.exists("none")
    await storage.delete("none")
    await storage.delete_tree("none")


async def test_the_same_content_is_kept_once_under_its_digest(storage: Storage, tmp_path: Path) -> None:
    digest, size = await storage.put_blob(stream(b"one ", b"two"))
    assert (digest, size) == (hashlib.sha256(b"one two").hexdigest(), 7)
    file = tmp_path / "same"
    file.write_bytes(b"one two")
    await storage.put_blob_file(digest, file)
    assert (await storage.put_blob(stream(b"one two")))[0] == digest
    assert await whole(await storage.get_blob(digest)) == b"one two"
    assert not await storage.exists("uploads")


async def test_many_files_are_kept_by_their_contents(storage: Storage, tmp_path: Path) -> None:
    contents = {hashlib.sha256(text).hexdigest(): text for text in (b"", b"one", os.urandom(MIB))}
    files = []
    for number, (digest, text) in enumerate(contents.items()):
        (tmp_path / str(number)).write_bytes(text)
        files.append((digest, tmp_path / str(number)))
    for _ in range(2):
        await storage.put_blob_files(files)
    for _, path in files:
        path.unlink()
    for digest, text in contents.items():
        assert await whole(await storage.get_blob(digest)) == text


async def test_files_of_another_file_system_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    storage = Storage(f"file://{tmp_path / 'objects'}")
    (tmp_path / "f").write_bytes(b"content")
    digest = hashlib.sha256(b"content").hexdigest()
    await storage.put_blob_files([(digest, tmp_path / "f")])
    assert await whole(await storage.get_blob(digest)) == b"content"
    assert [path.name for path in (tmp_path / "objects").rglob("*") if path.is_file()] == [digest]


async def test_a_blob_that_is_there_is_not_sent_again(storage: Storage, tmp_path: Path) -> None:
    digest, _ = await storage.put_blob(stream(b"x"))
    await storage.put_blob_file(digest, tmp_path / "no such file")


async def test_only_what_lies_below_a_prefix_is_removed(storage: Storage) -> None:
    for key in ("datasets/a/1", "datasets/a/b/2", "datasets/ab/3", "blobs/4"):
        await storage.put_bytes(key, b"x")
    await storage.delete_tree("datasets/a")
    there = [await storage.exists(key) for key in ("datasets/a/1", "datasets/a/b/2", "datasets/ab/3", "blobs/4")]
    assert there == [False, False, True, True]


async def test_a_file_is_stored_as_an_object(storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"content")
    await storage.put_file("f", tmp_path / "f")
    assert await storage.read_bytes("f") == b"content"


def test_blobs_are_spread_over_folders() -> None:
    assert blob_key("abcd") == "blobs/ab/abcd"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small tmpfs needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


async def test_a_full_disk_is_told_and_what_was_there_stays(small_disk: Path, no_waiting: TestTiming) -> None:
    storage = Storage(f"file://{small_disk}")
    await storage.put_bytes("kept", b"kept")
    content = os.urandom(3 * MIB)
    big = small_disk.parent / "big"
    big.write_bytes(content)
    for put in (
        lambda: storage.put_bytes("big", content),
        lambda: storage.put_stream("big", stream(content, content, content)),
        lambda: storage.put_blob(stream(content)),
        lambda: storage.put_file("big", big),
    ):
        with pytest.raises(PlatformError) as caught:
            await put()
        assert caught.value.code == "DISK_FULL"
    assert no_waiting.waits == []
    assert await storage.read_bytes("kept") == b"kept"
    await storage.put_bytes("small", b"there is room again")


async def test_a_refusal_by_the_server_is_a_storage_error_and_not_tried_again(
    s3: ObjectStore, no_waiting: TestTiming, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    storage = Storage(f"s3://{s3.bucket}")
    for call in (lambda: storage.read_bytes("a"), lambda: storage.put_bytes("a", b"x"), lambda: storage.exists("a")):
        with pytest.raises(StorageError) as caught:
            await call()
        assert caught.value.code == "STORAGE_ERROR"
        assert not classify(caught.value).retryable
    assert no_waiting.waits == []


async def test_a_missing_bucket_is_a_storage_error_not_a_missing_object(s3: ObjectStore, no_waiting: TestTiming) -> None:
    with pytest.raises(StorageError):
        await Storage("s3://no-such-bucket").read_bytes("a")
    assert no_waiting.waits == []


async def test_a_server_that_is_gone_is_tried_three_times_and_told(
    no_waiting: TestTiming, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"), ("AWS_ACCESS_KEY_ID", "k"), ("AWS_SECRET_ACCESS_KEY", "s"),
        ("AWS_REGION", "us-east-1"),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    storage = Storage("s3://bucket")
    with pytest.raises(StorageError) as caught:
        await storage.read_bytes("a")
    assert len(no_waiting.waits) == 2
    assert "3 of 3" in caught.value.__notes__[0]
    begun = time.monotonic()
    with pytest.raises(StorageError):
        await storage.put_stream("a", stream(b"x"))  # cannot be repeated from here; its parts were
    assert len(no_waiting.waits) == 2
    assert time.monotonic() - begun < 10


@pytest.fixture
def own_s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    """A server that the test may end; its address and keys are in the environment."""
    need_object_store()
    with closing(ObjectStore()) as server:
        server.wait_for_bucket()
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        yield server


async def test_a_server_killed_within_a_stream_ends_it_with_a_storage_error(
    no_waiting: TestTiming, own_s3: ObjectStore
) -> None:
    storage = Storage(f"s3://{own_s3.bucket}/last")
    await storage.put_stream("a", stream(*(os.urandom(8 * MIB) for _ in range(6))))
    content = await storage.get_stream("a")
    await anext(content)
    own_s3.kill()
    with pytest.raises(StorageError):
        await whole(content)
    with pytest.raises(StorageError):
        await storage.exists("a")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (FileNotFoundError(2, "none"), "NOT_FOUND"),
        (OSError(28, "No space left on device"), "DISK_FULL"),
        (PermissionError(13, "denied"), "STORAGE_ERROR"),
        (ConnectionResetError(104, "reset"), "STORAGE_ERROR"),
    ],
)
def test_each_failure_has_its_code(error: Exception, code: str) -> None:
    with pytest.raises(PlatformError) as caught, storage_errors("get", "secret/key"):
        raise error
    assert caught.value.code == code
    assert caught.value.__cause__ is error
