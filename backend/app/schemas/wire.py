"""What an agent sends: registration with heartbeat, and the updates of an attempt."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Number = float | Literal["nan", "inf", "-inf"]


def _epoch_seconds_refused(value: object) -> object:
    if isinstance(value, int | float):
        message = "must be an RFC 3339 time"
        raise ValueError(message)  # noqa: TRY004 - pydantic turns ValueError into a field error
    return value


Timestamp = Annotated[datetime, BeforeValidator(_epoch_seconds_refused)]


class Progress(BaseModel):
    """Where a training stands; `step` counts within the epoch, both from 1."""

    model_config = ConfigDict(extra="ignore")
    epoch: int | None = Field(default=None, ge=0)
    epochs: int | None = Field(default=None, ge=0)
    step: int | None = Field(default=None, ge=0)
    steps: int | None = Field(default=None, ge=0)
    losses: dict[str, Number] = Field(default_factory=dict)
    metrics: dict[str, Number] = Field(default_factory=dict)
    lr: Number | None = None
    images_per_s: float | None = None
    eta_s: float | None = None
    memory: dict[str, float | None] = Field(default_factory=dict)
    disk: dict[str, float | None] = Field(default_factory=dict)
    epoch_end: bool = False


class LogPiece(BaseModel):
    """A piece of the training's output: `offset` in bytes of the whole, `dropped_bytes` left out before it."""

    model_config = ConfigDict(extra="ignore")
    offset: int = Field(ge=0)
    text: str = Field(max_length=400_000)
    dropped_bytes: int = Field(default=0, ge=0)


class ArtifactNote(BaseModel):
    """A file that was uploaded before this note."""

    model_config = ConfigDict(extra="ignore")
    name: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.\-]*(/[A-Za-z0-9_][A-Za-z0-9_.\-]*)*$", max_length=200)
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    media_type: str = Field(default="application/octet-stream", max_length=100)
    role: Literal["weights", "checkpoint", "plot", "samples", "table", "log"]
    epoch: int | None = None


class TrainerError(BaseModel):
    """The error as the trainer names it; the design document's object."""

    model_config = ConfigDict(extra="ignore")
    type: str | None = None
    code: str | None = None
    message: str | None = None
    details: dict[str, Any] = Field(default_factory=dict)


class Result(BaseModel):
    """What a finished training reached."""

    model_config = ConfigDict(extra="ignore")
    metrics: dict[str, Number] = Field(default_factory=dict)
    epochs: int | None = None
    duration_s: float | None = None


class TrainingUpdate(BaseModel):
    """One update of an attempt. Without `attempt` and `seq`, as in the design document, it is about the one under way."""

    model_config = ConfigDict(extra="ignore")
    status: Literal["running", "succeeded", "failed", "cancelled"]
    attempt: int | None = Field(default=None, ge=1)
    seq: int | None = Field(default=None, ge=1)
    at: Timestamp | None = None
    phase: str | None = Field(default=None, max_length=40)
    progress: Progress | None = None
    log: LogPiece | None = None
    artifact: ArtifactNote | None = None
    error: TrainerError | None = None
    evidence: dict[str, Any] | None = None
    result: Result | None = None

    @model_validator(mode="after")
    def _numbered_whole(self) -> "TrainingUpdate":
        if (self.attempt is None) != (self.seq is None):
            message = "attempt and seq come together"
            raise ValueError(message)
        return self


class HeldAttempt(BaseModel):
    """An attempt that an agent still supervises."""

    model_config = ConfigDict(extra="ignore")
    job_id: str
    attempt: int
    last_step_at: Timestamp | None = None
    last_heartbeat_at: Timestamp | None = None


class AgentProblem(BaseModel):
    """Something that went wrong in an agent itself; `frames` of it, outermost first: file, line, function, code."""

    model_config = ConfigDict(extra="ignore")
    type: str = Field(max_length=200)
    message: str = Field(default="", max_length=2000)
    module: str | None = Field(default=None, max_length=200)
    job_id: str | None = Field(default=None, max_length=100)
    attempt: int | None = None
    frames: list[dict[str, Any]] = Field(default_factory=list, max_length=50)


class AgentReport(BaseModel):
    """Registration and heartbeat of an agent."""

    model_config = ConfigDict(extra="ignore")
    name: str = Field(max_length=200)
    url: str = Field(pattern=r"^https?://", max_length=500)
    slots: int = Field(ge=0, le=1024)
    frameworks: list[dict[str, Any]] = Field(default_factory=list)
    resources: dict[str, Any] = Field(default_factory=dict)
    version: str = Field(default="", max_length=40)
    attempts: list[HeldAttempt] = Field(default_factory=list)
    problems: list[AgentProblem] = Field(default_factory=list, max_length=50)
