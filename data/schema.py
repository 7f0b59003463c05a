"""The tables of the database: one schema for SQLite and PostgreSQL."""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect


class Moment(sa.TypeDecorator[datetime]):
    """A moment in UTC; SQLite would hand it back without its zone."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


metadata = sa.MetaData()
# An INTEGER alone is SQLite's row number.
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

API_KEYS = sa.Table(
    "api_keys",
    metadata,
    sa.Column("key_id", sa.String(16), primary_key=True),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("secret_sha256", sa.String(64), nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
    sa.Column("roles", sa.JSON, nullable=False, server_default="[]"),
    sa.Column("scopes", sa.JSON, nullable=False, server_default="[]"),
    sa.Column("client", sa.String(100), nullable=False, server_default=""),
    sa.Column("employee", sa.String(64), nullable=False, server_default=""),
    sa.Column("revoked_at", Moment),
    sa.Column("replaced_by", sa.String(16)),
)
REVOKED_SESSIONS = sa.Table(
    "revoked_sessions",
    metadata,
    sa.Column("kind", sa.String(8), primary_key=True),
    sa.Column("value", sa.String(200), primary_key=True),
    sa.Column("revoked_at", Moment, nullable=False),
)
PUBLICATIONS = sa.Table(
    "publications",
    metadata,
    sa.Column("publication_id", sa.Integer, primary_key=True),
    sa.Column("as_of", sa.Date, nullable=False),
    sa.Column("snapshot", sa.String(64), nullable=False),
    sa.Column("manifest", sa.String(64), nullable=False),
    sa.Column("features", sa.JSON, nullable=False),
    sa.Column("published_at", Moment, nullable=False),
    sa.Column("current", sa.Boolean, nullable=False),
    sa.Column("releases", sa.JSON),
)
PROFILES = sa.Table(
    "profiles",
    metadata,
    sa.Column(
        "publication_id",
        sa.Integer,
        sa.ForeignKey("publications.publication_id", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("customer_id", sa.String(64), primary_key=True),
    sa.Column("vector", sa.LargeBinary, nullable=False),
    sa.Column("standing", sa.JSON, nullable=False),
    sa.Column("exposure", sa.JSON),
)
BOOK_SCORES = sa.Table(
    "book_scores",
    metadata,
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
AUDIT = sa.Table(
    "audit",
    metadata,
    sa.Column("sequence", NUMBER, primary_key=True, autoincrement=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("actor", sa.String(100), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("previous", sa.String(64), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False, unique=True),
    sa.Column("chain", sa.String(64), nullable=False),
    sa.Column("position", NUMBER, nullable=False),
    sa.Column("form", sa.SmallInteger, nullable=False),
    sa.Index("audit_places", "chain", "position", unique=True),
)
AUDIT_NUMBERS = sa.Sequence("audit_numbers", metadata=metadata)  # SQLite needs none
AUDIT_PAYLOADS = sa.Table(
    "audit_payloads",
    metadata,
    sa.Column(
        "sequence",
        NUMBER,
        sa.ForeignKey("audit.sequence"),
        primary_key=True,
        autoincrement=False,
    ),
    sa.Column("payload", sa.Text),  # only of records that were written before there was a vault
    sa.Column("person", sa.String(64)),
    sa.Column("sealed", sa.LargeBinary),
)
AUDIT_CHECKPOINTS = sa.Table(
    "audit_checkpoints",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("statement", sa.Text, nullable=False),
    sa.Column("signature", sa.String(128), nullable=False),
    sa.Column("key", sa.String(64), nullable=False),
)
PERSON_KEYS = sa.Table(
    "person_keys",
    metadata,
    sa.Column("person", sa.String(64), primary_key=True),
    sa.Column("wrapped", sa.LargeBinary),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("erased_at", Moment),
)
IDENTITY_REVIEWS = sa.Table(
    "identity_reviews",
    metadata,
    sa.Column("record_a", sa.String(64), primary_key=True),
    sa.Column("record_b", sa.String(64), primary_key=True),
    sa.Column("probability", sa.Float, nullable=False),
    sa.Column("reason", sa.String(200), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("opened_at", Moment, nullable=False),
    sa.Column("decided_by", sa.String(100)),
    sa.Column("decided_at", Moment),
)
ACTORS = sa.Table(
    "actors",
    metadata,
    sa.Column("name", sa.String(40), primary_key=True),
    sa.Column("public_key", sa.String(64), nullable=False, unique=True),
    sa.Column("created_at", Moment, nullable=False),
)
MODEL_SIGNATURES = sa.Table(
    "model_signatures",
    metadata,
    sa.Column("artefact", sa.String(64), primary_key=True),
    sa.Column("report", sa.String(64), primary_key=True),
    sa.Column("role", sa.String(16), primary_key=True),
    sa.Column("actor", sa.String(40), sa.ForeignKey("actors.name"), primary_key=True),
    sa.Column("model", sa.String(100), nullable=False),
    sa.Column("version", sa.String(32), nullable=False),
    sa.Column("signature", sa.String(128), nullable=False),
    sa.Column("signed_at", Moment, nullable=False),
)
IDEMPOTENT_ANSWERS = sa.Table(
    "idempotent_answers",
    metadata,
    sa.Column("client", sa.String(100), primary_key=True),
    sa.Column("route", sa.String(100), primary_key=True),
    sa.Column("key", sa.String(100), primary_key=True),
    sa.Column("asked_sha256", sa.String(64), nullable=False),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("answer", sa.JSON, nullable=False),
    sa.Column("created_at", Moment, nullable=False, index=True),
)
JOBS = sa.Table(
    "jobs",
    metadata,
    sa.Column("job_id", sa.String(32), primary_key=True),
    sa.Column("client", sa.String(100), nullable=False, index=True),
    sa.Column("asked", sa.JSON, nullable=False),
    sa.Column("state", sa.String(16), nullable=False, index=True),
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
JOB_CHUNKS = sa.Table(
    "job_chunks",
    metadata,
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
OUTCOMES = sa.Table(
    "outcomes",
    metadata,
    sa.Column("outcome_id", sa.String(32), primary_key=True),
    sa.Column("customer_id", sa.String(64), nullable=False, index=True),
    sa.Column("model", sa.String(40), nullable=False),
    sa.Column("outcome", sa.String(40), nullable=False),
    sa.Column("occurred_on", sa.Date, nullable=False),
    sa.Column("source", sa.String(64), nullable=False),
    # One correction of an outcome, not two: a null is not equal to another.
    sa.Column("supersedes", sa.String(32), sa.ForeignKey("outcomes.outcome_id"), unique=True),
    sa.Column("digest", sa.String(64), nullable=False, unique=True),
    sa.Column("actor", sa.String(100), nullable=False),
    sa.Column("recorded_at", Moment, nullable=False),
    sa.Column("audit", sa.Integer, nullable=False),
)
OVERRIDES = sa.Table(
    "overrides",
    metadata,
    sa.Column("override_id", sa.String(32), primary_key=True),
    sa.Column("score_audit", sa.Integer, nullable=False, index=True),
    sa.Column("customer_id", sa.String(64), nullable=False),
    sa.Column("model", sa.String(40), nullable=False),
    sa.Column("decision", sa.String(16), nullable=False),
    sa.Column("direction", sa.String(16), nullable=False),
    sa.Column("reason_code", sa.String(40), nullable=False),
    sa.Column("comment", sa.String(500), nullable=False),
    sa.Column("expires_on", sa.Date, nullable=False),
    sa.Column("state", sa.String(16), nullable=False, index=True),
    sa.Column("decided_by", sa.String(100), nullable=False),
    sa.Column("decided_at", Moment, nullable=False),
    sa.Column("approver", sa.String(100)),
    sa.Column("approved_at", Moment),
    sa.Column("audit", sa.Integer, nullable=False),
)
RISK_POLICIES = sa.Table(
    "risk_policies",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("max_pd", sa.Float, nullable=False),
    sa.Column("max_grade", sa.String(2), nullable=False),
    sa.Column("unscored", sa.Boolean, nullable=False),
    sa.Column("published_by", sa.String(100), nullable=False),
    sa.Column("published_at", Moment, nullable=False),
)
CUSTOMER_NOTICES = sa.Table(
    "customer_notices",
    metadata,
    sa.Column("notice_id", sa.Integer, primary_key=True),
    sa.Column("customer_id", sa.String(64), nullable=False, index=True),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("holds", sa.Boolean, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("actor", sa.String(100), nullable=False),
    sa.Column("received_at", Moment, nullable=False),
)
LISTS = sa.Table(
    "lists",
    metadata,
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
LIST_EXPORTS = sa.Table(
    "list_exports",
    metadata,
    sa.Column("export_id", sa.String(24), primary_key=True),
    sa.Column("list_id", sa.String(24), sa.ForeignKey("lists.list_id"), nullable=False, index=True),
    sa.Column("template", sa.String(64), nullable=False),
    sa.Column("control", sa.JSON, nullable=False),
    sa.Column("actor", sa.String(100), nullable=False),
    sa.Column("exported_at", Moment, nullable=False),
    sa.Column("audit", sa.Integer, nullable=False),
)
LIST_RESULTS = sa.Table(
    "list_results",
    metadata,
    sa.Column("list_id", sa.String(24), sa.ForeignKey("lists.list_id"), primary_key=True),
    sa.Column("row", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("customer_id", sa.String(64), nullable=False),
    sa.Column("family", sa.String(32), nullable=False),
    sa.Column("channel", sa.String(32), nullable=False),
    sa.Column("disposition", sa.String(32), nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("corrections", sa.Integer, nullable=False),
)
LIST_SALTS = sa.Table(
    "list_salts",
    metadata,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("salt", sa.String(64), nullable=False),
)
