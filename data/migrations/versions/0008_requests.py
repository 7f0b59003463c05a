"""What requests leave: answers to repeat, jobs, outcomes and overrides."""

import sqlalchemy as sa
from alembic import op

from data.schema import Moment

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "idempotent_answers",
        sa.Column("client", sa.String(100), primary_key=True),
        sa.Column("route", sa.String(100), primary_key=True),
        sa.Column("key", sa.String(100), primary_key=True),
        sa.Column("asked_sha256", sa.String(64), nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("answer", sa.JSON, nullable=False),
        sa.Column("created_at", Moment, nullable=False),
    )
    op.create_table(
        "jobs",
        sa.Column("job_id", sa.String(32), primary_key=True),
        sa.Column("client", sa.String(100), nullable=False),
        sa.Column("asked", sa.JSON, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("done", sa.Integer, nullable=False),
        sa.Column("failed", sa.Integer, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("token", sa.Integer, nullable=False),
        sa.Column("owner", sa.String(64)),
        sa.Column("lease_until", Moment),
        sa.Column("problem", sa.String(200)),
        sa.Column("result_sha256", sa.String(64)),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("finished_at", Moment),
        sa.Column("expires_at", Moment, nullable=False),
    )
    op.create_table(
        "job_chunks",
        sa.Column(
            "job_id",
            sa.String(32),
            sa.ForeignKey("jobs.job_id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("first", sa.Integer, nullable=False),
        sa.Column("customers", sa.JSON, nullable=False),
        sa.Column("token", sa.Integer),
        sa.Column("sha256", sa.String(64)),
        sa.Column("size", sa.Integer),
        sa.Column("audits", sa.JSON),
    )
    op.create_table(
        "outcomes",
        sa.Column("outcome_id", sa.String(32), primary_key=True),
        sa.Column("customer_id", sa.String(64), nullable=False),
        sa.Column("model", sa.String(40), nullable=False),
        sa.Column("outcome", sa.String(40), nullable=False),
        sa.Column("occurred_on", sa.Date, nullable=False),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("supersedes", sa.String(32), sa.ForeignKey("outcomes.outcome_id"), unique=True),
        sa.Column("digest", sa.String(64), nullable=False, unique=True),
        sa.Column("actor", sa.String(100), nullable=False),
        sa.Column("recorded_at", Moment, nullable=False),
        sa.Column("audit", sa.Integer, nullable=False),
    )
    op.create_table(
        "overrides",
        sa.Column("override_id", sa.String(32), primary_key=True),
        sa.Column("score_audit", sa.Integer, nullable=False),
        sa.Column("customer_id", sa.String(64), nullable=False),
        sa.Column("model", sa.String(40), nullable=False),
        sa.Column("decision", sa.String(16), nullable=False),
        sa.Column("direction", sa.String(16), nullable=False),
        sa.Column("reason_code", sa.String(40), nullable=False),
        sa.Column("comment", sa.String(500), nullable=False),
        sa.Column("expires_on", sa.Date, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("decided_by", sa.String(100), nullable=False),
        sa.Column("decided_at", Moment, nullable=False),
        sa.Column("approver", sa.String(100)),
        sa.Column("approved_at", Moment),
        sa.Column("audit", sa.Integer, nullable=False),
    )
    op.create_index("ix_idempotent_answers_created_at", "idempotent_answers", ["created_at"])
    op.create_index("ix_jobs_client", "jobs", ["client"])
    op.create_index("ix_jobs_state", "jobs", ["state"])
    op.create_index("ix_outcomes_customer_id", "outcomes", ["customer_id"])
    op.create_index("ix_overrides_score_audit", "overrides", ["score_audit"])
    op.create_index("ix_overrides_state", "overrides", ["state"])


def downgrade() -> None:
    for name in ("overrides", "outcomes", "job_chunks", "jobs", "idempotent_answers"):
        op.drop_table(name)
