"""Files of attempts are there as a whole or not at all; weights of users are kept."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient, Response

from app.api.deps import Platform
from tests.api.test_training import JOBS, running, tell
from tests.conftest import TrainerService

WEIGHTS = "/api/v1/weights"


def files(platform: Platform, prefix: str) -> list[Path]:
    return [path for path in (platform.settings.home / "storage" / prefix).rglob("*") if path.is_file()]


async def put(
    client: AsyncClient, job_id: str, headers: dict[str, str], content: Any, told: bytes | None = None
) -> Response:
    digest = hashlib.sha256(told if told is not None else content).hexdigest()
    more = {**headers, "X-Content-SHA256": digest, "X-Artifact-Role": "checkpoint", "X-Artifact-Epoch": "1"}
    return await client.put(f"{JOBS}/{job_id}/attempts/1/artifacts/last.pt", content=content, headers=more)


async def test_a_new_version_replaces_the_old_one(
    client: AsyncClient, mock_trainer_service: TrainerService, platform: Platform
) -> None:
    job_id, headers = await running(client, mock_trainer_service)
    for content in (b"first", b"second", b"second"):
        assert (await put(client, job_id, headers, content)).status_code == 201
        answer = await client.get(f"{JOBS}/{job_id}/artifacts/last.pt")
        assert answer.content == content
        assert answer.headers["X-Content-SHA256"] == hashlib.sha256(content).hexdigest()
        assert len(files(platform, f"jobs/{job_id}/1/artifacts")) == 1


async def test_a_damaged_upload_is_refused_and_leaves_the_good_version(
    client: AsyncClient, mock_trainer_service: TrainerService, platform: Platform
) -> None:
    job_id, headers = await running(client, mock_trainer_service)
    await put(client, job_id, headers, b"good")
    for told in (b"other", b"good"):
        response = await put(client, job_id, headers, b"damaged", told)
        assert (response.status_code, response.json()["error"]["code"]) == (400, "VALIDATION_FAILED")
    assert (await client.get(f"{JOBS}/{job_id}/artifacts/last.pt")).content == b"good"
    assert files(platform, "uploads") == []


async def test_a_late_upload_changes_nothing(
    client: AsyncClient, mock_trainer_service: TrainerService, platform: Platform
) -> None:
    job_id, headers = await running(client, mock_trainer_service)
    await put(client, job_id, headers, b"good")
    await tell(client, job_id, headers, {"status": "succeeded", "attempt": 1, "seq": 2, "result": {"metrics": {}}})
    response = await put(client, job_id, headers, b"late")
    assert (response.status_code, response.json()["error"]["code"]) == (409, "CONFLICT")
    assert (await client.get(f"{JOBS}/{job_id}/artifacts/last.pt")).content == b"good"
    assert len(files(platform, f"jobs/{job_id}/1/artifacts")) == 1


async def test_more_than_the_limit_is_refused(
    client: AsyncClient, mock_trainer_service: TrainerService, platform: Platform
) -> None:
    platform.settings.artifact_max_bytes = 10
    job_id, headers = await running(client, mock_trainer_service)

    async def body() -> AsyncIterator[bytes]:
        yield b"x" * 8
        yield b"x" * 8

    response = await put(client, job_id, headers, body(), b"x")
    assert (response.status_code, response.json()["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert (await client.get(f"{JOBS}/{job_id}/artifacts/last.pt")).status_code == 404


async def test_weights_are_kept_under_name_and_digest(client: AsyncClient, platform: Platform) -> None:
    for _ in range(2):
        added = (await client.post(WEIGHTS, params={"name": "My Best.pt"}, content=b"weights")).json()
    digest = hashlib.sha256(b"weights").hexdigest()
    assert added["weights_id"] == f"my-best-pt-{digest[:8]}"
    assert [item["sha256"] for item in (await client.get(WEIGHTS)).json()["items"]] == [digest]
    answer = await client.get(f"{WEIGHTS}/{added['weights_id']}/content")
    assert answer.content == b"weights"
    assert answer.headers["X-Content-SHA256"] == digest
    long = (await client.post(WEIGHTS, params={"name": "n" * 120}, content=b"w")).json()
    assert len(long["weights_id"]) <= 80


async def test_weights_that_are_empty_too_large_or_unknown_are_refused(client: AsyncClient, platform: Platform) -> None:
    response = await client.post(WEIGHTS, params={"name": "x"}, content=b"")
    assert (response.status_code, response.json()["error"]["code"]) == (400, "VALIDATION_FAILED")
    platform.settings.weights_max_bytes = 10
    response = await client.post(WEIGHTS, params={"name": "x"}, content=b"x" * 11)
    assert (response.status_code, response.json()["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert (await client.get(f"{WEIGHTS}/none/content")).status_code == 404


@pytest.mark.parametrize("name", ["../x", "a/../b", ".hidden", "a b", ""])
async def test_a_name_that_leads_elsewhere_is_refused(
    client: AsyncClient, mock_trainer_service: TrainerService, name: str
) -> None:
    job_id, headers = await running(client, mock_trainer_service)
    more = {**headers, "X-Content-SHA256": "0" * 64, "X-Artifact-Role": "table"}
    path = f"{JOBS}/{job_id}/attempts/1/artifacts/" + name.replace("..", "%2e%2e")
    response = await client.put(path, content=b"x", headers=more)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "VALIDATION_FAILED")
    assert response.json()["error"]["errors"][0]["pointer"] == "#/name"


async def test_an_unknown_role_is_refused(client: AsyncClient, mock_trainer_service: TrainerService) -> None:
    job_id, headers = await running(client, mock_trainer_service)
    more = {**headers, "X-Content-SHA256": "0" * 64, "X-Artifact-Role": "malware"}
    response = await client.put(f"{JOBS}/{job_id}/attempts/1/artifacts/a.pt", content=b"x", headers=more)
    assert (response.status_code, response.json()["error"]["errors"][0]["pointer"]) == (400, "#/role")
