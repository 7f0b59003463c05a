"""Audit chains by writing process, sealed payloads, keys of persons, signed checkpoints.

Records that stand already become the chain main, hashed as they were (form 1); their payloads stay
readable as they are.
"""

import sqlalchemy as sa
from alembic import op

from data.schema import AUDIT_NUMBERS, NUMBER, Moment

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    for column in (
        sa.Column("chain", sa.String(64), nullable=False, server_default="main"),
        sa.Column("position", NUMBER, nullable=False, server_default="0"),
        sa.Column("form", sa.SmallInteger, nullable=False, server_default="1"),
    ):
        op.add_column("audit", column)
    op.execute("UPDATE audit SET position = sequence")
    op.create_index("audit_places", "audit", ["chain", "position"], unique=True)
    with op.batch_alter_table("audit_payloads") as payloads:
        payloads.alter_column("payload", existing_type=sa.Text, nullable=True)
        payloads.add_column(sa.Column("person", sa.String(64)))
        payloads.add_column(sa.Column("sealed", sa.LargeBinary))
    if op.get_bind().dialect.name == "postgresql":
        _count_on()
    op.create_table(
        "audit_checkpoints",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("statement", sa.Text, nullable=False),
        sa.Column("signature", sa.String(128), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
    )
    op.create_table(
        "person_keys",
        sa.Column("person", sa.String(64), primary_key=True),
        sa.Column("wrapped", sa.LargeBinary),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("erased_at", Moment),
    )


def _count_on() -> None:
    """PostgreSQL: numbers that many writers take at once, and that do not run out in a year."""
    for column in (("audit_payloads", "sequence"), ("audit", "sequence")):
        op.alter_column(*column, type_=sa.BigInteger)
    op.execute(sa.schema.CreateSequence(AUDIT_NUMBERS))
    next_number = "(SELECT coalesce(max(sequence), 0) + 1 FROM audit)"
    op.execute(f"SELECT setval('audit_numbers', {next_number}, false)")


def downgrade() -> None:
    raise NotImplementedError("sealed payloads and chains have no earlier form; restore a backup")
