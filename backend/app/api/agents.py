"""Agents over HTTP: their reports, and what they offer."""

from fastapi import APIRouter

from app.api.answer import Answer, shown
from app.api.deps import AgentDep, PlatformDep, UserDep
from app.schemas.system import Agents, Frameworks, Release
from app.schemas.wire import AgentReport

router = APIRouter(prefix="/api/v1", tags=["agents"])


@router.put("/agents/{agent_id}", dependencies=[AgentDep], responses=shown(Release))
async def report_agent(agent_id: str, report: AgentReport, platform: PlatformDep) -> Answer:
    """An agent's registration and heartbeat; `release` names the attempts it must stop and forget."""
    return Answer(await platform.agents.report(agent_id, report))


@router.get("/agents", dependencies=[UserDep], responses=shown(Agents))
async def list_agents(platform: PlatformDep) -> Answer:
    """All agents, with what they offer and whether they were heard of lately."""
    return Answer({"items": await platform.agents.list_all()})


@router.get("/frameworks", dependencies=[UserDep], responses=shown(Frameworks))
async def list_frameworks(platform: PlatformDep) -> Answer:
    """What can be trained: models, tasks, defaults and settings of every framework."""
    return Answer({"items": await platform.agents.frameworks()})
