"""The configuration of a training, as a user submits it, and the other bodies of the training API."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.schemas.errors import PublicError

JsonPointer = Annotated[str, Field(pattern=r"^/")]


class Needs(BaseModel):
    """What a machine must have for a training to be sent there."""

    model_config = ConfigDict(extra="forbid")
    memory_bytes: int | None = Field(default=None, ge=1, description="Memory that one training may take there")
    gpu_memory_bytes: int | None = Field(default=None, ge=1, description="Memory of its largest GPU")
    labels: dict[str, str] = Field(default_factory=dict, max_length=20, description="Labels that its agent was given")


class TrainingConfig(BaseModel):
    """What to train, on what, and how. Unknown fields are refused."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"model": "yolo11n-cls", "dataset_id": "digits-classify", "epochs": 8, "image_size": 64}]
        },
    )

    model: str = Field(min_length=1, max_length=120, description="Architecture, as listed under /api/v1/frameworks")
    dataset_id: str = Field(min_length=1, max_length=80)
    framework: str = Field(default="ultralytics", min_length=1, max_length=40)
    name: str | None = Field(default=None, max_length=120, description="A label of your own")
    epochs: int = Field(default=100, ge=1, le=100_000)
    batch_size: int = Field(default=16, ge=1, le=65_536, description="Images that are in memory at once")
    accumulate: int = Field(
        default=1,
        ge=1,
        le=65_536,
        description="Pieces of a step: batch_size x accumulate is the effective batch, whose gradients are gathered",
    )
    val_batch_size: int | None = Field(
        default=None, ge=1, le=131_072, description="Images in a validation step; null takes twice the batch size"
    )
    image_size: int | None = Field(
        default=None, ge=8, le=8192, description="Edge in pixels; null takes the framework's value for the task"
    )
    lr0: float | None = Field(default=None, gt=0, le=1, description="First learning rate; null takes the framework's")
    workers: int | None = Field(default=None, ge=0, le=128, description="Processes that load images")
    sharing: Literal["file_descriptor", "file_system"] = Field(
        default="file_descriptor", description="How loader processes hand images over: in shared memory, or in files"
    )
    seed: int = Field(default=0, ge=0, le=2**31 - 1)
    device: str = Field(default="auto", max_length=40, description="auto, cpu, or GPU numbers such as 0 or 0,1")
    patience: int | None = Field(default=None, ge=0, description="Epochs without progress before stopping early")
    max_duration_s: int | None = Field(default=None, ge=1, le=60 * 60 * 24 * 60, description="Time limit in seconds")
    settings: dict[str, Any] = Field(default_factory=dict, description="Further settings of the framework, by its names")
    exclude_invalid_files: bool = Field(default=False, description="Train without the files the report found broken")
    val_fraction: float | None = Field(
        default=None,
        gt=0,
        lt=0.9,
        description="Share of the training images held back where there is no validation set",
    )
    weights_id: str | None = Field(default=None, max_length=80, description="Uploaded weights to start from")
    needs: Needs | None = Field(default=None, description="What a machine must have; null takes any with the framework")


class PatchOperation(BaseModel):
    """One operation of an RFC 6902 patch on a job's configuration."""

    model_config = ConfigDict(extra="forbid")
    op: Literal["add", "remove", "replace"]
    path: JsonPointer
    value: Any = None


class RetryRequest(BaseModel):
    """How to try a failed job again: one of its offered fixes, a patch of one's own, or neither (unchanged)."""

    model_config = ConfigDict(extra="forbid")
    fix_id: str | None = None
    patch: list[PatchOperation] | None = None
    from_scratch: bool = Field(default=False, description="Leaves the checkpoint that the job has left")


class JobCreated(BaseModel):
    """The id of a new job; its address is in the Location header."""

    job_id: str


class SafeBatchView(BaseModel):
    """A batch that fitted where a larger one had not; `accumulate` keeps the effective batch of the configuration."""

    device: str
    batch_size: int
    val_batch_size: int | None
    accumulate: int
    job_id: str = Field(description="The job that found it out")


class DeviceMemory(BaseModel):
    """What a training will take on a kind of device, and what that has."""

    device: str
    needed_bytes: int = Field(description="Expected where it was measured; the least where it was computed")
    room_bytes: int | None
    verdict: Literal["fits", "tight", "too_much", "unknown"]
    basis: Literal["measured", "computed"]
    job_id: str | None = Field(description="The job that it was measured on")
    job_batch_size: int | None


class MemoryEstimate(BaseModel):
    """What a training will take, by kind of device."""

    devices: list[DeviceMemory]


class ValidationAnswer(BaseModel):
    """What a dry run found: everything wrong at once, and the configuration as it would run."""

    valid: bool
    errors: list[PublicError]
    warnings: list[PublicError]
    safe_batch: SafeBatchView | None = Field(description="Where the batch is known to be too large for a device")
    memory: MemoryEstimate | None = Field(description="Null where nothing can be said of it yet")
    config: "EffectiveConfig | None"


class EffectiveConfig(TrainingConfig):
    """A configuration as it would run, and the task of its model."""

    task: str | None
