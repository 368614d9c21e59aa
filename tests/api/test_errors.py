"""Codes as data, and what can be looked up of an answer that went wrong."""

import asyncio
from typing import Any

import httpx
import pytest

from app.api.deps import Platform
from app.core.error_messages import REGISTRY
from app.core.errors import DatabaseError, PlatformError
from app.core.responses import Answered, public
from app.services.occurrences import Occurrences
from tests.contract.shape import assert_canonical_error, assert_public_error

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CODES = "/api/v1/errors"


def answered(code: str, status: int, trace_id: str = TRACE) -> Answered:
    error = public(PlatformError.from_code(code), trace_id=trace_id)
    return Answered(error, status, "GET", "/api/v1/datasets")


async def test_every_code_is_listed_and_can_be_read_without_a_token(anonymous: httpx.AsyncClient) -> None:
    rows = (await anonymous.get(CODES)).json()["items"]
    assert [row["code"] for row in rows] == list(REGISTRY)
    row = (await anonymous.get(f"{CODES}/CUDA_OOM")).json()
    assert row in rows
    assert (row["reaction"], row["causer"], row["http"]) == ("repair", "user", None)


async def test_an_answer_can_be_looked_up_by_its_trace_id(client: httpx.AsyncClient, platform: Platform) -> None:
    response = await client.get("/api/v1/training-jobs/J-404", headers={"Accept": "application/problem+json"})
    error = assert_canonical_error(response, 404)
    for _ in range(2):  # from memory, then from the database
        found = (await client.get(response.json()["instance"])).json()
        assert found == {
            "trace_id": error["trace_id"],
            "items": [
                {"status": 404, "method": "GET", "endpoint": "/api/v1/training-jobs/{job_id}", "error": error},
            ],
        }
        assert_public_error(found["items"][0]["error"])
        await platform.occurrences.flush()
        assert not platform.occurrences.pending


async def test_an_occurrence_is_for_the_user_only(anonymous: httpx.AsyncClient, platform: Platform) -> None:
    platform.occurrences.note(answered("CONFLICT", 409))
    assert_canonical_error(await anonymous.get(f"{CODES}/occurrences/{TRACE}"), 401)


async def test_what_is_no_trace_id_is_a_wrong_field(client: httpx.AsyncClient) -> None:
    error = assert_canonical_error(await client.get(f"{CODES}/occurrences/nonsense"), 400)
    assert [item["pointer"] for item in error["errors"]] == ["#/trace_id"]


async def test_refusals_that_strangers_can_cause_at_will_are_not_kept(platform: Platform) -> None:
    platform.occurrences.note(answered("INVALID_TOKEN", 401))
    platform.occurrences.note(answered("RATE_LIMITED", 429))
    with pytest.raises(PlatformError) as caught:
        await platform.occurrences.find(TRACE)
    assert caught.value.code == "NOT_FOUND"


async def test_a_database_that_is_away_costs_no_answer_and_is_tried_again(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Occurrences(platform.db)
    log.note(answered("CONFLICT", 409))

    async def away(*_: Any) -> None:
        raise DatabaseError("insert", OSError("gone"))

    with monkeypatch.context() as patched:
        patched.setattr(platform.db, "write", away)
        with pytest.raises(DatabaseError):
            await log.flush()
    assert len(await log.find(TRACE)) == 1
    await log.flush()
    assert len(await log.find(TRACE)) == 1
    assert not log.pending


async def test_answers_that_come_in_while_others_are_written_are_written_next(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Occurrences(platform.db)
    log.note(answered("CONFLICT", 409))
    write = platform.db.write

    async def busy(tx: Any) -> Any:
        monkeypatch.setattr(platform.db, "write", write)
        result = await write(tx)
        log.note(answered("NOT_FOUND", 404))
        return result

    monkeypatch.setattr(platform.db, "write", busy)
    await log.flush()
    assert not log.pending
    assert [item["error"]["code"] for item in await log.find(TRACE)] == ["CONFLICT", "NOT_FOUND"]


async def test_what_is_left_is_written_at_the_end(platform: Platform) -> None:
    log = Occurrences(platform.db)
    log.start()
    log.note(answered("CONFLICT", 409))
    await log.stop()
    assert not log.pending
    assert len(await log.find(TRACE)) == 1


async def test_it_writes_by_itself(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.services.occurrences.EVERY_SECONDS", 0)
    log, written = Occurrences(platform.db), asyncio.Event()
    flush = log.flush

    async def noted() -> None:
        await flush()
        written.set()

    monkeypatch.setattr(log, "flush", noted)
    log.start()
    log.note(answered("CONFLICT", 409))
    async with asyncio.timeout(10):
        await written.wait()
    assert not log.pending
    await log.stop()
