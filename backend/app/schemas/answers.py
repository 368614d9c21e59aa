"""What the interface answers about jobs. `services` make it; a contract test compares."""

from typing import Literal

from pydantic import BaseModel, Field

from app.schemas.errors import PatchStep, PublicError
from app.schemas.mlflow import MlflowView
from app.schemas.training import TrainingConfig

Number = float | Literal["nan", "inf", "-inf"]
"""A number of a training. One that is not finite comes as a word."""
Figure = Number | None
Stamp = str
"""A time as RFC 3339 in UTC with milliseconds."""


class TrainingFigures(BaseModel):
    """Where a training stands; fields come as it tells them."""

    phase: str | None = None
    epoch: int | None = None
    epochs: int | None = None
    step: int | None = None
    steps: int | None = None
    losses: dict[str, Number] | None = None
    metrics: dict[str, Number] | None = None
    lr: Figure = None
    images_per_s: float | None = None
    eta_s: float | None = None
    memory: dict[str, float | None] | None = None
    disk: dict[str, float | None] | None = None


class JobProgress(TrainingFigures):
    """Where a job stands, and what it waits for."""

    waiting_for: str | None = None
    at: Stamp | None = None


class PrimaryMetric(BaseModel):
    """The metric by which the best weights were chosen."""

    name: str
    value: Figure


class JobResult(BaseModel):
    """What a finished training reached."""

    metrics: dict[str, Number]
    primary: PrimaryMetric | None
    epochs: int | None
    duration_s: float | None


class EarlySignView(BaseModel):
    """Something that an open training may come to grief of."""

    kind: str
    code: str | None = Field(description="The failure that it may end in; null where it is none")
    message: str
    advice: str
    since_epoch: int | None


class GoesOn(BaseModel):
    """The checkpoint with which a job begins that tries this one again."""

    epoch: int = Field(description="Epochs that are done in it")
    may_change: list[str] = Field(description="Settings that may change; with any other it begins anew")


class JobView(BaseModel):
    """One job."""

    job_id: str
    name: str | None
    status: Literal["queued", "starting", "running", "waiting", "cancelling", "succeeded", "failed", "cancelled"]
    framework: str
    model: str
    task: str | None
    dataset_id: str
    config: TrainingConfig = Field(description="As submitted, defaults filled in")
    created_by: str | None = Field(description="Name of the user whose token submitted it")
    created_at: Stamp
    started_at: Stamp | None
    finished_at: Stamp | None
    attempt: int = Field(description="Number of the newest attempt, 0 before the first")
    progress: JobProgress | None
    result: JobResult | None
    error: PublicError | None = Field(description="Why it failed: the same object as in an error answer")
    retry_at: Stamp | None = Field(description="When the next attempt is due")
    heard_at: Stamp | None = Field(description="When the agent was last heard of it")
    retry_of: str | None
    retried_as: str | None = Field(description="The newest job that tries it again")
    retried_status: str | None = Field(description="The state of that job")
    begins_at: int | None = Field(description="Epochs done in the checkpoint of the job that it tries again and begins with")
    last_seq: int = Field(description="Number of its newest event; `since` of the WebSocket")
    signs: list[EarlySignView] = Field(default=[], description="Early signs of an open training; not in lists")
    goes_on: GoesOn | None = Field(default=None, description="Of a job that waits or ended without success; not in lists")
    mlflow: MlflowView | None = Field(default=None, description="What MLflow was told; not in lists, nor without an MLflow")


class JobPage(BaseModel):
    """Some jobs, newest first."""

    items: list[JobView]
    next_cursor: str | None
    total: int


class Exit(BaseModel):
    """How the training process ended."""

    code: int | None
    signal: int | None


class ShownDiagnosis(BaseModel):
    """What an attempt failed of, and the lines that show it."""

    code: str
    confidence: float = Field(ge=0, le=1)
    entity: str | None
    evidence: list[str]
    fingerprint: str


class ShownDecision(BaseModel):
    """What was decided after an attempt had failed."""

    action: str
    reason: str | None
    patch: list[PatchStep] | None
    wait_s: float | None
    budget: str | None = Field(description="Whose budget of retries it draws on: user, platform or preemption")


class ShownHistory(BaseModel):
    """How an attempt's failure compares with those before it; progress null means unknown."""

    same_failure: bool | None
    same_entity: bool | None
    progress: bool | None
    best_epoch: int | None


class ResumedFrom(BaseModel):
    """The checkpoint that an attempt began with."""

    attempt: int
    epoch: int
    job_id: str | None = Field(default=None, description="The job that it is of, where that is another one")


class Verdict(BaseModel):
    """A verdict on an attempt that a later one has taken the place of."""

    at: Stamp = Field(description="When the later one came")
    code: str | None
    confidence: float | None
    evidence: list[str]
    fingerprint: str | None


class Cause(BaseModel):
    """One exception of those that led to a failure."""

    text: str
    at: str | None = Field(description="File, line and function that raised it")
    code_line: str | None
    rank: int | None = Field(description="The process of several that it is of")


class AttemptView(BaseModel):
    """One attempt of a job."""

    attempt: int
    status: str
    agent_id: str | None
    config: TrainingConfig
    epoch: int | None
    created_at: Stamp
    started_at: Stamp | None
    finished_at: Stamp | None
    seconds: float | None = Field(description="How long it ran")
    wait_s: float | None
    resumed_from: ResumedFrom | None
    exit: Exit | None
    causes: list[Cause] = Field(description="The chain of exceptions, the root first")
    charged: bool | None = Field(description="Whether its time counts against the user; null before it has ended")
    error: PublicError | None
    diagnosis: ShownDiagnosis | None
    history: ShownHistory | None
    verdicts: list[Verdict] = Field(description="What it was diagnosed as before, newest last")
    decision: ShownDecision | None


class Attempts(BaseModel):
    """All attempts of a job, oldest first."""

    items: list[AttemptView]


class LogPieceView(BaseModel):
    """A piece of a training's output."""

    seq: int
    attempt: int
    offset: int
    text: str
    dropped_bytes: int


class LogPage(BaseModel):
    """Pieces of log in order; `next` continues, null at the present end."""

    items: list[LogPieceView]
    next: int | None


class EpochView(BaseModel):
    """The figures of one epoch."""

    attempt: int
    at: Stamp
    epoch: int
    epochs: int | None
    losses: dict[str, Number] | None
    metrics: dict[str, Number] | None
    lr: Figure
    images_per_s: float | None
    memory: dict[str, float | None] | None
    disk: dict[str, float | None] | None


class Epochs(BaseModel):
    """The figures of every finished epoch."""

    items: list[EpochView]


class ArtifactView(BaseModel):
    """A file of a job."""

    name: str
    attempt: int
    bytes: int
    sha256: str
    media_type: str
    role: Literal["weights", "checkpoint", "plot", "samples", "table", "log"]
    epoch: int | None
    url: str


class Artifacts(BaseModel):
    """The newest version of every file of a job."""

    items: list[ArtifactView]


class CallbackAnswer(BaseModel):
    """How far an attempt's updates are stored."""

    accepted: int
    last_seq: int
    final: bool = Field(description="The attempt has ended; nothing more is wanted")
