"""What a key's holder may do and when a key was revoked; tokens that count no more."""

import sqlalchemy as sa
from alembic import op

from data.schema import Moment

revision = "0007"
down_revision = "0006"
ADDED = (
    ("roles", sa.JSON, "[]"),
    ("scopes", sa.JSON, "[]"),
    ("client", sa.String(100), ""),
    ("employee", sa.String(64), ""),
)


def upgrade() -> None:
    for name, kind, default in ADDED:
        op.add_column("api_keys", sa.Column(name, kind, nullable=False, server_default=default))
    op.add_column("api_keys", sa.Column("revoked_at", Moment))
    op.add_column("api_keys", sa.Column("replaced_by", sa.String(16)))
    # Keys from before the roles were made for systems that ask for scores; they stay that.
    op.execute("UPDATE api_keys SET roles = '[\"system\"]', client = name")
    op.create_table(
        "revoked_sessions",
        sa.Column("kind", sa.String(8), primary_key=True),
        sa.Column("value", sa.String(200), primary_key=True),
        sa.Column("revoked_at", Moment, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("revoked_sessions")
    for name in ("replaced_by", "revoked_at", *(name for name, _, _ in reversed(ADDED))):
        op.drop_column("api_keys", name)
