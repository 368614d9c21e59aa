"""What explains a failed job, as the API shows it."""

from typing import Literal

from pydantic import BaseModel, Field


class Explanation(BaseModel):
    """Why a job failed: the deterministic verdict, and its text in the catalogue's words or a language model's."""

    job_id: str
    attempt: int | None = Field(description="The attempt that failed; null where the job failed before it had one")
    code: str
    confidence: float | None
    evidence: list[str] = Field(description="Lines that decided, without secrets and internals")
    text: str = Field(description="Plain text")
    source: Literal["catalogue", "llm"]
    model: str | None = Field(description="The language model, where its words are shown")
    reason: Literal["off", "unasked", "pending", "unavailable", "budget"] | None = Field(
        description="Why it is the catalogue's text: no model is set up, it was not to be asked, is still being asked, did "
        "not answer, or has been asked as often as it may be on one day"
    )
    doc_url: str
