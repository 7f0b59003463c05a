"""Persons with keys, and what they signed of a model version."""

import sqlalchemy as sa
from alembic import op

from data.schema import Moment

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "actors",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("public_key", sa.String(64), nullable=False, unique=True),
        sa.Column("created_at", Moment, nullable=False),
    )
    op.create_table(
        "model_signatures",
        sa.Column("artefact", sa.String(64), primary_key=True),
        sa.Column("report", sa.String(64), primary_key=True),
        sa.Column("role", sa.String(16), primary_key=True),
        sa.Column("actor", sa.String(40), sa.ForeignKey("actors.name"), primary_key=True),
        sa.Column("model", sa.String(100), nullable=False),
        sa.Column("version", sa.String(32), nullable=False),
        sa.Column("signature", sa.String(128), nullable=False),
        sa.Column("signed_at", Moment, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("model_signatures")
    op.drop_table("actors")
