"""What a training keeps of its own failure (``error.json``), and what the agent tells of an attempt's end (evidence).

Both are written by other processes; the backend reads them leniently. These models are the contract that writers hold.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.schemas.wire import Timestamp, TrainerError, TrainingUpdate

_STRICT = ConfigDict(extra="forbid")


class Frame(BaseModel):
    """A place in code."""

    model_config = _STRICT
    file: str
    line: int | None
    function: str
    code: str | None


class ChainedException(BaseModel):
    """One exception of a chain."""

    model_config = _STRICT
    type: str
    module: str
    message: str = Field(max_length=4000)
    frames: list[Frame]


class ErrorRecord(BaseModel):
    """``error.json``, or ``error.rank<N>.json`` of one process of several: facts from inside the process, root first."""

    model_config = _STRICT
    at: Timestamp
    exceptions: list[ChainedException] = Field(min_length=1)
    code: str | None = Field(description="Where the type of an exception alone decides it, or the trainer knows it")
    details: dict[str, Any]
    memory: dict[str, float | None]
    phase: str | None
    epoch: int | None
    step: int | None
    entity: str | None = Field(description="File of the data set that the failure names, relative to it")
    batch: list[str] | None = Field(description="Files of the batch under way")
    rank: int = Field(ge=0)
    exit_code: int = Field(description="The code that the process leaves with")
    config_excerpt: dict[str, Any]


class RankEvidence(BaseModel):
    """The end of one process of several."""

    model_config = _STRICT
    rank: int = Field(ge=0)
    at: Timestamp | None
    log: str
    exit_code: int | None
    signal: int | None
    error: TrainerError | None
    exceptions: list[ChainedException] | None


class MemoryLimit(BaseModel):
    """A limit on an attempt's memory and what enforced it."""

    model_config = _STRICT
    bytes: int = Field(gt=0)
    by: Literal["cgroup", "rlimit", "none"]


class AttemptEvidence(BaseModel):
    """What is known of an attempt's end; what is not known is left out."""

    model_config = _STRICT
    log: str = Field(default="", description="Last 256 KB of the output")
    exit_code: int | None = None
    signal: int | None = None
    exit_told_by: Literal["shim", "harness", "inferred"] | None = Field(
        default=None, description="inferred: nobody saw the end, and the process left no last word"
    )
    killed_by: Literal["timeout", "cancel", "shutdown"] | None = None
    oom_kill_delta: int | None = Field(default=None, ge=0)
    cgroup: str | None = Field(default=None, description="v1 or v2 with its path, or `none:` and why")
    memory_peak_bytes: int | None = None
    memory_limit: MemoryLimit | None = None
    shm_used_fraction: float | None = Field(default=None, ge=0, le=1)
    disk_free_bytes: int | None = Field(default=None, ge=0)
    preemption_notice: bool | None = None
    preemption_by: str | None = None
    heartbeat_age_s: float | None = Field(default=None, ge=0)
    process_heartbeat_age_s: float | None = Field(default=None, ge=0)
    step_age_s: float | None = Field(default=None, ge=0)
    step_limit_s: float | None = Field(default=None, ge=0, description="Learned from the run; told of a hang")
    process_state: str | None = Field(default=None, description="The kernel's letter; told of a hang")
    stack: str | None = Field(default=None, description="Stacks of all threads, at most 32 KB; told of a hang")
    exceptions: list[ChainedException] | None = None
    entity: str | None = None
    where: dict[str, Any] | None = None
    memory: dict[str, float | None] | None = None
    ranks: list[RankEvidence] | None = None
    rusage: dict[str, float] | None = None


CONTRACTS: dict[str, type[BaseModel]] = {
    "callback": TrainingUpdate,
    "error": ErrorRecord,
    "evidence": AttemptEvidence,
}
"""The JSON Schemas in ``docs/reference/schemas``."""
