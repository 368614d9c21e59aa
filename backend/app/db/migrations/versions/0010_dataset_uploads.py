"""an upload in pieces makes one data set, whatever breaks off when."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies the change."""
    with op.batch_alter_table("datasets") as datasets:
        datasets.add_column(sa.Column("upload_id", sa.String(length=32), nullable=True))
        datasets.create_unique_constraint("uq_datasets_upload_id", ["upload_id"])


def downgrade() -> None:
    """Takes the change back."""
    with op.batch_alter_table("datasets") as datasets:
        datasets.drop_constraint("uq_datasets_upload_id", type_="unique")
        datasets.drop_column("upload_id")
