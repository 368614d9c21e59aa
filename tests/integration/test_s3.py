"""What a user sees, and what becomes of the files, when a real S3 server fails in each of its ways."""

import asyncio
import hashlib
import os
import resource
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest

from app.clients.storage import Storage, blob_key
from app.core.errors import PlatformError
from app.core.timing import TestTiming
from tests.core.servers import ObjectStore, closing
from tests.integration.faults_table import Record
from tests.integration.proxy import FaultProxy, http_answer

MIB = 1 << 20
SLOW_DOWN = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
INTERNAL = b"<?xml version='1.0'?><Error><Code>InternalError</Code><Message>We encountered an error.</Message></Error>"


@pytest.fixture
def proxy(object_store: ObjectStore, proxied: Callable[[int], FaultProxy]) -> FaultProxy:
    """What stands between the backend and its object store."""
    return proxied(object_store.ports[0])


@pytest.fixture
def storage(object_store: ObjectStore, proxy: FaultProxy, s3_url: str, monkeypatch: pytest.MonkeyPatch) -> Storage:
    """The store behind the proxy, with little patience."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    monkeypatch.setattr("app.clients.storage.CONNECT_SECONDS", 1)
    monkeypatch.setattr("app.clients.storage.TIMEOUT_SECONDS", 1)
    return Storage(s3_url)


@pytest.fixture
def own_store(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    """A server of the test's own, which it may kill or fill."""
    with closing(ObjectStore()) as server:
        server.wait_for_bucket()
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        yield server


async def fails(work: Callable[[], Awaitable[Any]]) -> tuple[PlatformError, float]:
    """How it failed, and after how many seconds."""
    began = time.monotonic()
    with pytest.raises(PlatformError) as caught:
        await work()
    return caught.value, time.monotonic() - began


def tell(record: Record, fault: str, error: PlatformError, did: str, seconds: float) -> None:
    """Puts a failure into the table."""
    record("S3", fault, error.code, f"500: {error.user_message}", did, seconds)


