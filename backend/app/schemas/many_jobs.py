"""What the interface takes and answers about many jobs at once."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from app.schemas.errors import PublicError


class CodeGroupView(BaseModel):
    """Failed jobs with one code."""

    code: str
    count: int
    unresolved: int = Field(description="Those that were not tried again")


class JobSummary(BaseModel):
    """How many jobs there are: in each state, and of each code."""

    total: int
    by_status: dict[str, int]
    by_code: list[CodeGroupView]
    unresolved: int = Field(description="Failed jobs that were not tried again")


class BulkRetryRequest(BaseModel):
    """Which failed jobs to try again; those that were tried again already are left alone."""

    model_config = ConfigDict(extra="forbid")
    code: str = Field(min_length=1, max_length=63)
    dataset_id: str | None = None
    model: str | None = None
    q: str | None = Field(default=None, max_length=200)
    apply: Literal["safe"] | None = Field(
        default=None, description="`safe` changes each as the first safe fix that it offers says; null leaves it as it is"
    )


class Retried(BaseModel):
    """A job and the one that tries it again."""

    job_id: str
    retried_as: str


class Refused(BaseModel):
    """A job that could not be tried again, and why."""

    job_id: str
    error: PublicError


class BulkRetryAnswer(BaseModel):
    """What became of each."""

    retried: list[Retried]
    refused: list[Refused]
    left: int = Field(description="Jobs that were not got to: ask again")
