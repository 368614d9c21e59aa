"""Tables of the built-in error tracking: groups of failures of one kind, their counts, and the newest occurrences.

Counts are kept beside the occurrences, so that a storm can be counted without being stored, and so that no question about
a group has to count rows.
"""

from datetime import datetime

from sqlalchemy import BigInteger, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, Json

BigId = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only where the column is called INTEGER; that has 64 bits there."""
EVERYONE = ""
"""The user name under which counts of all users together stand."""
NAME = 200


class ErrorGroup(Base):
    """All failures of one kind: what they have in common, how often and when they came, and where they stand."""

    __tablename__ = "error_groups"
    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    fingerprint: Mapped[str] = mapped_column(String(80), unique=True)
    """The one that founded the group; `ErrorFingerprint` holds those that joined later."""
    source: Mapped[str] = mapped_column(String(8))
    """Where it happened: job, api or page."""
    code: Mapped[str] = mapped_column(String(63))
    causer: Mapped[str] = mapped_column(String(20))
    severity: Mapped[str] = mapped_column(String(10))
    title: Mapped[str]
    """The deciding line of the first occurrence without its variable parts, or the public message."""
    entity: Mapped[str | None] = mapped_column(String(NAME))
    """File, layer, device … or route of the newest occurrence that named one."""
    state: Mapped[str] = mapped_column(String(10), default="open")
    """open, resolved, ignored, or regressed: it came back after it had been resolved."""
    state_at: Mapped[datetime]
    state_by: Mapped[str | None] = mapped_column(String(120))
    note: Mapped[str | None]
    """What whoever changed the state had to say."""
    first_seen: Mapped[datetime]
    last_seen: Mapped[datetime]
    count: Mapped[int] = mapped_column(BigInteger, default=0)
    jobs: Mapped[int] = mapped_column(BigInteger, default=0)
    users: Mapped[int] = mapped_column(BigInteger, default=0)
    entities: Mapped[int] = mapped_column(BigInteger, default=0)
    """Different entities that are remembered; bounded."""

    __table_args__ = (
        Index("ix_error_groups_last_seen", "last_seen", "id"),
        Index("ix_error_groups_state", "state", "last_seen", "id"),
        Index("ix_error_groups_code", "code", "last_seen", "id"),
        Index("ix_error_groups_count", "count", "id"),
    )


class ErrorState(Base):
    """A state that a group came into; the newest is the one that it is in."""

    __tablename__ = "error_states"
    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    group_id: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(10))
    set_by: Mapped[str | None] = mapped_column(String(120))
    """Whoever did so; None where it came back by itself."""
    note: Mapped[str | None]

    __table_args__ = (Index("ix_error_states_group", "group_id", "id"),)


class ErrorFingerprint(Base):
    """Which group a fingerprint belongs to; a group has several where the rules of fingerprints have changed."""

    __tablename__ = "error_fingerprints"
    fingerprint: Mapped[str] = mapped_column(String(80), primary_key=True)
    group_id: Mapped[int] = mapped_column(BigInteger, index=True)
    since: Mapped[datetime]


class ErrorWord(Base):
    """The words by which a group is found."""

    __tablename__ = "error_words"
    # In the order of bytes, so that the beginning of a word is a range of the index.
    word: Mapped[str] = mapped_column(String(40, collation="C").with_variant(String(40), "sqlite"), primary_key=True)
    group_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)

    __table_args__ = (Index("ix_error_words_group", "group_id"),)


class ErrorAffected(Base):
    """A job, user or entity that a group has hit, and how often."""

    __tablename__ = "error_affected"
    group_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    kind: Mapped[str] = mapped_column(String(6), primary_key=True)
    """job, user or entity."""
    name: Mapped[str] = mapped_column(String(NAME), primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]

    __table_args__ = (
        Index("ix_error_affected_name", "kind", "name", "last_at"),
        Index("ix_error_affected_newest", "group_id", "kind", "last_at"),
    )


class ErrorCount(Base):
    """How many occurrences of a group fell into an hour or a day; of all users together, and by the day of each."""

    __tablename__ = "error_counts"
    group_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    user_name: Mapped[str] = mapped_column(String(120), primary_key=True)
    span: Mapped[str] = mapped_column(String(4), primary_key=True)
    """hour or day."""
    bucket: Mapped[datetime] = mapped_column(primary_key=True)
    """Its beginning."""
    count: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (Index("ix_error_counts_bucket", "span", "bucket", "user_name"),)


class ErrorOccurrence(Base):
    """One failure as it happened. Of a storm only the first of each hour are kept; `ErrorCount` counts them all."""

    __tablename__ = "error_occurrences"
    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    group_id: Mapped[int | None] = mapped_column(BigInteger)
    at: Mapped[datetime] = mapped_column(index=True)
    trace_id: Mapped[str | None] = mapped_column(String(32), index=True)
    user_name: Mapped[str | None] = mapped_column(String(120))
    job_id: Mapped[str | None] = mapped_column(String(20))
    attempt: Mapped[int | None]
    entity: Mapped[str | None] = mapped_column(String(NAME))
    status: Mapped[int | None]
    """HTTP status of an error answer."""
    method: Mapped[str | None] = mapped_column(String(12))
    endpoint: Mapped[str | None]
    """Template of the route, or the page's path."""
    error: Mapped[Json]
    """The public form; of a failure of a page, what it told of it."""

    __table_args__ = (
        Index("ix_error_occurrences_group", "group_id", "id"),
        Index("ix_error_occurrences_user", "user_name", "group_id", "id"),
    )
