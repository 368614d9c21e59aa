"""Agents are drained, excluded for what fails on them, and taken back; each state is told."""

from typing import Any

import httpx
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.deps import Platform
from app.db.models import Agent, Attempt
from tests.api.test_training import JOBS, running, submit
from tests.conftest import Clock, TrainerService, job_in_state, register_agent
from tests.contract.shape import assert_canonical_error
from tests.db.conftest import add_job
from tests.waiting import eventually

AGENTS = "/api/v1/agents"


async def agent(client: httpx.AsyncClient, name: str = "agent-1") -> dict[str, Any]:
    return dict((await client.get(f"{AGENTS}/{name}")).json())


async def test_a_drained_agent_gets_nothing_new_until_it_is_resumed(
    client: httpx.AsyncClient, mock_trainer_service: TrainerService
) -> None:
    drained = (await client.post(f"{AGENTS}/agent-1/drain")).json()
    assert (drained["state"], drained["excluded_until"]) == ("drained", None)
    assert drained["drained_at"].endswith("Z")
    job_id = await submit(client)

    async def told() -> bool:
        progress = (await client.get(f"{JOBS}/{job_id}")).json()["progress"] or {}
        return progress.get("waiting_for") == "no agent with ultralytics fits: agent-1 is drained"

    await eventually(told)
    assert mock_trainer_service.call_count == 0
    assert (await client.post(f"{AGENTS}/agent-1/resume")).json()["state"] == "ready"
    await job_in_state(client, job_id, "starting")


async def test_draining_with_stop_asks_what_runs_there_to_go_on_elsewhere(
    client: httpx.AsyncClient, mock_trainer_service: TrainerService
) -> None:
    job_id, _ = await running(client, mock_trainer_service)
    assert (await client.post(f"{AGENTS}/agent-1/drain", json={"stop": False})).json()["busy"] == 1
    assert mock_trainer_service.cancelled == []
    await client.post(f"{AGENTS}/agent-1/drain", json={"stop": True})
    assert mock_trainer_service.cancelled == [(f"/attempts/{job_id}/1/cancel", "shutdown")]


async def test_what_is_no_agents_name_or_that_of_two_is_refused(client: httpx.AsyncClient, platform: Platform) -> None:
    for number in (1, 2):
        await register_agent(platform, f"http://127.0.0.1:{number}", agent_id=f"twin-{number}")

    async def rename(session: AsyncSession) -> None:
        for number in (1, 2):
            (await session.get_one(Agent, f"twin-{number}")).name = "twin"

    await platform.db.write(rename)
    missing, double = await client.post(f"{AGENTS}/nobody/drain"), await client.post(f"{AGENTS}/twin/drain")
    assert_canonical_error(missing, 404, "NOT_FOUND")
    assert_canonical_error(double, 409, "CONFLICT")
    assert (await client.post(f"{AGENTS}/twin-2/drain")).json()["state"] == "drained"


async def fail(platform: Platform, clock: Clock, agent_id: str, code: str | None, count: int) -> None:
    """Attempts of as many jobs that ended on an agent just now."""

    async def tx(session: AsyncSession) -> None:
        for _ in range(count):
            job = await add_job(session, status="failed" if code else "succeeded")
            error = {"code": code} if code else None
            session.add(
                Attempt(
                    job_id=job.id, number=1, status=job.status, agent_id=agent_id, config={}, last_agent_seq=0,
                    error=error, created_at=clock(), finished_at=clock(),
                )
            )  # fmt: skip

    await platform.db.write(tx)


async def test_an_agent_on_which_much_more_fails_is_excluded_for_an_hour_and_says_why(
    client: httpx.AsyncClient, platform: Platform, clock: Clock
) -> None:
    for name in ("good", "bad"):
        await register_agent(platform, "http://127.0.0.1:9", agent_id=name)
    await fail(platform, clock, "good", None, 4)
    await fail(platform, clock, "bad", "CUDA_ERROR", 3)
    clock.move(6)
    for name in ("good", "bad"):
        await register_agent(platform, "http://127.0.0.1:9", agent_id=name)
    found = await agent(client, "bad")
    assert found["state"] == "excluded"
    assert found["excluded_reason"] == "3 of 3 attempts failed here (CUDA_ERROR), 0 of 4 elsewhere"
    assert (await agent(client, "good"))["state"] == "ready"

    clock.move(3601)
    await register_agent(platform, "http://127.0.0.1:9", agent_id="bad")
    found = await agent(client, "bad")
    assert (found["state"], found["excluded_until"], found["excluded_reason"]) == ("ready", None, None)


async def test_an_agent_that_was_taken_back_by_hand_is_judged_by_what_fails_from_then_on(
    client: httpx.AsyncClient, platform: Platform, clock: Clock
) -> None:
    for name in ("good", "bad"):
        await register_agent(platform, "http://127.0.0.1:9", agent_id=name)
    await fail(platform, clock, "good", None, 4)
    await fail(platform, clock, "bad", "CUDA_ERROR", 3)
    await platform.agents.judge()
    assert (await agent(client, "bad"))["state"] == "excluded"
    clock.move(10)
    assert (await client.post(f"{AGENTS}/bad/resume")).json()["state"] == "ready"
    await platform.agents.judge()
    assert (await agent(client, "bad"))["state"] == "ready"
    clock.move(10)
    await fail(platform, clock, "bad", "CUDA_ERROR", 3)
    await platform.agents.judge()
    assert (await agent(client, "bad"))["state"] == "excluded"


async def test_a_silent_agent_is_told_as_such(client: httpx.AsyncClient, platform: Platform, clock: Clock) -> None:
    await register_agent(platform, "http://127.0.0.1:9")
    assert (await agent(client))["state"] == "ready"
    clock.move(3600)
    assert (await agent(client))["state"] == "silent"
