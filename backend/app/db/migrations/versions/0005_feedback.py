"""whether what was said of a failure helped; the checkpoint with which a job begins that tries another one again."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "feedback",
        sa.Column("job_id", sa.String(length=20), nullable=False),
        sa.Column("given_by", sa.String(length=120), nullable=False),
        sa.Column("code", sa.String(length=63), nullable=False),
        sa.Column("helped", sa.Boolean(), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "given_by"),
    )
    op.create_index("ix_feedback_code", "feedback", ["code"])
    with op.batch_alter_table("jobs") as jobs:
        jobs.add_column(sa.Column("begins_with", sa.JSON(), nullable=True))


def downgrade() -> None:
    """Takes the change back."""
    with op.batch_alter_table("jobs") as jobs:
        jobs.drop_column("begins_with")
    op.drop_index("ix_feedback_code", table_name="feedback")
    op.drop_table("feedback")
