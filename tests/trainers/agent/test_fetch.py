"""Bringing data here: whole, once, safely."""

import asyncio
import io
import tarfile
from pathlib import Path

import httpx2
import pytest

from tests.trainers.fakes import URL, FakeBackend, archive, error_answer, spec_of
from trainers.agent.backend import BackendAway, BackendRefuses
from trainers.agent.fetch import DamagedDownload, data_set, single_file

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.fixture
def fake() -> FakeBackend:
    return FakeBackend()


async def test_a_data_set_is_fetched_once_for_all_attempts(fake: FakeBackend, tmp_path: Path) -> None:
    fake.files["/archive"] = archive({"train/a/1.txt": b"x"})
    backend = fake.backend()
    found = await asyncio.gather(*(data_set(backend, spec_of(), tmp_path) for _ in range(3)))
    assert (found[0] / "train/a/1.txt").read_bytes() == b"x"
    before = len(fake.calls)
    assert await data_set(backend, spec_of(), tmp_path) == found[0]
    assert len(fake.calls) == before
    assert [path.name for path in tmp_path.iterdir()] == ["d1"]


@pytest.mark.parametrize("content", [b"", b"no tar", archive({"a": b"x" * 10_000})[:3000]])
async def test_a_damaged_archive_is_told_and_leaves_nothing(fake: FakeBackend, tmp_path: Path, content: bytes) -> None:
    fake.files["/archive"] = content
    with pytest.raises(DamagedDownload):
        await data_set(fake.backend(), spec_of(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def linked() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo("out")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc"
        tar.addfile(entry)
    return buffer.getvalue()


@pytest.mark.parametrize("content", [archive({"../out.txt": b"x"}), linked()])
async def test_an_archive_that_reaches_out_is_refused(fake: FakeBackend, tmp_path: Path, content: bytes) -> None:
    fake.files["/archive"] = content
    with pytest.raises(DamagedDownload):
        await data_set(fake.backend(), spec_of(), tmp_path / "cache")
    assert not (tmp_path / "out.txt").exists()


async def test_a_file_is_checked_against_its_digest_and_kept(fake: FakeBackend, tmp_path: Path) -> None:
    fake.files["/w"] = b"abc"
    wanted = {"url": f"{URL}/w", "sha256": ABC}
    target = tmp_path / "weights.pt"
    assert (await single_file(fake.backend(), wanted, "t", target)).read_bytes() == b"abc"
    fake.files["/w"] = b"changed"
    assert (await single_file(fake.backend(), wanted, "t", target)).read_bytes() == b"abc"


async def test_a_file_with_another_digest_never_gets_its_name(fake: FakeBackend, tmp_path: Path) -> None:
    fake.files["/w"] = b"abd"
    with pytest.raises(DamagedDownload, match=r"weights\.pt"):
        await single_file(fake.backend(), {"url": f"{URL}/w", "sha256": ABC}, "t", tmp_path / "weights.pt")
    assert not (tmp_path / "weights.pt").exists()


async def test_a_download_that_breaks_off_is_a_backend_that_is_away(fake: FakeBackend, tmp_path: Path) -> None:
    def breaks(_request: httpx2.Request) -> httpx2.Response:
        async def content():
            yield b"some"
            message = "closed"
            raise httpx2.ReadError(message)

        return httpx2.Response(200, content=content())

    fake.fault = breaks
    with pytest.raises(BackendAway):
        await data_set(fake.backend(), spec_of(), tmp_path)
    assert list(tmp_path.iterdir()) == []


async def test_a_refusal_keeps_its_code(fake: FakeBackend, tmp_path: Path) -> None:
    fake.fault = lambda _: error_answer(403, "FORBIDDEN")
    with pytest.raises(BackendRefuses) as caught:
        await data_set(fake.backend(), spec_of(), tmp_path)
    assert (caught.value.status, caught.value.code) == (403, "FORBIDDEN")
