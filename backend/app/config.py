"""Settings of the backend: environment variables and the folder that holds everything.

Every setting has a default that works on one machine with nothing installed. A wrong value stops the start with all
problems at once (pydantic-settings).
"""

import os
import secrets
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

GIB = 1024**3


def _home() -> Path:
    return Path(os.environ.get("VTP_HOME") or Path.home() / ".vtp").expanduser()


class NamedToken(BaseModel):
    """A person's token and what they may do."""

    token: SecretStr = Field(min_length=16)
    role: Literal["user", "operator"] = "user"


class Settings(BaseSettings):
    """What can be set from outside; names in the environment carry the prefix ``VTP_`` unless an alias says otherwise."""

    model_config = SettingsConfigDict(env_prefix="VTP_", populate_by_name=True, extra="ignore")

    home: Path = Field(default_factory=_home)
    database_url: str | None = Field(default=None, validation_alias="DATABASE_URL")
    database_timeout_seconds: float = Field(default=10.0, ge=0.1)
    """PostgreSQL ends a statement after this long, and a wait for a lock after half of it."""
    database_pool: int = Field(default=16, ge=2)
    """Most connections of this backend to PostgreSQL; all backends together need fewer than its `max_connections`."""
    storage_url: str | None = Field(default=None, validation_alias="STORAGE_URL")
    storage_direct_seconds: int = Field(default=3600, ge=0, le=604_800)
    """How long an address is good under which big files go straight to and from S3; with 0 all go through the backend."""
    checkpoints_kept: int = Field(default=1, ge=0)
    """How many of its newest checkpoints a training keeps after it has succeeded; its weights stay in any case."""
    public_url: str | None = None
    """Address under which agents and browsers reach the backend; default: the address it listens on."""
    token: str | None = None
    """Token of the page, the command line and API clients; default: made once and kept in ``secrets/token``."""
    tokens: dict[Annotated[str, Field(min_length=1, max_length=120)], NamedToken] = Field(default_factory=dict)
    """People with tokens of their own, as JSON: ``{"ann": {"token": "…", "role": "user"}}``. A ``user`` sees and steers
    only the jobs and failures of their own; an ``operator``, and whoever has the one token above, all."""
    agent_secret: str | None = None
    """Shared by backend and agents; default: made once and kept in ``secrets/agent``."""
    log_json: bool = False
    max_body_bytes: int = Field(default=1024**2, ge=1024)
    """Limit of a JSON body; uploads have limits of their own."""
    dataset_quota_bytes: int = Field(default=20 * GIB, ge=1)
    dataset_max_files: int = Field(default=500_000, ge=1)
    weights_max_bytes: int = Field(default=2 * GIB, ge=1)
    artifact_max_bytes: int = Field(default=4 * GIB, ge=1)
    heartbeat_seconds: float = Field(default=10.0, gt=0)
    heartbeats_missed: int = Field(default=3, ge=1)
    """An attempt whose agent was silent for this many heartbeats is lost."""
    max_open_jobs: int = Field(default=10_000, ge=1)
    rate_limit: str = "6000/minute"
    """Requests a client may make, in the notation of the ``limits`` library. Of N backends each allows an Nth."""
    agent_rate_limit: str = "60000/minute"
    """The same for an agent and its attempts."""
    metrics_token: str | None = None
    """Wanted as a bearer token by ``/metrics``; without it that page is open to whoever reaches the port."""
    alert_url: str | None = Field(default=None, pattern=r"^https?://")
    """Is told at once of critical errors, and of serious kinds of failure that are new or have come back: any receiver of
    JSON (chat programs show its ``text``), or an Alertmanager where the address ends in ``/api/v2/alerts``."""
    alertmanager_url: str | None = Field(default=None, pattern=r"^https?://")
    """Address of the Alertmanager whose alerts the System page shows; default: the one that `VTP_ALERT_URL` names."""
    cors_origins: list[str] = Field(default_factory=list)
    error_kept_per_hour: int = Field(default=100, ge=1)
    """Occurrences of one kind of failure that are kept whole in an hour; all beyond are counted."""
    error_retention_days: int = Field(default=90, ge=1)
    """Days for which occurrences of failures and their daily figures are kept."""
    error_max_occurrences: int = Field(default=10_000_000, ge=1)
    """Occurrences that are kept at most; beyond that the oldest go."""
    error_group_retention_days: int = Field(default=365, ge=1)
    """Days after which a kind of failure that was not seen again is forgotten."""
    mlflow_tracking_uri: str | None = Field(default=None, pattern=r"^https?://", validation_alias="MLFLOW_TRACKING_URI")
    """With this, every training also appears as a run of this MLflow server. MLflow's own variables for user, password,
    token and certificates hold, such as ``MLFLOW_TRACKING_USERNAME``."""
    mlflow_experiment: str = Field(default="vtp", min_length=1, validation_alias="MLFLOW_EXPERIMENT_NAME")
    """Experiment that the runs belong to; made where there is none."""
    mlflow_journal: int = Field(default=1_000_000, ge=1)
    """Events of trainings that may wait for an MLflow that is away; beyond that the oldest trainings' are given up."""
    orchestrator: Literal["local", "temporal"] = Field(default="local", validation_alias="ORCHESTRATOR")
    """Who drives the jobs: a loop in this process, or workflows on a Temporal server."""
    temporal_address: str = Field(default="127.0.0.1:7233", pattern=r"^[^/]+:\d+$", validation_alias="TEMPORAL_ADDRESS")
    """Host and port of the Temporal server."""
    temporal_namespace: str = Field(default="default", min_length=1, validation_alias="TEMPORAL_NAMESPACE")
    """Namespace there, which must exist."""
    temporal_task_queue: str = Field(default="vtp", pattern=r"^[\w.-]+$", validation_alias="TEMPORAL_TASK_QUEUE")
    """Task queue of all backends of this platform. Another platform in the same namespace needs one of its own."""
    temporal_api_key: SecretStr | None = Field(default=None, validation_alias="TEMPORAL_API_KEY")
    """Key that the server asks for, as Temporal Cloud does."""
    temporal_tls: bool | None = Field(default=None, validation_alias="TEMPORAL_TLS")
    """Whether to speak TLS; default: where there is an API key."""
    anthropic_api_key: SecretStr | None = Field(default=None, validation_alias="ANTHROPIC_API_KEY")
    """With this or the next key, failures are also explained in more words by a language model, to whoever asks for that."""
    anthropic_base_url: str | None = Field(default=None, validation_alias="ANTHROPIC_BASE_URL")
    openai_api_key: SecretStr | None = Field(default=None, validation_alias="OPENAI_API_KEY")
    openai_base_url: str | None = Field(default=None, validation_alias="OPENAI_BASE_URL")
    llm_provider: Literal["anthropic", "openai", "off"] | None = None
    """Who explains, whose key must be set; default: whoever has a key, Anthropic first. ``off`` sends nothing to anybody."""
    llm_model: str | None = None
    """Model that explains; default: a small one of the provider."""
    llm_daily_calls: int = Field(default=200, ge=0)
    """Requests to the language model on a day (UTC), further tries and all backends included; beyond them the catalogue's
    text stands. One request has at most some 2,500 tokens, its answer 1,024."""
    env_name: str | None = Field(default=None, validation_alias="ENV_NAME")
    """Name of this installation (subprocess, kind, k8s, production …) on what goes to Sentry and to a trace collector."""
    sentry_dsn: SecretStr | None = Field(default=None, validation_alias="SENTRY_DSN")
    """With this, failures that are not the user's also go to Sentry, or any server that speaks its protocol."""
    sentry_traces_sample_rate: float = Field(default=0.0, ge=0, le=1, validation_alias="SENTRY_TRACES_SAMPLE_RATE")
    """Share of the backend's requests whose times go to Sentry, too. Traces go by OpenTelemetry, which follows a training to
    its end; both measure each request twice."""
    sentry_page_dsn: str | None = Field(default=None, validation_alias="SENTRY_PAGE_DSN")
    """DSN for the web page's own failures; every user can read it. Default: `SENTRY_DSN`."""
    otlp_endpoint: str | None = Field(default=None, validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT")
    """With this, traces go to a collector over OTLP/HTTP. OpenTelemetry's other variables hold, too, in agents as well."""

    @model_validator(mode="after")
    def _has_the_key(self) -> Self:
        keys = {"anthropic": self.anthropic_api_key, "openai": self.openai_api_key}
        if self.llm_provider in keys and not keys[self.llm_provider]:
            message = f"VTP_LLM_PROVIDER is {self.llm_provider}, but {self.llm_provider.upper()}_API_KEY is not set"
            raise ValueError(message)
        return self

    @property
    def db_url(self) -> str:
        """SQLAlchemy address of the database: SQLite in the home folder unless ``DATABASE_URL`` names another."""
        return self.database_url or f"sqlite+aiosqlite:///{self.home / 'vtp.db'}"

    @property
    def objects_url(self) -> str:
        """Address of the object store: a folder in the home folder unless ``STORAGE_URL`` names another."""
        return self.storage_url or f"file://{self.home / 'storage'}"

    @property
    def lost_after_seconds(self) -> float:
        """Silence in seconds after which an attempt counts as lost."""
        return self.heartbeat_seconds * self.heartbeats_missed

    def secret(self, name: str) -> str:
        """The secret kept in ``secrets/<name>`` of the home folder, made on first use (mode 0600)."""
        path = self.home / "secrets" / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return path.read_text().strip()
        with os.fdopen(fd, "w") as file:
            value = secrets.token_urlsafe(24)
            file.write(value)
        return value

    def page_dsn(self) -> str | None:
        """The DSN for the web page's failures; None where they stay with the platform."""
        return self.sentry_page_dsn or (self.sentry_dsn.get_secret_value() if self.sentry_dsn else None)

    def user_token(self) -> str:
        """The token that page, command line and API clients present."""
        return self.token or self.secret("token")

    def agents_secret(self) -> str:
        """The secret that agents present and are presented with."""
        return self.agent_secret or self.secret("agent")
