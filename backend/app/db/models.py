"""Tables. Times are UTC; JSON columns hold what is only read as a whole."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Float, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

Json = dict[str, Any]


class UtcDateTime(TypeDecorator[datetime]):
    """A time with a zone, also where the database (SQLite) keeps none."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Stored in UTC; SQLite compares as text, so the zone is dropped there."""
        if value is None:
            return None
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Read back with its zone."""
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


class Base(DeclarativeBase):
    """Base of all tables."""

    type_annotation_map = {Json: JSON, list[Any]: JSON, datetime: UtcDateTime, str: Text}  # noqa: RUF012


class Counter(Base):
    """The last number given out under a name (job ids)."""

    __tablename__ = "counters"
    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)


class Dataset(Base):
    """A data set: images and labels that were uploaded, and what was found in them."""

    __tablename__ = "datasets"
    id: Mapped[str] = mapped_column(String(80), primary_key=True)
    name: Mapped[str]
    status: Mapped[str] = mapped_column(String(20), index=True)
    """checking, ready, invalid (the report says why) or failed (it could not be read at all)."""
    task: Mapped[str | None] = mapped_column(String(20))
    format: Mapped[str | None] = mapped_column(String(20))
    classes: Mapped[list[Any]] = mapped_column(default=list)
    counts: Mapped[Json] = mapped_column(default=dict)
    files: Mapped[int] = mapped_column(default=0)
    bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    digest: Mapped[str | None] = mapped_column(String(64))
    problems: Mapped[Json] = mapped_column(default=dict)
    errors: Mapped[int] = mapped_column(default=0)
    warnings: Mapped[int] = mapped_column(default=0)
    excludable: Mapped[int | None]
    error: Mapped[Json | None]
    """Why the data set cannot be used: code, params, fixes (internal form)."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Weights(Base):
    """Weights that a user uploaded to start from."""

    __tablename__ = "weights"
    id: Mapped[str] = mapped_column(String(80), primary_key=True)
    name: Mapped[str]
    bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]


class Job(Base):
    """A training as the user asked for it; its attempts are the tries to carry it out."""

    __tablename__ = "jobs"
    id: Mapped[str] = mapped_column(String(20), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, unique=True)
    name: Mapped[str | None]
    status: Mapped[str] = mapped_column(String(20), index=True)
    framework: Mapped[str] = mapped_column(String(40))
    model: Mapped[str] = mapped_column(String(120))
    task: Mapped[str | None] = mapped_column(String(20))
    dataset_id: Mapped[str] = mapped_column(String(80), index=True)
    config: Mapped[Json]
    code: Mapped[str | None] = mapped_column(String(63), index=True)
    """The failure code of a failed job, for filters; `error` holds the rest."""
    error: Mapped[Json | None]
    progress: Mapped[Json | None]
    result: Mapped[Json | None]
    attempt: Mapped[int] = mapped_column(default=0)
    last_seq: Mapped[int] = mapped_column(BigInteger, default=0)
    retry_at: Mapped[datetime | None]
    next_config: Mapped[Json | None]
    """Configuration of the next attempt where a repair changed it."""
    excluded_agents: Mapped[list[Any]] = mapped_column(default=list)
    retry_of: Mapped[str | None] = mapped_column(String(20))
    retried_as: Mapped[str | None] = mapped_column(String(20))
    traceparent: Mapped[str | None] = mapped_column(String(60))
    created_at: Mapped[datetime] = mapped_column(index=True)
    updated_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class Attempt(Base):
    """One try to carry out a job, with everything that explains how it ended."""

    __tablename__ = "job_attempts"
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(String(20))
    agent_id: Mapped[str | None] = mapped_column(String(80))
    config: Mapped[Json]
    last_agent_seq: Mapped[int] = mapped_column(BigInteger, default=0)
    epoch: Mapped[int | None]
    """Last finished epoch."""
    checkpoint: Mapped[Json | None]
    """The newest that it left."""
    resumed_from: Mapped[Json | None]
    """The checkpoint that it began with: attempt, name, epoch, sha256."""
    evidence: Mapped[Json | None]
    diagnosis: Mapped[Json | None]
    history: Mapped[Json | None]
    decision: Mapped[Json | None]
    error: Mapped[Json | None]
    wait_s: Mapped[float | None] = mapped_column(Float)
    """Seconds waited before this attempt."""
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    heard_at: Mapped[datetime | None]
    """When the agent was last heard of this attempt."""
    last_step_at: Mapped[datetime | None]

    __table_args__ = (Index("ix_job_attempts_status", "status"),)