async def stream(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def test_faults_that_pass_are_waited_for_and_the_file_is_whole(
    storage: Storage, proxy: FaultProxy, record_fault: Record, no_waiting: TestTiming
) -> None:
    content = os.urandom(3 * MIB)
    for fault, answers, did in (
        ("SlowDown", [http_answer("503 Slow Down", SLOW_DOWN)] * 2, "waited and tried again, twice"),
        ("5xx", [http_answer("500 Internal Server Error", INTERNAL)], "waited and tried again"),
        ("429 with Retry-After", [http_answer("429 Too Many Requests", b"", Retry_After="3")], "waited and tried again"),
    ):
        proxy.reset()
        before = len(no_waiting.waits)
        proxy.faults.answers = list(answers)
        began = time.monotonic()
        await storage.put_bytes("a", content)
        assert proxy.faults.answers == []
        assert len(no_waiting.waits) - before == len(answers)
        assert await storage.read_bytes("a") == content
        record_fault("S3", fault, None, "nothing", did, time.monotonic() - began)


async def test_faults_that_stay_are_told_after_three_tries_and_what_was_there_stays(
    storage: Storage, proxy: FaultProxy, record_fault: Record
) -> None:
    await storage.put_bytes("kept", b"kept")
    did = "tried three times; what was stored before stays"
    for fault, begin in (
        ("refused", proxy.refuse),
        ("black hole", proxy.hold),
        ("garbage answer", lambda: (setattr(proxy.faults, "garbage", b"SSH-2.0-this is no HTTP\r\n"), proxy.reset())),
    ):
        begin()
        error, seconds = await fails(lambda: storage.put_bytes("kept", b"changed"))
        assert error.code == "STORAGE_ERROR"
        proxy.heal()
        proxy.reset()
        assert await storage.read_bytes("kept") in (b"kept", b"changed")
        tell(record_fault, fault, error, did, seconds)


async def test_a_cut_download_is_told_and_no_half_file_is_taken_for_a_whole_one(
    storage: Storage, proxy: FaultProxy, record_fault: Record
) -> None:
    content = os.urandom(4 * MIB)
    await storage.put_bytes("a", content)
    proxy.reset()
    proxy.faults.cut_after = MIB
    got = b""

    async def read() -> None:
        nonlocal got
        async for piece in await storage.get_stream("a"):
            got += piece

    error, seconds = await fails(read)
    assert error.code == "STORAGE_ERROR"
    assert content.startswith(got)
    assert len(got) < len(content)
    tell(record_fault, "reset in mid-answer", error, "gave up: a stream that was begun cannot begin anew", seconds)


async def test_a_slow_store_is_waited_for(storage: Storage, proxy: FaultProxy, record_fault: Record) -> None:
    proxy.faults.latency = 0.02
    began = time.monotonic()
    await storage.put_bytes("a", os.urandom(MIB))
    record_fault("S3", "slow", None, "the file, later", "waited", time.monotonic() - began)


async def test_wrong_keys_and_a_missing_bucket_are_told_at_once(
    storage: Storage,
    object_store: ObjectStore,
    record_fault: Record,
    no_waiting: TestTiming,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    error, seconds = await fails(lambda: Storage("s3://no-such-bucket").read_bytes("a"))
    assert error.code == "STORAGE_ERROR"
    tell(record_fault, "missing bucket", error, "did not try again: that would not help; it is no missing file", seconds)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    error, seconds = await fails(lambda: Storage(f"s3://{object_store.bucket}").read_bytes("a"))
    assert error.code == "STORAGE_ERROR"
    tell(record_fault, "wrong credentials", error, "did not try again: that would not help", seconds)
    assert no_waiting.waits == []


async def test_a_killed_store_fails_what_it_was_doing_and_goes_on_when_it_is_back(
    own_store: ObjectStore, record_fault: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.clients.storage.TIMEOUT_SECONDS", 2)
    storage = Storage(f"s3://{own_store.bucket}")
    await storage.put_bytes("kept", b"kept")
    own_store.kill()
    error, _ = await fails(lambda: storage.read_bytes("kept"))
    began = time.monotonic()
    await asyncio.to_thread(own_store.start)
    await asyncio.to_thread(own_store.wait_for_bucket)
    assert await storage.read_bytes("kept") == b"kept"
    seconds = time.monotonic() - began
    tell(record_fault, "killed and restarted", error, "went on when it was back; what was stored is there", seconds)


async def test_a_full_store_is_told_what_was_there_stays_and_there_is_room_again(
    own_store: ObjectStore, record_fault: Record
) -> None:
    storage, content = Storage(f"s3://{own_store.bucket}"), os.urandom(MIB)
    await storage.put_bytes("kept", content)
    own_store.fill(full=True)
    error, seconds = await fails(lambda: storage.put_bytes("new", content))
    with pytest.raises(PlatformError):
        await storage.put_bytes("kept", b"changed")
    assert await storage.read_bytes("kept") == content
    assert not await storage.exists("new")
    own_store.fill(full=False)
    await storage.put_bytes("new", content)
    assert await storage.read_bytes("new") == content
    did = "tried three times; what was stored before stays, and files are taken again when there is room"
    tell(record_fault, "full", error, did, seconds)


async def test_three_hundred_megabytes_pass_with_flat_memory(object_store: ObjectStore, s3_url: str) -> None:
    storage = Storage(s3_url)
    piece, digest, count = os.urandom(MIB), hashlib.sha256(), 300

    async def content() -> AsyncIterator[bytes]:
        for _ in range(count):
            digest.update(piece)
            yield piece

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    stored = await storage.put_stream("big", content())
    got, size = hashlib.sha256(), 0
    async for part in await storage.get_stream("big"):
        got.update(part)
        size += len(part)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert stored.size == size == count * MIB
    assert stored.sha256 == digest.hexdigest() == got.hexdigest()
    assert grown < 150, f"{grown:.0f} MiB more"
    await storage.delete("big")


async def test_a_file_that_was_changed_in_the_store_is_not_handed_out_as_whole(
    storage: Storage, record_fault: Record
) -> None:
    content = os.urandom(2 * MIB)
    sha256, _ = await storage.put_blob(stream(content))
    assert b"".join([piece async for piece in await storage.get_blob(sha256)]) == content
    await storage.put_bytes(blob_key(sha256), content[:-1] + bytes([content[-1] ^ 1]))
    got = bytearray()

    async def read() -> None:
        async for piece in await storage.get_blob(sha256):
            got.extend(piece)

    error, seconds = await fails(read)
    assert error.code == "STORAGE_ERROR"
    assert len(got) < len(content)
    did = "cut the download before its end, so that nobody takes it for whole; the log names the file"
    tell(record_fault, "wrong checksum", error, did, seconds)


async def test_big_files_go_straight_to_and_from_the_store_for_a_time(storage: Storage, object_store: ObjectStore) -> None:
    content = os.urandom(MIB)
    put, get = [await storage.address("direct", method, 60) for method in ("PUT", "GET")]  # type: ignore[arg-type]
    assert put is not None
    assert get is not None
    async with httpx.AsyncClient() as client:
        assert (await client.put(put, content=content)).status_code == 200
        assert await storage.read_bytes("direct") == content
        assert (await client.get(get)).content == content
        assert (await client.put(get, content=b"x")).status_code == 403
        late = await storage.address("direct", "GET", 1)
        assert late is not None
        expired = late.replace("X-Amz-Expires=1&", "X-Amz-Expires=0&")
        assert (await client.get(expired)).status_code in (400, 403)
