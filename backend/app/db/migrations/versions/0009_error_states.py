"""states of error groups keep their history."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Applies the change. The state that a group is in becomes the first of its history."""
    op.create_table(
        "error_states",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("group_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("set_by", sa.String(length=120), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_error_states_group", "error_states", ["group_id", "id"])
    op.execute(
        "insert into error_states (group_id, at, state, set_by, note) select id, state_at, state, "
        "case when state = 'regressed' then null else state_by end, case when state = 'regressed' then null else note end "
        "from error_groups where state <> 'open' or state_by is not null"
    )


def downgrade() -> None:
    """Takes the change back."""
    op.drop_table("error_states")
