"""Whether what was said of a failure helped."""

from pydantic import BaseModel, ConfigDict, Field


class FeedbackRequest(BaseModel):
    """Did it help?"""

    model_config = ConfigDict(extra="forbid")
    helped: bool


class FeedbackView(BaseModel):
    """What the caller said of a job."""

    job_id: str
    code: str | None = Field(description="The job's failure code")
    helped: bool | None = Field(description="null where nothing was said of this code")


class FeedbackCount(BaseModel):
    """What people said of a code."""

    code: str
    helped: int
    did_not: int


class FeedbackCounts(BaseModel):
    """What people said, by code, the least helpful first."""

    items: list[FeedbackCount]
