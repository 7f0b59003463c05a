"""What became of customers, as the bank's systems report it: nothing is changed, only corrected."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, Self

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict
from sqlalchemy.engine import Connection

from data import audit
from data.errors import BadFeedback, Conflict, UnknownOutcome
from data.schema import OUTCOMES
from data.warehouse import canonical_json
from serving.identifiers import new_identifier

# Of lifetime value nothing is reported: what a customer brought in is booked, and loaded.
HAPPENED: Mapping[str, tuple[str, ...]] = {
    "churn": ("left", "stayed"),
    "propensity": ("bought", "refused", "no_answer"),
    "credit_risk": ("defaulted", "performed"),
}


class Happened(BaseModel):
    """What happened, on which day, and which system says so."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    outcome: str
    occurred_on: date
    source: str
    supersedes: str | None = None


class Noted(Happened):
    """What happened as it stands on record, without whom it happened to."""

    outcome_id: str
    recorded_at: datetime
    audit: int


class Reported(Happened):
    """What happened to a customer."""

    customer_id: str

    @property
    def digest(self) -> str:
        """The same report again has the same digest."""
        return hashlib.sha256(canonical_json(self.model_dump(mode="json")).encode()).hexdigest()


class Outcome(Noted, Reported):
    """An outcome as it stands on record."""

    @classmethod
    def of(cls, row: Any) -> Self:
        """The outcome of a row of the table."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


def record(connection: Connection, reported: Reported, actor: str) -> tuple[Outcome, bool]:
    """Keep an outcome, within a ``writing`` transaction, and whether it is new.

    Raises:
        BadFeedback: such a thing does not happen to the question, or has not happened yet.
        UnknownOutcome: the outcome to supersede is not there.
        Conflict: it is another customer's or question's, or was superseded before.
    """
    _possible(reported)
    same = sa.select(OUTCOMES).where(OUTCOMES.c.digest == reported.digest)
    if known := connection.execute(same).first():
        return Outcome.of(known), False
    before = _superseded(connection, reported)
    outcome_id = new_identifier()
    entered = audit.enter(
        connection,
        kind="outcome",
        actor=actor,
        body={"outcome_id": outcome_id, "model": reported.model, "supersedes": reported.supersedes},
        payload={"before": before, "after": reported.model_dump(mode="json")},
        person=reported.customer_id,
    )
    row = {
        **dict(reported),
        "outcome_id": outcome_id,
        "digest": reported.digest,
        "actor": actor,
        "recorded_at": entered.at,
        "audit": entered.sequence,
    }
    connection.execute(sa.insert(OUTCOMES).values(row))
    return Outcome.of(connection.execute(same).one()), True


def _possible(reported: Reported) -> None:
    question = reported.model.partition(".")[0]
    if reported.outcome not in HAPPENED.get(question, ()):
        known = "; ".join(f"{name}: {', '.join(each)}" for name, each in HAPPENED.items())
        raise BadFeedback(f"outcome: no outcome of this model; there are {known}")
    if reported.occurred_on > datetime.now(UTC).date():
        raise BadFeedback("occurred_on: an outcome cannot lie in the future")


def _superseded(connection: Connection, reported: Reported) -> dict[str, Any] | None:
    if reported.supersedes is None:
        return None
    asked = sa.select(OUTCOMES).where(OUTCOMES.c.outcome_id == reported.supersedes)
    row = connection.execute(asked).first()
    if row is None:
        raise UnknownOutcome("supersedes: there is no such outcome")
    if (row.customer_id, row.model) != (reported.customer_id, reported.model):
        raise Conflict("supersedes: that outcome is of another customer or model")
    later = sa.select(OUTCOMES.c.outcome_id).where(OUTCOMES.c.supersedes == reported.supersedes)
    if connection.execute(later).first():
        raise Conflict("supersedes: that outcome was superseded already; supersede the newest")
    told = Outcome.of(row).model_dump(mode="json", include=set(Reported.model_fields))
    return dict(told)
