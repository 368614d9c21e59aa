"""The platform's standing as Prometheus reads it."""

import re
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.deps import Platform
from app.core.errors import DatabaseError
from app.db.models import Agent
from app.services.gauges import agent_state
from tests.conftest import Clock, register_agent


async def figures(client: httpx.AsyncClient) -> dict[str, float]:
    """Every figure by its name and labels."""
    text = (await client.get("/metrics")).text
    return {name: float(value) for name, value in re.findall(r"^(platform_\S+) (\S+)$", text, re.MULTILINE)}


async def change(platform: Platform, agent_id: str, **values: Any) -> None:
    async def tx(session: AsyncSession) -> None:
        await session.execute(update(Agent).where(Agent.id == agent_id).values(**values))

    await platform.db.write(tx)


async def test_agents_are_counted_by_what_they_are_good_for(
    client: httpx.AsyncClient, platform: Platform, clock: Clock
) -> None:
    for name in ("alive", "lost", "drained", "excluded", "removed"):
        await register_agent(platform, f"http://{name}.test", agent_id=name)
    now = clock()
    await change(platform, "lost", last_seen_at=now - timedelta(minutes=5))
    await change(platform, "removed", last_seen_at=now - timedelta(days=2))
    await change(platform, "drained", drained_at=now)
    await change(platform, "excluded", excluded_until=now + timedelta(hours=1))
    told = await figures(client)
    counts = {state: told[f'platform_agents{{state="{state}"}}'] for state in ("alive", "lost", "drained", "excluded")}
    assert counts == {"alive": 1, "lost": 1, "drained": 1, "excluded": 1}
    assert told["platform_database_up"] == 1
    assert 0 < told['platform_disk_free_ratio{place="backend"}'] < 1


async def test_a_database_that_does_not_answer_is_told_and_leaves_no_old_figures(
    client: httpx.AsyncClient, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register_agent(platform, "http://a.test")
    assert (await figures(client))['platform_agents{state="alive"}'] == 1

    async def away(_work: Any) -> None:
        raise DatabaseError("reading", OSError())

    monkeypatch.setattr(platform.db, "read", away)
    told = await figures(client)
    assert told["platform_database_up"] == 0
    assert not [name for name in told if name.startswith("platform_agents")]


def test_silence_outweighs_every_other_state(clock: Clock) -> None:
    agent = Agent(last_seen_at=clock() - timedelta(minutes=1), drained_at=clock(), excluded_until=clock())
    assert agent_state(agent, clock()) == "lost"
    agent.last_seen_at = clock() + timedelta(seconds=1)
    assert agent_state(agent, clock()) == "drained"
