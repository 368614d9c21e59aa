"""Agents over HTTP: their reports, and what they offer."""

from typing import Any

from fastapi import APIRouter

from app.api.deps import AgentDep, PlatformDep, UserDep
from app.schemas.wire import AgentReport

router = APIRouter(prefix="/api/v1", tags=["agents"])


@router.put("/agents/{agent_id}", dependencies=[AgentDep])
async def report_agent(agent_id: str, report: AgentReport, platform: PlatformDep) -> dict[str, Any]:
    """An agent's registration and heartbeat; `release` names the attempts it must stop and forget."""
    return await platform.agents.report(agent_id, report)


@router.get("/agents", dependencies=[UserDep])
async def list_agents(platform: PlatformDep) -> dict[str, Any]:
    """All agents, with what they offer and whether they were heard of lately."""
    return {"items": await platform.agents.list_all()}


@router.get("/frameworks", dependencies=[UserDep])
async def list_frameworks(platform: PlatformDep) -> dict[str, Any]:
    """What can be trained: models, tasks, defaults and settings of every framework."""
    return {"items": await platform.agents.frameworks()}
