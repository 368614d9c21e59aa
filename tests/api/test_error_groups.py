"""Error tracking over HTTP: every failure is in a group, people see what is theirs, operators steer."""

import io
import json
import zipfile
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.api.deps import Platform
from app.config import NamedToken, Settings
from tests.conftest import TOKEN, Clock, TrainerService, register_agent
from tests.contract.shape import assert_canonical_error

JOBS = "/api/v1/training-jobs"
GROUPS = "/api/v1/errors/groups"
DAY = 24 * 3600
KEY = "AKIA" + "ABCDEFGHIJKLMNOP"
LOG = f"epoch 1\naws key {KEY}\nRuntimeError: gate 7 is shut\n"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Three people beside the owner."""
    people = {"ann": "user", "ben": "user", "olga": "operator"}
    named = {name: {"token": f"token-of-{name}-1234", "role": role} for name, role in people.items()}
    settings.tokens = {name: NamedToken.model_validate(entry) for name, entry in named.items()}
    return settings


@pytest.fixture
async def ann(app: FastAPI, client: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    async with person(app, "ann") as found:
        yield found


@pytest.fixture
async def ben(app: FastAPI, client: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    async with person(app, "ben") as found:
        yield found


def person(app: FastAPI, name: str) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer token-of-{name}-1234"}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://backend.test", headers=headers)


async def later(platform: Platform, trainer: TrainerService, clock: Clock, seconds: float) -> None:
    """Lets time pass; the agent is still there."""
    clock.move(seconds)
    await register_agent(platform, trainer.url)


async def fail(who: httpx.AsyncClient, platform: Platform, log: str = LOG, **config: Any) -> str:
    """A job of somebody's whose attempt ended with this log; its id."""
    body = {"model": "yolo11n", "dataset_id": "test-dataset", "epochs": 3, **config}
    job_id = str((await who.post(JOBS, json=body)).json()["job_id"])
    await tell(who, platform, job_id, {"status": "failed", "evidence": {"log": log, "exit_code": 1}})
    await platform.occurrences.follow()
    return job_id


async def tell(who: httpx.AsyncClient, platform: Platform, job_id: str, update: dict[str, Any], attempt: int = 1) -> None:
    headers = {"Authorization": f"Bearer {platform.guard.tokens.token(job_id, attempt)}"}
    told = {"attempt": attempt, "seq": 1, **update}
    answer = await who.post(f"{JOBS}/{job_id}/callback", json=told, headers=headers)
    assert answer.status_code == 200, answer.text


async def groups(who: httpx.AsyncClient, **params: Any) -> list[dict[str, Any]]:
    answer = await who.get(GROUPS, params=params)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def test_failures_of_one_kind_are_one_group_with_what_they_hit(
    client: httpx.AsyncClient, platform: Platform, mock_trainer_service: TrainerService, clock: Clock
) -> None:
    first = await fail(client, platform)
    await later(platform, mock_trainer_service, clock, DAY)
    second = await fail(client, platform)
    (group,) = await groups(client, source="job")
    assert (group["count"], group["jobs"], group["users"], group["state"]) == (2, 2, 1, "open")
    assert (group["line"], group["first_seen"][:10], group["last_seen"][:10]) == (
        "RuntimeError: gate 7 is shut", "2026-11-23", "2026-11-24",
    )  # fmt: skip
    assert group["trend"] == {"days": [0] * 12 + [1, 1], "this_week": 2, "last_week": 0, "direction": "new"}
    detail = (await client.get(f"{GROUPS}/{group['group_id']}")).json()
    assert [row["name"] for row in detail["affected_jobs"]] == [second, first]
    assert [row["name"] for row in detail["affected_users"]] == ["owner"]
    assert [row["fingerprint"] for row in detail["fingerprints"]] == [group["fingerprint"]]
    assert [(row["job_id"], row["attempt"]) for row in detail["occurrences"]] == [(second, 1), (first, 1)]
    assert sum(row["count"] for row in detail["hours"]) == sum(row["count"] for row in detail["days"]) == 2


