"""Pairs of records that a person has to decide upon."""

import sqlalchemy as sa
from alembic import op

from data.schema import Moment

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "identity_reviews",
        sa.Column("record_a", sa.String(64), primary_key=True),
        sa.Column("record_b", sa.String(64), primary_key=True),
        sa.Column("probability", sa.Float, nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("opened_at", Moment, nullable=False),
        sa.Column("decided_by", sa.String(100)),
        sa.Column("decided_at", Moment),
    )


def downgrade() -> None:
    op.drop_table("identity_reviews")