class SafeBatch(Base):
    """A batch that fitted into memory after a larger one had not, by what memory depends on."""

    __tablename__ = "safe_batches"
    framework: Mapped[str] = mapped_column(String(40), primary_key=True)
    model: Mapped[str] = mapped_column(String(120), primary_key=True)
    image_size: Mapped[int] = mapped_column(primary_key=True)
    device: Mapped[str] = mapped_column(String(120), primary_key=True)
    batch_size: Mapped[int]
    val_batch_size: Mapped[int | None]
    job_id: Mapped[str] = mapped_column(String(20))
    updated_at: Mapped[datetime]


class OperatorRule(Base):
    """A rule of an operator for the diagnosis, who wrote it and what it has hit."""

    __tablename__ = "operator_rules"
    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column(String(120))
    pattern: Mapped[str] = mapped_column(String(500))
    code: Mapped[str | None] = mapped_column(String(63))
    stop: Mapped[bool]
    exclude_node: Mapped[bool]
    created_by: Mapped[str] = mapped_column(String(120))
    created_at: Mapped[datetime]
    hits: Mapped[int] = mapped_column(default=0)
    last_hit_at: Mapped[datetime | None]
    last_hit_job: Mapped[str | None] = mapped_column(String(20))
    last_hit_attempt: Mapped[int | None]


class JobEvent(Base):
    """What happened to a job, numbered without gaps; the source of the live view."""

    __tablename__ = "job_events"
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    type: Mapped[str] = mapped_column(String(12))
    attempt: Mapped[int] = mapped_column(Integer)
    epoch: Mapped[int | None]
    """Set on the event that ends an epoch."""
    at: Mapped[datetime]
    body: Mapped[Json]

    __table_args__ = (Index("ix_job_events_type", "job_id", "type", "seq"),)


class Artifact(Base):
    """A file that an attempt made: weights, plots, tables."""

    __tablename__ = "artifacts"
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    media_type: Mapped[str] = mapped_column(String(100))
    role: Mapped[str] = mapped_column(String(20))
    epoch: Mapped[int | None]
    created_at: Mapped[datetime]


class Agent(Base):
    """A training machine's agent as it last described itself."""

    __tablename__ = "agents"
    id: Mapped[str] = mapped_column(String(80), primary_key=True)
    name: Mapped[str]
    url: Mapped[str]
    slots: Mapped[int]
    frameworks: Mapped[list[Any]] = mapped_column(default=list)
    resources: Mapped[Json] = mapped_column(default=dict)
    version: Mapped[str] = mapped_column(String(40))
    registered_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]


class Idempotency(Base):
    """The answer to a POST that carried an Idempotency-Key, for 24 hours."""

    __tablename__ = "idempotency_keys"
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_hash: Mapped[str] = mapped_column(String(64))
    job_id: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[datetime] = mapped_column(index=True)


class ErrorOccurrence(Base):
    """An error answer as it went out, so that its trace id can be looked up; only the newest are kept."""

    __tablename__ = "error_occurrences"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    trace_id: Mapped[str] = mapped_column(String(32), index=True)
    status: Mapped[int]
    method: Mapped[str] = mapped_column(String(12))
    endpoint: Mapped[str]
    error: Mapped[Json]
    """The public form; it holds the time."""
