"""Operators' rules, and judging stored failures again."""

from fastapi import APIRouter, Response

from app.api.answer import Answer, shown
from app.api.deps import OperatorCallerDep, OperatorDep, PlatformDep, UserDep
from app.schemas.rules import DryRun, Rejudged, RuleDraft, RuleList, RuleView

router = APIRouter(prefix="/api/v1", tags=["rules"])


@router.get("/rules", dependencies=[UserDep], responses=shown(RuleList))
async def list_rules(platform: PlatformDep) -> Answer:
    """All rules in the order in which they are asked, with who wrote them and what they have hit."""
    return Answer({"items": await platform.rules.all()})


@router.post("/rules", status_code=201, responses=shown(RuleView, 201))
async def add_rule(draft: RuleDraft, platform: PlatformDep, caller: OperatorCallerDep) -> Answer:
    """Adds a rule: a pattern for a line of failed trainings' logs, and the code, the stop or the exclusion it means."""
    return Answer(await platform.rules.add(draft, caller.name), 201)


@router.delete("/rules/{rule_id}", status_code=204, dependencies=[OperatorDep], response_class=Response)
async def remove_rule(rule_id: int, platform: PlatformDep) -> Response:
    """Takes a rule out; verdicts that it took part in stay."""
    await platform.rules.remove(rule_id)
    return Response(status_code=204)


@router.post("/rules/dry-run", dependencies=[OperatorDep], responses=shown(DryRun))
async def try_rule(draft: RuleDraft, platform: PlatformDep) -> Answer:
    """What a rule would have hit among the newest stored failures; nothing is kept."""
    return Answer(await platform.rules.dry_run(draft))


@router.post("/training-jobs/{job_id}/attempts/{number}/diagnose", dependencies=[UserDep], responses=shown(Rejudged))
async def diagnose_again(job_id: str, number: int, platform: PlatformDep) -> Answer:
    """Judges an attempt's stored evidence again, with the rules of today; the old verdict stays in its history."""
    return Answer(await platform.rules.diagnose_again(job_id, number))
