"""whether agents are given work: drained by a person, or excluded for what fails on them."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

COLUMNS = ("drained_at", "excluded_until", "judged_from")


def upgrade() -> None:
    """Applies the change."""
    with op.batch_alter_table("agents") as agents:
        for name in COLUMNS:
            agents.add_column(sa.Column(name, sa.DateTime(timezone=True), nullable=True))
        agents.add_column(sa.Column("excluded_reason", sa.Text(), nullable=True))
    op.create_index("ix_job_attempts_finished_at", "job_attempts", ["finished_at"])


def downgrade() -> None:
    """Takes the change back."""
    op.drop_index("ix_job_attempts_finished_at", table_name="job_attempts")
    with op.batch_alter_table("agents") as agents:
        for name in (*COLUMNS, "excluded_reason"):
            agents.drop_column(name)
