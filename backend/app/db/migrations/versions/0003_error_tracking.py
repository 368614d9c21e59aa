"""error tracking: groups, counts, words; jobs know who submitted them."""

import sqlalchemy as sa
from alembic import op

from app.db.base import UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
WORD = sa.String(40, collation="C").with_variant(sa.String(40), "sqlite")
UNTRACKED = sa.text("status = 'failed' and error_group_id is null")
AT = {
    "sqlite": "replace(substr(json_extract(error, '$.timestamp'), 1, 23), 'T', ' ') || '000'",
    "postgresql": "cast(error->>'timestamp' as timestamptz)",
}


def upgrade() -> None:
    """Applies the change."""
    _groups()
    _counts()
    op.drop_index("ix_error_occurrences_trace_id", table_name="error_occurrences")
    op.rename_table("error_occurrences", "error_answers")
    _occurrences()
    # Answers of before are found by their trace id as ever; they belong to no group.
    op.execute(
        "insert into error_occurrences (at, trace_id, status, method, endpoint, error) "  # noqa: S608 - no input in it
        f"select {AT[op.get_bind().dialect.name]}, trace_id, status, method, endpoint, error from error_answers order by id"
    )
    op.drop_table("error_answers")
    op.add_column("jobs", sa.Column("created_by", sa.String(120)))
    op.add_column("jobs", sa.Column("error_group_id", sa.BigInteger()))
    op.create_index("ix_jobs_created_by", "jobs", ["created_by"])
    op.create_index("ix_jobs_untracked", "jobs", ["number"], postgresql_where=UNTRACKED, sqlite_where=UNTRACKED)
    op.add_column("job_attempts", sa.Column("error_group_id", sa.BigInteger()))
    op.create_index(
        "ix_job_attempts_untracked",
        "job_attempts",
        ["job_id", "number"],
        postgresql_where=UNTRACKED,
        sqlite_where=UNTRACKED,
    )


def _groups() -> None:
    op.create_table(
        "error_groups",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("fingerprint", sa.String(80), nullable=False),
        sa.Column("source", sa.String(8), nullable=False),
        sa.Column("code", sa.String(63), nullable=False),
        sa.Column("causer", sa.String(20), nullable=False),
        sa.Column("severity", sa.String(10), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("entity", sa.String(200)),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("state_at", UtcDateTime(), nullable=False),
        sa.Column("state_by", sa.String(120)),
        sa.Column("note", sa.Text()),
        sa.Column("first_seen", UtcDateTime(), nullable=False),
        sa.Column("last_seen", UtcDateTime(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("jobs", sa.BigInteger(), nullable=False),
        sa.Column("users", sa.BigInteger(), nullable=False),
        sa.Column("entities", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("fingerprint"),
    )
    op.create_index("ix_error_groups_last_seen", "error_groups", ["last_seen", "id"])
    op.create_index("ix_error_groups_state", "error_groups", ["state", "last_seen", "id"])
    op.create_index("ix_error_groups_code", "error_groups", ["code", "last_seen", "id"])
    op.create_index("ix_error_groups_count", "error_groups", ["count", "id"])
    op.create_table(
        "error_fingerprints",
        sa.Column("fingerprint", sa.String(80), nullable=False),
        sa.Column("group_id", sa.BigInteger(), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint"),
    )
    op.create_index("ix_error_fingerprints_group_id", "error_fingerprints", ["group_id"])
    op.create_table(
        "error_words",
        sa.Column("word", WORD, nullable=False),
        sa.Column("group_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("word", "group_id"),
    )
    op.create_index("ix_error_words_group", "error_words", ["group_id"])


def _counts() -> None:
    op.create_table(
        "error_affected",
        sa.Column("group_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(6), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("first_at", UtcDateTime(), nullable=False),
        sa.Column("last_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("group_id", "kind", "name"),
    )
    op.create_index("ix_error_affected_name", "error_affected", ["kind", "name", "last_at"])
    op.create_index("ix_error_affected_newest", "error_affected", ["group_id", "kind", "last_at"])
    op.create_table(
        "error_counts",
        sa.Column("group_id", sa.BigInteger(), nullable=False),
        sa.Column("user_name", sa.String(120), nullable=False),
        sa.Column("span", sa.String(4), nullable=False),
        sa.Column("bucket", UtcDateTime(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("group_id", "user_name", "span", "bucket"),
    )
    op.create_index("ix_error_counts_bucket", "error_counts", ["span", "bucket", "user_name"])


def _occurrences() -> None:
    op.create_table(
        "error_occurrences",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("group_id", sa.BigInteger()),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("trace_id", sa.String(32)),
        sa.Column("user_name", sa.String(120)),
        sa.Column("job_id", sa.String(20)),
        sa.Column("attempt", sa.Integer()),
        sa.Column("entity", sa.String(200)),
        sa.Column("status", sa.Integer()),
        sa.Column("method", sa.String(12)),
        sa.Column("endpoint", sa.Text()),
        sa.Column("error", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_error_occurrences_at", "error_occurrences", ["at"])
    op.create_index("ix_error_occurrences_trace_id", "error_occurrences", ["trace_id"])
    op.create_index("ix_error_occurrences_group", "error_occurrences", ["group_id", "id"])
    op.create_index("ix_error_occurrences_user", "error_occurrences", ["user_name", "group_id", "id"])


def downgrade() -> None:
    """Takes the change back."""
    op.drop_index("ix_job_attempts_untracked", table_name="job_attempts")
    op.drop_column("job_attempts", "error_group_id")
    op.drop_index("ix_jobs_untracked", table_name="jobs")
    op.drop_index("ix_jobs_created_by", table_name="jobs")
    op.drop_column("jobs", "error_group_id")
    op.drop_column("jobs", "created_by")
    for table in ("error_counts", "error_affected", "error_words", "error_fingerprints", "error_groups"):
        op.drop_table(table)
    for column in ("at", "trace_id", "group", "user"):
        op.drop_index(f"ix_error_occurrences_{column}", table_name="error_occurrences")
    op.rename_table("error_occurrences", "error_tracked")
    op.create_table(
        "error_occurrences",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("trace_id", sa.String(length=32), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("method", sa.String(length=12), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("error", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_error_occurrences_trace_id", "error_occurrences", ["trace_id"])
    op.execute(
        "insert into error_occurrences (trace_id, status, method, endpoint, error) "
        "select trace_id, status, method, endpoint, error from error_tracked "
        "where trace_id is not null and status is not null and method is not null and endpoint is not null order by id"
    )
    op.drop_table("error_tracked")
