"""What a watcher of a job gets over the WebSocket. `workflows` and `services` make it; a contract test compares."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from app.schemas.answers import JobResult, Stamp, TrainingFigures
from app.schemas.errors import PublicError


class ReadyEvent(BaseModel):
    """Marks the end of what had been when the watcher came."""

    type: Literal["ready"]
    seq: int


class Numbered(BaseModel):
    """What every event of a job carries."""

    seq: int
    at: Stamp
    attempt: int


class StateEvent(Numbered):
    """The job is in another state."""

    type: Literal["state"]
    status: Literal["queued", "starting", "running", "waiting", "cancelling", "succeeded", "failed", "cancelled"]
    reason: str | None = None
    retry_at: Stamp | None = None
    wait_s: float | None = None
    code: str | None = None
    result: JobResult | None = None


class ProgressEvent(TrainingFigures, Numbered):
    """Where the training stands, or the phase that it has come to."""

    type: Literal["progress"]
    epoch_end: bool | None = None


class LogEvent(Numbered):
    """A piece of the training's output."""

    type: Literal["log"]
    offset: int
    text: str
    dropped_bytes: int


class ErrorEvent(BaseModel):
    """An attempt has failed; `fatal` where the job has, or where the connection ends."""

    type: Literal["error"]
    seq: int
    at: Stamp | None = None
    attempt: int | None = None
    fatal: bool
    error: PublicError


class ArtifactEvent(Numbered):
    """A file has come."""

    type: Literal["artifact"]
    name: str
    bytes: int
    sha256: str
    media_type: str
    role: str
    epoch: int | None


class AttemptEvent(Numbered):
    """Another attempt is made."""

    type: Literal["attempt"]
    number: int
    agent_id: str


JobEvent = Annotated[
    ReadyEvent | StateEvent | ProgressEvent | LogEvent | ErrorEvent | ArtifactEvent | AttemptEvent,
    Field(discriminator="type"),
]
