"""Agents over HTTP: their reports, and what they offer."""

from fastapi import APIRouter

from app.api.answer import Answer, shown
from app.api.deps import AgentDep, OperatorDep, PlatformDep, UserDep
from app.schemas.system import Agents, AgentView, Drain, Frameworks, Release
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


@router.get("/agents/{agent_id}", dependencies=[UserDep], responses=shown(AgentView))
async def show_agent(agent_id: str, platform: PlatformDep) -> Answer:
    """One agent, by its id or name."""
    return Answer(await platform.agents.show(agent_id))


@router.post("/agents/{agent_id}/drain", dependencies=[OperatorDep], responses=shown(AgentView))
async def drain_agent(agent_id: str, platform: PlatformDep, drain: Drain | None = None) -> Answer:
    """Gives an agent no more trainings. Those that run end there, or with `stop` go on from their checkpoint elsewhere."""
    return Answer(await platform.agents.drain(agent_id, stop=drain is not None and drain.stop))


@router.post("/agents/{agent_id}/resume", dependencies=[OperatorDep], responses=shown(AgentView))
async def resume_agent(agent_id: str, platform: PlatformDep) -> Answer:
    """Gives an agent trainings again, whether it was drained or excluded for what failed on it."""
    return Answer(await platform.agents.resume(agent_id))


@router.get("/frameworks", dependencies=[UserDep], responses=shown(Frameworks))
async def list_frameworks(platform: PlatformDep) -> Answer:
    """What can be trained: models, tasks, defaults and settings of every framework."""
    return Answer({"items": await platform.agents.frameworks()})
