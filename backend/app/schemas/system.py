"""What the interface answers about the platform itself: agents, frameworks, dependencies, health."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

State = Literal["CLOSED", "OPEN", "HALF_OPEN", "ISOLATED"]


class FrameworkOffer(BaseModel):
    """A framework as an agent offers it."""

    framework: str
    version: str | None
    available: bool | None
    reason: str | None = Field(description="Why it is not available")


class Gpu(BaseModel):
    """A GPU as its driver names it."""

    model_config = ConfigDict(extra="allow")
    name: str | None = None
    memory_bytes: int | None = None


class Resources(BaseModel):
    """What a training machine has, as far as its agent can tell."""

    model_config = ConfigDict(extra="allow")
    cpus: int | None = None
    memory_bytes: int | None = None
    memory_limit_bytes: int | None = Field(default=None, description="What one training may take")
    disk_free_bytes: int | None = None
    gpus: list[Gpu] | None = None
    platform: str | None = None
    cgroup: str | None = None
    labels: dict[str, str] | None = None


class AgentView(BaseModel):
    """A training machine's agent."""

    agent_id: str
    name: str
    url: str
    slots: int
    busy: int
    alive: bool
    version: str
    resources: Resources
    frameworks: list[FrameworkOffer]
    registered_at: str
    last_seen_at: str
    state: Literal["ready", "drained", "excluded", "silent"] = Field(description="Whether it is given trainings")
    drained_at: str | None = None
    excluded_until: str | None = None
    excluded_reason: str | None = Field(default=None, description="What failed on it more than elsewhere")


class Agents(BaseModel):
    """All agents."""

    items: list[AgentView]


class Drain(BaseModel):
    """How an agent is drained."""

    model_config = ConfigDict(extra="forbid")
    stop: bool = Field(default=False, description="Stop what runs there, so that it goes on elsewhere")


class HeldAttemptView(BaseModel):
    """An attempt by job and number."""

    job_id: str
    attempt: int


class Release(BaseModel):
    """The attempts that an agent must stop and forget."""

    release: list[HeldAttemptView]


class ModelView(BaseModel):
    """A model that can be trained."""

    name: str
    task: str
    family: str | None = None
    params: int | None = None
    activation_bytes_per_pixel: float | None = Field(default=None, description="What one pixel leaves for the way back")


class TaskDefaults(BaseModel):
    """Values of a task that a training takes where its request leaves them open."""

    model_config = ConfigDict(extra="allow")
    epochs: int | None = None
    batch_size: int | None = None
    image_size: int | None = None


class Framework(BaseModel):
    """What can be trained with a framework: models, tasks, defaults, and the schema of its own settings."""

    framework: str
    version: str | None = None
    license: str | None = None
    available: bool = True
    reason: str | None = Field(default=None, description="Why it is not available")
    accepts_weights: bool = Field(default=False, description="Whether a training may start from uploaded weights")
    tasks: list[str]
    models: list[ModelView]
    defaults: dict[str, TaskDefaults]
    settings_schema: dict[str, Any]
    agents: int = Field(description="Living agents that offer it")


class Frameworks(BaseModel):
    """All frameworks."""

    items: list[Framework]


class Health(BaseModel):
    """Whether the backend lives, can serve, or can serve with less."""

    status: Literal["live", "ready", "degraded"]
    degraded: list[str] = Field(default=[], description="Names of the parts that are not as they should be")


class Disk(BaseModel):
    """The disk that holds the platform's data."""

    free_bytes: int
    total_bytes: int


class DegradedPart(BaseModel):
    """A part of the platform that does not do all it should, and what that means for users."""

    name: str = Field(description="`agents`, `disk`, or an integration")
    what: str
    means: str


class Status(BaseModel):
    """The platform in short."""

    version: str
    status: Literal["ok", "degraded"]
    degraded: list[DegradedPart] = Field(description="The gravest for trainings first; none: all is well")
    agents: list[AgentView] = Field(description="None is known where `open_jobs` is null")
    open_jobs: int | None = Field(description="Null: the database does not answer")
    disk: Disk
    home: str


class PageMonitoring(BaseModel):
    """Where the page sends its own failures (Sentry's protocol)."""

    dsn: str
    environment: str
    release: str


class Session(BaseModel):
    """The caller is let in."""

    authenticated: bool
    version: str
    user: str
    role: Literal["user", "operator"]
    monitoring: PageMonitoring | None = Field(description="None where the page's failures stay with the platform")


class Breaker(BaseModel):
    """A circuit breaker of this process."""

    name: str
    state: Literal["CLOSED", "OPEN", "HALF_OPEN"]
    failure_count: int
    failure_threshold: int
    retry_after: float | None = Field(description="Seconds until a probe may pass; null: only a person closes it")
    isolated: bool


class Breakers(BaseModel):
    """The circuit breakers that were acted on."""

    items: list[Breaker]


class BreakerPolicy(BaseModel):
    """When a breaker opens and for how long."""

    failures: int
    seconds: float


class LastError(BaseModel):
    """The last failure of an integration that the backend which answers has met since its start."""

    code: str
    message: str
    reason: str | None = Field(description="What lay beneath it, where more is known")
    at: str
    trace_id: str


class Dependency(BaseModel):
    """An integration: whether it is there, how calls to it are protected, and how it does; `state` is the worst of its
    breakers."""

    name: str
    title: str
    configured: str | None = Field(description="What it is, such as `postgresql` or `s3`; null: not set up")
    reachable: bool | None = Field(description="As it was found a few seconds ago; null: not asked, or not answered yet")
    version: str | None = Field(description="What it last told; null where it tells none")
    checked_at: str | None
    last_error: LastError | None
    degraded: str | None = Field(description="What its state means for users now; null: nothing")
    switched_off: bool = Field(description="By a person, as a whole")
    asked: int = Field(description="Machines that were asked, where it consists of several")
    away: int = Field(description="Those of them that do not answer, or are not called now")
    attempts: int | None = Field(description="Null: its own library looks after its calls")
    first_wait_s: float | None
    longest_wait_s: float | None
    breaker_after: BreakerPolicy | None
    give_up: Literal["raises", "none"]
    state: State | None = Field(description="Null: no call was made yet, or it has no breaker")
    failure_count: int
    retry_after: float | None
    breakers: list[Breaker]


class Dependencies(BaseModel):
    """All integrations."""

    items: list[Dependency]


class UsedByStatus(BaseModel):
    """Compute time of attempts that ended in one way."""

    status: Literal["succeeded", "failed", "cancelled"]
    attempts: int
    seconds: float


class UsedByCauser(BaseModel):
    """Compute time of attempts that failed through one causer."""

    causer: Literal["user", "data", "platform", "hardware", "dependency", "unknown"]
    attempts: int
    seconds: float


class UsedByCode(BaseModel):
    """Compute time of attempts that failed with one code."""

    code: str
    attempts: int
    seconds: float


class Places(BaseModel):
    """Jobs that are open, and how many may be at a time."""

    current: int
    limit: int


class Stored(BaseModel):
    """Bytes of everything that was brought, and of what trainings have left."""

    datasets_bytes: int
    files_bytes: int


class Usage(BaseModel):
    """Where compute time went in the last days: by how attempts ended, and of the failed ones by whose fault it was; and
    what is held now."""

    days: int
    by_status: list[UsedByStatus]
    by_causer: list[UsedByCauser]
    by_code: list[UsedByCode]
    open_jobs: Places
    stored: Stored
