"""Operators' rules: tried before they count, asked in every diagnosis, accounted for; old failures judged again."""

from typing import Any

import httpx
import pytest

from app.api.deps import Platform
from tests.conftest import Clock, TrainerService
from tests.contract.shape import assert_canonical_error

JOBS = "/api/v1/training-jobs"
RULES = "/api/v1/rules"
LOG = "step 1 loss 0.3\nfabric manager says: lane 7 is tired\nRuntimeError: cannot go on\n"
RULE: dict[str, Any] = {"label": "tired lane", "pattern": r"lane \d+ is tired", "code": "GPU_HARDWARE_FAULT"}


async def fail(
    client: httpx.AsyncClient, platform: Platform, log: str = LOG, job_id: str | None = None, attempt: int = 1
) -> str:
    """A job whose attempt ends with this log; its id."""
    if job_id is None:
        body = {"model": "yolo11n", "dataset_id": "test-dataset", "epochs": 3}
        job_id = str((await client.post(JOBS, json=body)).json()["job_id"])
    headers = {"Authorization": f"Bearer {platform.guard.tokens.token(job_id, attempt)}"}
    update = {"status": "failed", "attempt": attempt, "seq": 1, "evidence": {"log": log, "exit_code": 1}}
    answer = await client.post(f"{JOBS}/{job_id}/callback", json=update, headers=headers)
    assert answer.status_code == 200, answer.text
    return job_id


async def attempt_of(client: httpx.AsyncClient, job_id: str) -> dict[str, Any]:
    return dict((await client.get(f"{JOBS}/{job_id}/attempts")).json()["items"][-1])


async def add(client: httpx.AsyncClient, **changed: Any) -> dict[str, Any]:
    answer = await client.post(RULES, json={**RULE, **changed})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_a_rule_gives_failures_its_code_and_tells_what_it_hit(
    client: httpx.AsyncClient, platform: Platform, mock_trainer_service: TrainerService, clock: Clock
) -> None:
    rule = await add(client, created_by="mara")
    assert (rule["created_by"], rule["hits"], rule["last_hit_job"]) == ("mara", 0, None)
    clock.move(5)
    job_id = await fail(client, platform)
    told = (await attempt_of(client, job_id))["diagnosis"]
    assert told["code"] == "GPU_HARDWARE_FAULT"
    assert told["evidence"] == ["fabric manager says: lane 7 is tired", "rule “tired lane”"]
    listed = (await client.get(RULES)).json()["items"][0]
    assert (listed["hits"], listed["last_hit_job"], listed["last_hit_attempt"]) == (1, job_id, 1)
    assert listed["last_hit_at"] == "2026-11-23T12:00:05.000Z"
    assert listed["created_at"] == "2026-11-23T12:00:00.000Z"


async def test_a_rule_without_a_name_is_the_token_holders(client: httpx.AsyncClient) -> None:
    assert (await add(client))["created_by"] == "owner"


async def test_a_rule_that_stops_ends_a_job_that_would_be_tried_again(
    client: httpx.AsyncClient, platform: Platform, mock_trainer_service: TrainerService
) -> None:
    log = "urllib.error.URLError: <urlopen error [Errno -2] Name or service not known>\n"
    again = await fail(client, platform, log)
    assert (await client.get(f"{JOBS}/{again}")).json()["status"] == "waiting"
    await add(client, label="no network here", pattern="Name or service not known", code=None, stop=True)
    stopped = await fail(client, platform, log)
    assert (await client.get(f"{JOBS}/{stopped}")).json()["status"] == "failed"
    attempt = await attempt_of(client, stopped)
    assert attempt["diagnosis"]["code"] == "DOWNLOAD_FAILED"
    assert attempt["decision"]["reason"] == "stopped by rule “no network here”"


async def test_a_rule_that_excludes_the_machine_sends_the_next_attempt_elsewhere(
    client: httpx.AsyncClient, platform: Platform, mock_trainer_service: TrainerService
) -> None:
    await add(client, pattern="connection was lost on eth7", code="NETWORK_ERROR", exclude_node=True)
    job_id = await fail(client, platform, "connection was lost on eth7\n")

    async def look(session: Any) -> list[Any]:
        from app.db.models import Job

        return list((await session.get(Job, job_id)).excluded_agents)

    assert await platform.db.read(look) == ["agent-1"]


async def test_a_dry_run_tells_what_would_be_hit_and_keeps_nothing(
    client: httpx.AsyncClient, platform: Platform, mock_trainer_service: TrainerService
) -> None:
    hit = await fail(client, platform)
    await fail(client, platform, "NameError: name 'x' is not defined\n")
    answer = await client.post(f"{RULES}/dry-run", json={"pattern": r"lane \d+", "stop": True})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["scanned"], found["unreadable"]) == (2, 0)
    text = "fabric manager says: lane 7 is tired"
    assert found["hits"] == [{"job_id": hit, "attempt": 1, "line": 2, "text": text, "code": "TRAINING_CODE_ERROR"}]
    assert (await client.get(RULES)).json() == {"items": []}


