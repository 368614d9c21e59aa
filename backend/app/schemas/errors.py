"""The one form of errors, as the interface's description tells it."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

Text = Annotated[str, Field(max_length=200)]


class PatchStep(BaseModel):
    """One operation of an RFC 6902 patch on a job's configuration."""

    op: Literal["add", "remove", "replace"]
    path: str
    value: Any = None


class OfferedFix(BaseModel):
    """A remedy that a program can apply: `safe` at once, `review` after a look at the change, `manual` is advice."""

    id: str
    label: Text
    applicability: Literal["safe", "review", "manual"]
    patch: list[PatchStep]


class FieldProblem(BaseModel):
    """One wrong field of the request."""

    pointer: str = Field(description="JSON pointer into the body, or the name of a parameter, as a URI fragment")
    code: str
    message: Text


class PublicError(BaseModel):
    """What went wrong, as anybody may see it: the design document's object with additions."""

    type: Literal["transient", "permanent", "user_error", "system_error"]
    severity: Literal["low", "medium", "high", "critical"]
    message: Text = Field(description="For people; programs go by `code`")
    suggested_action: Text | None
    timestamp: str = Field(description="RFC 3339, UTC")
    trace_id: str = Field(description="Also in Server-Timing and in the log")
    code: str = Field(pattern="^[A-Z][A-Z0-9_]{2,62}$", description="Stable; listed under /api/v1/errors")
    title: str
    retryable: bool
    retry_after: int | None = Field(description="Seconds; equals the Retry-After header")
    params: dict[str, Any] = Field(description="Every changing part of the texts, as data")
    errors: list[FieldProblem] = Field(description="All wrong fields at once")
    fixes: list[OfferedFix]
    doc_url: str
    attempts_url: str | None


class ErrorBody(BaseModel):
    """The body of every error answer, as ``application/json``."""

    error: PublicError


class ProblemBody(ErrorBody):
    """The same as a problem document of RFC 9457, where ``Accept: application/problem+json`` asks for it."""

    type: str = Field(description="Address of the code's page")
    title: str
    status: int
    detail: str
    instance: str = Field(description="Address of this occurrence")
    violated_policies: list[str] | None = Field(
        default=None, alias="violated-policies", description="The limits that were reached, as RateLimit-Policy names them"
    )


class Code(BaseModel):
    """A row of the registry of codes."""

    code: str
    type: str
    severity: str
    causer: str = Field(description="Whose fault: user, data, platform, hardware, dependency, unknown")
    reaction: str = Field(description="What follows a failed attempt: fail, retry, elsewhere, repair, none")
    budget: str | None
    http: int | None = Field(description="Null: only ends trainings")
    title: str
    message: str
    action: str
    neutral_message: str | None = Field(description="Where a value that the message shows is missing")
    neutral_action: str | None
    params: list[str] = Field(description="The only details that leave the platform")
    fixes: list[str] = Field(description="Ids of the remedies that may be offered; * stands for a name")
    runbook: str | None = Field(description="Name of the page for whoever is paged, below /runbooks/")
    wait_helps: bool
    retryable: bool
    doc_url: str


class Codes(BaseModel):
    """All codes."""

    items: list[Code]


class Occurrence(BaseModel):
    """A failure; of an error answer with its status, method and route."""

    status: int | None
    method: str | None
    endpoint: str | None
    error: PublicError


class Occurrences(BaseModel):
    """Everything that went wrong under a trace id, oldest first."""

    trace_id: str
    items: list[Occurrence]
