"""What a published customer owes or may owe."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("profiles", sa.Column("exposure", sa.JSON))


def downgrade() -> None:
    op.drop_column("profiles", "exposure")