@pytest.mark.parametrize(
    ("changed", "pointer", "words"),
    [
        ({"pattern": "a(b"}, "#/pattern", "is no RE2 pattern: missing ): a(b"),
        ({"pattern": r"(a)\1"}, "#/pattern", "is no RE2 pattern: invalid escape sequence"),
        ({"pattern": "(?=a)b"}, "#/pattern", "is no RE2 pattern"),
        ({"pattern": "a*"}, "#/pattern", "matches the empty line"),
        ({"pattern": "x" * 501}, "#/pattern", "is longer than 500 characters"),
        ({"code": "CUDA_OOMM"}, "#/code", "did you mean CUDA_OOM?"),
        ({"code": None}, "#/code", "it would do nothing"),
        ({"patern": "x"}, "#/patern", ""),
    ],
)
async def test_a_rule_that_cannot_be_used_is_refused_by_field(
    client: httpx.AsyncClient, changed: dict[str, Any], pointer: str, words: str
) -> None:
    for path in (RULES, f"{RULES}/dry-run"):
        error = assert_canonical_error(await client.post(path, json={**RULE, **changed}), 400, "VALIDATION_FAILED")
        assert [item["pointer"] for item in error["errors"]] == [pointer]
        assert words in error["errors"][0]["message"]


async def test_a_rule_that_is_taken_out_counts_no_more(
    client: httpx.AsyncClient, platform: Platform, mock_trainer_service: TrainerService
) -> None:
    rule = await add(client)
    assert (await client.delete(f"{RULES}/{rule['rule_id']}")).status_code == 204
    assert_canonical_error(await client.delete(f"{RULES}/{rule['rule_id']}"), 404, "NOT_FOUND")
    job_id = await fail(client, platform)
    assert (await attempt_of(client, job_id))["diagnosis"]["code"] == "TRAINING_CODE_ERROR"


async def test_a_stored_failure_is_judged_again_and_the_old_verdict_stays(
    client: httpx.AsyncClient, platform: Platform, mock_trainer_service: TrainerService
) -> None:
    job_id = await fail(client, platform)
    assert (await client.get(f"{JOBS}/{job_id}")).json()["error"]["code"] == "TRAINING_CODE_ERROR"
    same = (await client.post(f"{JOBS}/{job_id}/attempts/1/diagnose")).json()
    assert (same["changed"], same["verdicts"]) == (False, [])
    assert (await attempt_of(client, job_id))["verdicts"] == []
    rule = await add(client)
    again = (await client.post(f"{JOBS}/{job_id}/attempts/1/diagnose")).json()
    assert (again["changed"], again["code"], again["rules"]) == (True, "GPU_HARDWARE_FAULT", ["tired lane"])
    assert [old["code"] for old in again["verdicts"]] == ["TRAINING_CODE_ERROR"]
    assert (await client.get(f"{JOBS}/{job_id}")).json()["error"]["code"] == "GPU_HARDWARE_FAULT"
    await client.delete(f"{RULES}/{rule['rule_id']}")
    back = (await client.post(f"{JOBS}/{job_id}/attempts/1/diagnose")).json()
    assert (back["code"], [old["code"] for old in back["verdicts"]]) == (
        "TRAINING_CODE_ERROR",
        ["TRAINING_CODE_ERROR", "GPU_HARDWARE_FAULT"],
    )
    assert (await attempt_of(client, job_id))["verdicts"] == back["verdicts"]


async def test_an_attempt_that_left_nothing_cannot_be_judged_again(
    client: httpx.AsyncClient, platform: Platform, mock_trainer_service: TrainerService
) -> None:
    body = {"model": "yolo11n", "dataset_id": "test-dataset", "epochs": 3}
    job_id = (await client.post(JOBS, json=body)).json()["job_id"]
    assert_canonical_error(await client.post(f"{JOBS}/{job_id}/attempts/1/diagnose"), 409, "CONFLICT")
    assert_canonical_error(await client.post(f"{JOBS}/{job_id}/attempts/9/diagnose"), 404, "NOT_FOUND")
    assert_canonical_error(await client.post(f"{JOBS}/J-404/attempts/1/diagnose"), 404, "NOT_FOUND")


async def test_rules_are_the_users_alone(anonymous: httpx.AsyncClient) -> None:
    assert_canonical_error(await anonymous.get(RULES), 401, "INVALID_TOKEN")
    assert_canonical_error(await anonymous.post(RULES, json=RULE), 401, "INVALID_TOKEN")