async def test_answers_and_reports_of_the_page_are_groups_too(client: httpx.AsyncClient, platform: Platform) -> None:
    missing = (await client.get(f"{JOBS}/J-404")).json()["error"]
    report = {"name": "TypeError", "message": f"x is undefined, key {KEY}", "stack": "at f (app.js:1:2)", "path": "/a?b=1"}
    told = (await client.post("/api/v1/errors/reports", json=report)).json()
    await platform.occurrences.flush()
    by_source = {group["source"]: group for group in await groups(client)}
    assert by_source["api"]["code"] == "NOT_FOUND"
    assert by_source["api"]["line"].startswith("GET /api/v1/training-jobs/{job_id}: ")
    assert by_source["page"]["line"] == "TypeError: x is undefined, key [redacted]"
    assert (await groups(client, trace_id=missing["trace_id"]))[0]["group_id"] == by_source["api"]["group_id"]
    assert (await groups(client, q=told["trace_id"]))[0]["group_id"] == by_source["page"]["group_id"]
    kept = (await client.get(f"{GROUPS}/{by_source['page']['group_id']}/occurrences")).json()["items"][0]
    assert (kept["endpoint"], kept["report"]["name"], KEY in json.dumps(kept)) == ("/a", "TypeError", False)


async def test_a_resolved_group_that_comes_back_is_regressed_and_an_ignored_one_stays_ignored(
    client: httpx.AsyncClient, platform: Platform, mock_trainer_service: TrainerService, clock: Clock
) -> None:
    heard: list[tuple[str, int]] = []
    platform.occurrences.observers.append(lambda change: heard.append((change.kind, change.group_id)))
    await fail(client, platform)
    (group,) = await groups(client, source="job")
    url = f"{GROUPS}/{group['group_id']}/state"
    await later(platform, mock_trainer_service, clock, 60)
    resolved = (await client.post(url, json={"state": "resolved", "note": "oiled the gate"})).json()
    assert (resolved["state"], resolved["state_by"], resolved["note"]) == ("resolved", "owner", "oiled the gate")
    await later(platform, mock_trainer_service, clock, 60)
    await fail(client, platform)
    assert [row["state"] for row in await groups(client, source="job")] == ["regressed"]
    await client.post(url, json={"state": "ignored"})
    await later(platform, mock_trainer_service, clock, 60)
    await fail(client, platform)
    assert [row["state"] for row in await groups(client, state=["ignored", "open"], source="job")] == ["ignored"]
    assert heard == [("new", group["group_id"]), ("regressed", group["group_id"])]
    assert_canonical_error(await client.post(url, json={"state": "regressed"}), 400)
    history = (await client.get(f"{GROUPS}/{group['group_id']}")).json()["history"]
    assert [(row["state"], row["by"], row["note"]) for row in history] == [
        ("ignored", "owner", None), ("regressed", None, None), ("resolved", "owner", "oiled the gate"),
    ]  # fmt: skip
    assert [row["at"] for row in history] == sorted((row["at"] for row in history), reverse=True)


async def test_a_user_sees_and_steers_only_what_is_theirs_and_operators_all(
    app: FastAPI, client: httpx.AsyncClient, ann: httpx.AsyncClient, ben: httpx.AsyncClient, platform: Platform,
    mock_trainer_service: TrainerService,
) -> None:  # fmt: skip
    of_ann, of_ben = await fail(ann, platform), await fail(ben, platform)
    other = await fail(ben, platform, "ValueError: only ben has this\n")
    assert [group["count"] for group in await groups(ann)] == [1]
    assert sorted(group["count"] for group in await groups(ben, source="job")) == [1, 1]
    async with person(app, "olga") as olga:
        assert sorted(group["count"] for group in await groups(olga, source="job")) == [1, 2]
    theirs = next(group for group in await groups(client, source="job") if group["count"] == 1)
    assert_canonical_error(await ann.get(f"{GROUPS}/{theirs['group_id']}"), 404)
    shared = next(group for group in await groups(client, source="job") if group["count"] == 2)
    detail = (await ann.get(f"{GROUPS}/{shared['group_id']}")).json()
    assert [row["name"] for row in detail["affected_jobs"]] == [of_ann]
    assert [row["job_id"] for row in detail["occurrences"]] == [of_ann]
    assert (detail["affected_users"], detail["entities"], detail["users"]) == ([], [], None)
    assert_canonical_error(await ann.post(f"{GROUPS}/{shared['group_id']}/state", json={"state": "resolved"}), 403)
    assert_canonical_error(await ann.get("/api/v1/system/alerts"), 403)
    for path in (of_ben, f"{of_ben}/attempts", f"{of_ben}/logs", f"{of_ben}/similar", f"{of_ben}/support-bundle", "J-404"):
        assert_canonical_error(await ann.get(f"{JOBS}/{path}"), 403)
    assert_canonical_error(await ann.post(f"{JOBS}/{other}/retry"), 403)
    assert [job["job_id"] for job in (await ann.get(JOBS)).json()["items"]] == [of_ann]
    assert (await ann.get(f"{JOBS}/{of_ann}")).json()["created_by"] == "ann"
    assert (await ann.get("/api/v1/session")).json()["role"] == "user"


