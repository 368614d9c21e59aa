"""Big files go straight into S3 and out of it: by the command line and the API, with a backend that only signs."""

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.cli.app import run
from app.clients.storage import Storage
from tests.conftest import classification_zip
from tests.core.servers import ObjectStore
from tests.integration.proxy import FaultProxy, fault_proxy
from tests.running import RunningPlatform
from tests.waiting import until

KIB = 1 << 10
PIECE = 600


@pytest.fixture
def proxy(object_store: ObjectStore) -> Iterator[FaultProxy]:
    """What stands before the store."""
    with fault_proxy(object_store.ports[0]) as found:
        yield found


@pytest.fixture
def backend(
    tmp_path: Path, object_store: ObjectStore, proxy: FaultProxy, s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RunningPlatform]:
    """A backend process on S3; its small pieces make a small file a big one."""
    platform = RunningPlatform(tmp_path / "home", STORAGE_URL=s3_url, **object_store.environment(proxy.url))
    platform.start("backend")
    for name, value in {"VTP_URL": platform.url, "VTP_TOKEN": "token", "VTP_HOME": str(tmp_path / "cli")}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("app.cli.direct.PIECE", PIECE)
    monkeypatch.setattr("app.cli.direct.WORTH_IT", 0)
    monkeypatch.setattr("app.cli.direct.WAIT_SECONDS", 0)
    until(lambda: httpx.get(f"{platform.url}/api/v1/system/health/ready").is_success, "the backend", 60)
    yield platform
    platform.kill("backend")


async def test_a_file_goes_in_pieces_past_the_backend_and_goes_on_where_it_was_cut_off(
    backend: RunningPlatform, proxy: FaultProxy, s3_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    file = tmp_path / "mine.zip"
    file.write_bytes(classification_zip(per_class=20))
    pieces = -(-file.stat().st_size // PIECE)
    put: list[str] = []
    import httpx2

    really = httpx2.put

    def counted(url: str, **more: object) -> httpx2.Response:
        put.append(url)
        if len(put) == 3:
            proxy.faults.cut_at = b"PUT "
        if len(put) == 6:
            raise KeyboardInterrupt  # the user closes the lid
        return really(url, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(httpx2, "put", counted)
    assert await _thread("datasets", "add", str(file)) != 0
    assert await _thread("datasets", "add", str(file)) == 0
    assert "going on at" in capsys.readouterr().err
    # Every piece went to the store itself: once, but for the one whose answer was lost and the one that was not sent.
    assert len(put) == pieces + 2
    assert all(url.startswith(proxy.url) for url in put)
    store = Storage(s3_url)
    assert not [key for key in await store.sizes("pieces") if not key.endswith("note.json")]
    async with httpx.AsyncClient(base_url=backend.url, headers={"Authorization": "Bearer token"}) as client:
        assert (await client.get("/api/v1/datasets/mine")).json()["status"] == "ready"


async def test_a_file_that_was_changed_on_its_way_is_refused(backend: RunningPlatform) -> None:
    content = os.urandom(10 * KIB)
    headers = {"Authorization": "Bearer token"}
    async with httpx.AsyncClient(base_url=f"{backend.url}/api/v1", headers=headers) as client, httpx.AsyncClient() as bare:
        begun = (await client.post("/uploads", json={"name": "x", "bytes": len(content)})).json()
        path = f"/uploads/{begun['upload_id']}"
        early = await client.post(f"{path}/complete")
        assert (early.status_code, early.json()["error"]["code"]) == (409, "CONFLICT")
        url = (await client.get(f"{path}/pieces/0")).json()["url"]
        assert (await bare.put(url, content=content)).status_code == 200
        wrong = await client.post(f"{path}/complete", params={"sha256": "0" * 64})
        assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "VALIDATION_FAILED")
        assert (await client.get("/datasets")).json()["items"] == []


async def _thread(*arguments: str) -> int:
    import asyncio

    return await asyncio.to_thread(run, list(arguments))
