"""Tables. Times are UTC; JSON columns hold what is only read as a whole."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Float, ForeignKey, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, Json, UtcDateTime  # noqa: F401 - one place to import tables and their base from
from app.db.cluster import Backend, Claim, OpenBreaker  # noqa: F401 - makes them part of the metadata
from app.db.feedback import Feedback  # noqa: F401 - makes it part of the metadata
from app.db.tracking import (  # noqa: F401 - makes them part of the metadata
    ErrorAffected,
    ErrorCount,
    ErrorFingerprint,
    ErrorGroup,
    ErrorOccurrence,
    ErrorState,
    ErrorWord,
)

UNTRACKED = "status = 'failed' and error_group_id is null"
"""Failures that the error tracking has not taken in yet: the rows themselves are its queue."""


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
    upload_id: Mapped[str | None] = mapped_column(String(32), unique=True)
    """The upload in pieces that it was made of, which makes no second one."""
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
    begins_with: Mapped[Json | None]
    """The checkpoint of the job that this one tries again: job_id, attempt, name, epoch, sha256."""
    traceparent: Mapped[str | None] = mapped_column(String(60))
    created_by: Mapped[str | None] = mapped_column(String(120), index=True)
    """Name of the user whose token submitted it."""
    error_group_id: Mapped[int | None] = mapped_column(BigInteger)
    """The group of its failure, once tracked."""
    created_at: Mapped[datetime] = mapped_column(index=True)
    updated_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    __table_args__ = (Index("ix_jobs_untracked", "number", postgresql_where=text(UNTRACKED), sqlite_where=text(UNTRACKED)),)


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
    error_group_id: Mapped[int | None] = mapped_column(BigInteger)
    """The group of its failure, once tracked."""

    __table_args__ = (
        Index("ix_job_attempts_status", "status"),
        Index("ix_job_attempts_finished_at", "finished_at"),
        Index(
            "ix_job_attempts_untracked", "job_id", "number", postgresql_where=text(UNTRACKED), sqlite_where=text(UNTRACKED)
        ),
    )


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
    drained_at: Mapped[datetime | None]
    """Since when it takes no more attempts, by a person's wish."""
    excluded_until: Mapped[datetime | None]
    """Set while it is avoided since too much fails on it; it is cleared when that time has come."""
    excluded_reason: Mapped[str | None]
    judged_from: Mapped[datetime | None]
    """Failures before this are forgiven: it came back then."""


class Idempotency(Base):
    """The answer to a POST that carried an Idempotency-Key, for 24 hours."""

    __tablename__ = "idempotency_keys"
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_hash: Mapped[str] = mapped_column(String(64))
    job_id: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[datetime] = mapped_column(index=True)
