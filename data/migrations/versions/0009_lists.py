"""Lists, their exports and results, risk policies, and notices about customers."""

import sqlalchemy as sa
from alembic import op

from data.schema import Moment

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "risk_policies",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("max_pd", sa.Float, nullable=False),
        sa.Column("max_grade", sa.String(2), nullable=False),
        sa.Column("unscored", sa.Boolean, nullable=False),
        sa.Column("published_by", sa.String(100), nullable=False),
        sa.Column("published_at", Moment, nullable=False),
    )
    op.create_table(
        "customer_notices",
        sa.Column("notice_id", sa.Integer, primary_key=True),
        sa.Column("customer_id", sa.String(64), nullable=False, index=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("holds", sa.Boolean, nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.Column("actor", sa.String(100), nullable=False),
        sa.Column("received_at", Moment, nullable=False),
    )
    op.create_table(
        "lists",
        sa.Column("list_id", sa.String(24), primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("request", sa.JSON, nullable=False),
        sa.Column("book", sa.String(24), nullable=False),
        sa.Column("policy_version", sa.Integer, nullable=False),
        sa.Column("made_by", sa.String(100), nullable=False),
        sa.Column("made_at", Moment, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("counts", sa.JSON, nullable=False),
        sa.Column("sealed_at", Moment),
    )
    op.create_table(
        "list_exports",
        sa.Column("export_id", sa.String(24), primary_key=True),
        sa.Column(
            "list_id", sa.String(24), sa.ForeignKey("lists.list_id"), nullable=False, index=True
        ),
        sa.Column("template", sa.String(64), nullable=False),
        sa.Column("control", sa.JSON, nullable=False),
        sa.Column("actor", sa.String(100), nullable=False),
        sa.Column("exported_at", Moment, nullable=False),
        sa.Column("audit", sa.Integer, nullable=False),
    )
    op.create_table(
        "list_results",
        sa.Column("list_id", sa.String(24), sa.ForeignKey("lists.list_id"), primary_key=True),
        sa.Column("row", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("customer_id", sa.String(64), nullable=False),
        sa.Column("family", sa.String(32), nullable=False),
        sa.Column("channel", sa.String(32), nullable=False),
        sa.Column("disposition", sa.String(32), nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.Column("corrections", sa.Integer, nullable=False),
    )
    op.create_table(
        "list_salts",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("salt", sa.String(64), nullable=False),
    )


def downgrade() -> None:
    for table in (
        "list_salts",
        "list_results",
        "list_exports",
        "lists",
        "customer_notices",
        "risk_policies",
    ):
        op.drop_table(table)
