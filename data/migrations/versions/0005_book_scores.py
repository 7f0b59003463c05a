"""What a book run found: value, grade and top reasons, by customer and model."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("publications", sa.Column("releases", sa.JSON))
    op.create_table(
        "book_scores",
        sa.Column(
            "publication_id",
            sa.Integer,
            sa.ForeignKey("publications.publication_id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("customer_id", sa.String(64), primary_key=True),
        sa.Column("model", sa.String(100), primary_key=True),
        sa.Column("value", sa.Float),
        sa.Column("grade", sa.String(2)),
        sa.Column("reasons", sa.Text, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("book_scores")
    op.drop_column("publications", "releases")
