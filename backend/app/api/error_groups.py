"""Error tracking over HTTP: groups of failures, their states, the digest, reports of the page."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from app.api.answer import Answer, Responses, shown
from app.api.deps import CallerDep, OperatorCallerDep, PlatformDep
from app.db.repositories.error_reading import GroupFilter
from app.schemas.tracking import (
    BundlePreview,
    Digest,
    GroupDetail,
    GroupPage,
    OccurrencePage,
    PageReport,
    Reported,
    SimilarFailures,
    StateChange,
)
from app.services.support_bundle import filename

router = APIRouter(prefix="/api/v1", tags=["error tracking"])
ZIP: Responses = {200: {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}}}
Limit = Annotated[int, Query(ge=1, le=200)]
Name = Annotated[str | None, Query(max_length=200)]


@router.get("/errors/groups", responses=shown(GroupPage))
async def list_error_groups(
    platform: PlatformDep,
    caller: CallerDep,
    state: Annotated[list[Literal["open", "resolved", "ignored", "regressed"]] | None, Query()] = None,
    source: Annotated[Literal["job", "api", "page"] | None, Query()] = None,
    code: Name = None,
    causer: Name = None,
    q: Annotated[
        str | None,
        Query(max_length=200, description="Words, a fingerprint, a trace id, a job, an entity"),
    ] = None,
    fingerprint: Name = None,
    entity: Name = None,
    job_id: Name = None,
    trace_id: Annotated[str | None, Query(pattern="^[0-9a-f]{32}$")] = None,
    since: Annotated[datetime | None, Query(description="Seen at or after")] = None,
    until: Annotated[datetime | None, Query(description="First seen at or before")] = None,
    sort: Annotated[Literal["last_seen", "count"], Query()] = "last_seen",
    limit: Limit = 50,
    cursor: str | None = None,
) -> Answer:
    """Failures of one kind as a group each, those seen last first. Users see what of them is theirs, operators all."""
    wanted = GroupFilter(
        state=state, source=source, code=code, causer=causer, q=q, fingerprint=fingerprint, entity=entity, job_id=job_id,
        trace_id=trace_id, since=since, until=until, sort=sort,
    )  # fmt: skip
    return Answer(await platform.error_groups.page(wanted, caller, limit, cursor))


@router.get("/errors/groups/{group_id}", responses=shown(GroupDetail))
async def get_error_group(group_id: int, platform: PlatformDep, caller: CallerDep) -> Answer:
    """One group: counts by hour and day, what it hit, what helped before, its newest occurrences."""
    return Answer(await platform.error_groups.one(group_id, caller))


@router.get("/errors/groups/{group_id}/occurrences", responses=shown(OccurrencePage))
async def list_group_occurrences(
    group_id: int, platform: PlatformDep, caller: CallerDep, limit: Limit = 50, cursor: str | None = None
) -> Answer:
    """The kept occurrences of a group, newest first. Of a storm only the first of each hour are kept."""
    return Answer(await platform.error_groups.occurrences(group_id, caller, limit, cursor))


@router.post("/errors/groups/{group_id}/state", responses=shown(GroupDetail))
async def set_error_group_state(
    group_id: int, change: StateChange, platform: PlatformDep, caller: OperatorCallerDep
) -> Answer:
    """Resolves, ignores or opens a group. A resolved one that comes back is regressed by itself."""
    return Answer(await platform.error_groups.set_state(group_id, change.state, change.note, caller))


@router.get("/errors/digest", responses=shown(Digest))
async def get_error_digest(
    platform: PlatformDep,
    caller: CallerDep,
    until: Annotated[datetime | None, Query(description="A time of the last of the seven days; default: now")] = None,
) -> Answer:
    """What the last week was like beside the one before: figures, new and returned groups, and all of it as Markdown."""
    return Answer(await platform.digests.week(caller, until))


@router.post("/errors/reports", status_code=202, responses=shown(Reported, 202))
async def report_page_error(report: PageReport, platform: PlatformDep, caller: CallerDep) -> Answer:
    """A failure that the page tells of itself; at most 30 a minute of one person."""
    return Answer(platform.page_reports.take(report, caller), 202)


@router.get("/training-jobs/{job_id}/similar", responses=shown(SimilarFailures))
async def get_similar_failures(job_id: str, platform: PlatformDep, caller: CallerDep) -> Answer:
    """Failures like that of a job: how many, of which jobs, and what helped."""
    return Answer(await platform.error_groups.similar(job_id, caller))


@router.get("/training-jobs/{job_id}/support-bundle", response_class=Response, responses=ZIP)
async def get_support_bundle(job_id: str, platform: PlatformDep, caller: CallerDep) -> Response:
    """All that somebody else needs to help with a failed job, as one zip without secrets."""
    headers = {"Content-Disposition": f'attachment; filename="{filename(job_id)}"', "Cache-Control": "no-store"}
    return Response(await platform.support_bundles.bundle(job_id, caller), media_type="application/zip", headers=headers)


@router.get("/training-jobs/{job_id}/support-bundle/preview", responses=shown(BundlePreview))
async def preview_support_bundle(job_id: str, platform: PlatformDep, caller: CallerDep) -> Answer:
    """What the support bundle would hold, file by file, to look at before it is sent to anybody."""
    return Answer(await platform.support_bundles.preview(job_id, caller))