async def test_what_fixed_a_failure_before_is_told_with_the_next_one(
    client: httpx.AsyncClient, platform: Platform, mock_trainer_service: TrainerService
) -> None:
    for number in range(4):
        job_id = await fail(client, platform, batch_size=32)
        patch = [{"op": "replace", "path": "/batch_size", "value": 16}] if number < 3 else []
        retried = (await client.post(f"{JOBS}/{job_id}/retry", json={"patch": patch})).json()["job_id"]
        await platform.driver.start_now(retried, 15)
        if number < 2:
            await tell(client, platform, retried, {"status": "succeeded", "result": {"metrics": {}}})
        else:
            await tell(client, platform, retried, {"status": "failed", "evidence": {"log": LOG, "exit_code": 1}})
    latest = await fail(client, platform, batch_size=32)
    similar = (await client.get(f"{JOBS}/{latest}/similar")).json()
    assert similar["fix"]["text"] == "2 of 4 were fixed by batch 16"
    assert similar["fix"]["patch"] == {"batch_size": 16}
    assert similar["this_week"] == 7
    assert latest not in [job["job_id"] for job in similar["jobs"]]
    assert len(similar["jobs"]) == 6


async def test_a_support_bundle_holds_what_its_preview_shows_and_no_secret(
    client: httpx.AsyncClient, platform: Platform, mock_trainer_service: TrainerService
) -> None:
    job_id = await fail(client, platform)
    preview = (await client.get(f"{JOBS}/{job_id}/support-bundle/preview")).json()
    answer = await client.get(f"{JOBS}/{job_id}/support-bundle")
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        files = {name.split("/", 1)[1]: archive.read(name).decode() for name in archive.namelist()}
    assert files == {part["name"]: part["text"] for part in preview["files"]}
    assert list(files) == [
        "summary.md", "evidence.json", "configuration.json", "versions.json", "log-tail.txt", "timeline.json",
        "attempts.json", "job.json",
    ]  # fmt: skip
    assert KEY not in str(files)
    assert TOKEN not in str(files)
    assert preview["redactions"] >= 2
    assert "RuntimeError: gate 7 is shut" in files["summary.md"]
    assert json.loads(files["configuration.json"])["asked_for"]["epochs"] == 3


async def test_the_digest_tells_what_a_week_was_like(
    client: httpx.AsyncClient, platform: Platform, mock_trainer_service: TrainerService, clock: Clock
) -> None:
    await fail(client, platform)
    await later(platform, mock_trainer_service, clock, 7 * DAY)
    await fail(client, platform)
    await fail(client, platform, "ValueError: something else\n")
    digest = (await client.get("/api/v1/errors/digest")).json()
    assert (digest["total"], digest["before"], digest["failed_jobs"]) == (2, 1, 2)
    assert [row["line"] for row in digest["new"]] == ["ValueError: something else"]
    assert "2 failures, +100% against the week before" in digest["text"]


async def test_a_failure_that_is_judged_anew_moves_to_its_new_group(
    client: httpx.AsyncClient, platform: Platform, mock_trainer_service: TrainerService
) -> None:
    await fail(client, platform)
    job_id = await fail(client, platform)
    (old,) = await groups(client, source="job")
    rule = {"label": "gate", "pattern": r"gate \d+ is shut", "code": "GPU_HARDWARE_FAULT"}
    assert (await client.post("/api/v1/rules", json=rule)).status_code == 201
    assert (await client.post(f"{JOBS}/{job_id}/attempts/1/diagnose")).json()["changed"]
    await platform.occurrences.follow()
    found = {group["code"]: (group["count"], group["jobs"]) for group in await groups(client, source="job")}
    assert found == {old["code"]: (1, 1), "GPU_HARDWARE_FAULT": (1, 1)}
    assert (await client.get(f"{JOBS}/{job_id}/similar")).json()["group"]["code"] == "GPU_HARDWARE_FAULT"


async def test_two_bugs_of_one_route_are_two_groups_and_two_of_a_kind_one(
    client: httpx.AsyncClient, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    for raised in (KeyError("a"), KeyError("b"), ZeroDivisionError()):

        async def broken(*_: Any, raised: Exception = raised, **__: Any) -> None:
            raise raised

        monkeypatch.setattr(platform.reader, "page", broken)
        assert (await client.get(JOBS)).status_code == 500
    await platform.occurrences.flush()
    found = {group["line"]: group["count"] for group in await groups(client, code="SYSTEM_ERROR")}
    assert found == {"KeyError in GET /api/v1/training-jobs": 2, "ZeroDivisionError in GET /api/v1/training-jobs": 1}
