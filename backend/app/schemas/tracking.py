"""Error tracking on the wire."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.schemas.answers import Stamp
from app.schemas.errors import PublicError

State = Literal["open", "resolved", "ignored", "regressed"]
Source = Literal["job", "api", "page"]


class Trend(BaseModel):
    """How often it came lately."""

    days: list[int] = Field(description="The last 14 days in UTC, oldest first; the last one is today")
    this_week: int = Field(description="In the last 7 of them")
    last_week: int
    direction: Literal["rising", "falling", "steady", "new", "gone"]


class PastFix(BaseModel):
    """What was done after this failure, and how often it helped."""

    text: str = Field(description="For example: 11 of 14 were fixed by batch 16")
    fix: str = Field(description="For example: batch 16")
    worked: int = Field(description="Jobs that then succeeded with it")
    tried: int = Field(description="Jobs that were tried again in any way and have ended")
    patch: dict[str, Any] = Field(description="Settings that it changed, with their new values; empty: the same again")
    example: str = Field(description="A job that succeeded with it")


class GroupView(BaseModel):
    """Failures of one kind. Where the caller is no operator: what of them is the caller's."""

    group_id: int
    fingerprint: str
    source: Source
    code: str
    title: str = Field(description="The code's title")
    line: str = Field(description="The deciding line of the first one, or what was refused")
    causer: str
    severity: str
    entity: str | None = Field(description="File, layer, device … or route that the newest one named")
    state: State
    state_at: Stamp
    state_by: str | None
    note: str | None
    first_seen: Stamp
    last_seen: Stamp
    count: int
    jobs: int | None = Field(description="Different jobs; null where it is not the caller's to know")
    users: int | None
    trend: Trend
    doc_url: str


class GroupPage(BaseModel):
    """Some groups."""

    items: list[GroupView]
    next_cursor: str | None


class Bucket(BaseModel):
    """Occurrences of an hour or a day that begins at `at`."""

    at: Stamp
    count: int


class AffectedView(BaseModel):
    """A job, user or entity that was hit."""

    name: str
    count: int
    first_at: Stamp
    last_at: Stamp


class KnownFingerprint(BaseModel):
    """A fingerprint of a group, and since when it is known."""

    fingerprint: str
    since: Stamp


class PastState(BaseModel):
    """A state that a group came into."""

    at: Stamp
    state: State
    by: str | None = Field(description="Whoever set it; null where it came back by itself")
    note: str | None


class OccurrenceView(BaseModel):
    """A failure as it happened."""

    occurrence_id: int
    at: Stamp
    trace_id: str | None
    user: str | None
    job_id: str | None
    attempt: int | None
    entity: str | None
    status: int | None
    method: str | None
    endpoint: str | None
    error: PublicError
    report: dict[str, Any] | None = Field(description="What the page told, of failures of the page")


class OccurrencePage(BaseModel):
    """The newest kept occurrences of a group. Of a storm only the first of each hour are kept; counts count all."""

    items: list[OccurrenceView]
    next_cursor: str | None


class GroupDetail(GroupView):
    """One group with everything that is known of it."""

    hours: list[Bucket] = Field(description="The last 48 hours; only for operators, others see an empty list")
    days: list[Bucket] = Field(description="The last 30 days, those without one left out")
    affected_jobs: list[AffectedView] = Field(description="The newest 10")
    affected_users: list[AffectedView] = Field(description="The newest 10; only for operators")
    entities: list[AffectedView] = Field(description="The newest 10; only for operators")
    fingerprints: list[KnownFingerprint]
    history: list[PastState] = Field(description="The newest 10 changes of its state")
    fix: PastFix | None = Field(description="What helped most often")
    fixes: list[PastFix]
    occurrences: list[OccurrenceView] = Field(description="The newest 10")


class StateChange(BaseModel):
    """What a group is to be: resolved ones that come back become regressed by themselves, ignored ones stay ignored."""

    model_config = ConfigDict(extra="forbid")
    state: Literal["open", "resolved", "ignored"]
    note: Annotated[str, Field(max_length=500)] | None = None


class PageReport(BaseModel):
    """A failure of the page, told by the page."""

    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, Field(min_length=1, max_length=100, description="Kind of the error, for example TypeError")]
    message: Annotated[str, Field(max_length=1000)]
    stack: Annotated[str, Field(max_length=8000)] | None = None
    component: Annotated[str, Field(max_length=200)] | None = None
    path: Annotated[str, Field(max_length=500, description="Path of the page, without query")] | None = None
    trace_id: Annotated[str, Field(pattern="^[0-9a-f]{32}$")] | None = Field(
        default=None, description="Of the answer that it came from, where there was one"
    )
    release: Annotated[str, Field(max_length=100)] | None = None


class Reported(BaseModel):
    """A report was taken in."""

    trace_id: str = Field(description="Under which it is found")
    fingerprint: str


class SimilarJob(BaseModel):
    """Another job that failed in the same way."""

    job_id: str
    name: str | None
    status: str
    model: str
    dataset_id: str
    failed_at: Stamp
    retried_as: str | None


class SimilarFailures(BaseModel):
    """Failures like that of a job; `group` is null where the job has not failed, or a moment ago."""

    job_id: str
    fingerprint: str | None
    group: GroupView | None
    this_week: int
    jobs: list[SimilarJob] = Field(description="The newest 10 others that the caller may see")
    fix: PastFix | None
    fixes: list[PastFix]


class DigestGroup(BaseModel):
    """A group in a digest."""

    group_id: int
    code: str
    line: str
    state: State
    source: Source
    causer: str
    count: int = Field(description="In the week")
    before: int = Field(description="In the week before")


class Digest(BaseModel):
    """What a week was like."""

    since: Stamp
    until: Stamp
    total: int
    before: int = Field(description="In the week before")
    by_causer: dict[str, int]
    by_source: dict[str, int]
    by_code: dict[str, int] = Field(description="The 10 most frequent")
    new: list[DigestGroup]
    regressed: list[DigestGroup]
    resolved: int
    top: list[DigestGroup]
    failed_jobs: int
    text: str = Field(description="The same as Markdown, to send around")


class BundlePart(BaseModel):
    """A file of a support bundle."""

    name: str
    bytes: int
    text: str


class BundlePreview(BaseModel):
    """What a support bundle would hold: everything in it has been freed of secrets."""

    job_id: str
    filename: str
    summary: str = Field(description="Markdown")
    files: list[BundlePart]
    redactions: int = Field(description="Places at which something was taken out")
