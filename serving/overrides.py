"""Decisions against a score: on record with their reason, approved by somebody else, never a new score."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any, Self

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict
from sqlalchemy.engine import Connection

from data import audit
from data.database import Database
from data.errors import (
    BadFeedback,
    Conflict,
    Erased,
    FourEyes,
    UnknownOverride,
    UnknownRecord,
    UnknownScore,
)
from data.schema import OVERRIDES
from serving.identifiers import new_identifier

LONGEST = timedelta(days=366)


class Decision(StrEnum):
    """What was decided of the customer."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    REFER = "refer"


class Direction(StrEnum):
    """Whether the customer fares better or worse than the score would have it."""

    FAVOURABLE = "favourable"
    ADVERSE = "adverse"


class ReasonCode(StrEnum):
    """Why a score is not followed."""

    INCOME_VERIFIED = "income_verified"
    COLLATERAL = "collateral"
    KNOWN_CIRCUMSTANCES = "known_circumstances"
    WRONG_DATA = "wrong_data"
    OUTDATED_DATA = "outdated_data"
    POLICY = "policy"
    FRAUD_SUSPECTED = "fraud_suspected"
    OTHER = "other"


class State(StrEnum):
    """Where an override stands."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"


class Decided(BaseModel):
    """Which recorded score is not followed, what is decided instead, why, and until when."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    score_audit: int
    model: str
    decision: Decision
    direction: Direction
    reason_code: ReasonCode
    expires_on: date


class Proposed(Decided):
    """A decision with its comment."""

    comment: str


class Settled(Decided):
    """An override, who decided it, and who approved or rejected it."""

    override_id: str
    status: State
    decided_by: str
    decided_at: datetime
    approver: str | None
    approved_at: datetime | None
    audit: int


class Override(Settled):
    """An override as it stands on record, with its customer."""

    customer_id: str
    comment: str

    @classmethod
    def of(cls, row: Any) -> Self:
        """The override of a row of the table, expired where its day has passed."""
        told = {name: getattr(row, name) for name in cls.model_fields if name != "status"}
        live = row.state != State.REJECTED and row.expires_on < datetime.now(UTC).date()
        return cls(status=State.EXPIRED if live else State(row.state), **told)


@dataclass(frozen=True)
class Recorded:
    """A score as an audit record holds it."""

    audit: int
    digest: str
    customer_id: str
    model: str
    release: str
    score: Mapping[str, Any]

    @property
    def before(self) -> dict[str, Any]:
        """What the score said."""
        told = {name: self.score.get(name) for name in ("status", "value", "unit")}
        return told | {"grade": (self.score.get("credit") or {}).get("grade")}


def recorded(database: Database, sequence: int, model: str) -> Recorded:
    """The score of a model in an audit record.

    Raises:
        UnknownScore: there is no such record, or no such score in it.
    """
    unknown = UnknownScore(
        "no audit record with this number holds a customer's score of this model"
    )
    try:
        kept, payload = audit.record_of(database, sequence), audit.payload_of(database, sequence)
    except (UnknownRecord, Erased):
        raise unknown from None
    score = _of(model, (payload or {}).get("answer", {}).get("scores", {}))
    if "customer_id" not in (payload or {}) or score is None:
        raise unknown
    release = json.loads(kept.body).get("releases", {}).get(model, "")
    return Recorded(sequence, kept.digest, payload["customer_id"], model, release, score)


def _of(model: str, scores: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """A model's score among those of an answer, where offers stand under their question."""
    question, _, offer = model.partition(".")
    found = scores.get(model) or scores.get(question, {}).get(offer)
    return found if isinstance(found, dict) and found.get("model") == model else None


def propose(connection: Connection, score: Recorded, proposed: Proposed, actor: str) -> Override:
    """Keep a decision against a score, within a ``writing`` transaction; the score stays as it is.

    Raises:
        BadFeedback: it would have expired already or last too long, or "other" goes unexplained.
    """
    today = datetime.now(UTC).date()
    if not today < proposed.expires_on <= today + LONGEST:
        raise BadFeedback("expires_on: a day after today, within a year")
    if proposed.reason_code is ReasonCode.OTHER and not proposed.comment.strip():
        raise BadFeedback('comment: say why, where the reason_code is "other"')
    override_id = new_identifier()
    told = proposed.model_dump(mode="json", exclude={"comment"})
    entered = audit.enter(
        connection,
        kind="override",
        actor=actor,
        body={
            "override_id": override_id,
            "score_digest": score.digest,
            "release": score.release,
            **told,
        },
        payload={
            "customer_id": score.customer_id,
            "before": score.before,
            "after": {"decision": proposed.decision, "direction": proposed.direction},
            "comment": proposed.comment,
        },
        person=score.customer_id,
    )
    row = {
        **dict(proposed),
        "override_id": override_id,
        "customer_id": score.customer_id,
        "state": State.PROPOSED,
        "decided_by": actor,
        "decided_at": entered.at,
        "audit": entered.sequence,
    }
    connection.execute(sa.insert(OVERRIDES).values(row))
    return _found(connection, override_id)


def settle(connection: Connection, override_id: str, approve: bool, actor: str) -> Override:
    """Approve or reject an override, within a ``writing`` transaction.

    Raises:
        UnknownOverride: it is not there.
        Conflict: it was settled before, or has expired.
        FourEyes: who decided would approve.
    """
    before = _found(connection, override_id)
    if before.status is not State.PROPOSED:
        raise Conflict(f"the override is {before.status} already")
    if before.decided_by.strip().casefold() == actor.strip().casefold():
        raise FourEyes("another person than the one who decided has to approve or reject this")
    state = State.APPROVED if approve else State.REJECTED
    entered = audit.enter(
        connection,
        kind=f"override_{state}",
        actor=actor,
        body={
            "override_id": override_id,
            "override": before.audit,
            "before": before.status,
            "after": state,
        },
    )
    settled = {"state": state, "approver": actor, "approved_at": entered.at}
    this = OVERRIDES.c.override_id == override_id
    connection.execute(sa.update(OVERRIDES).where(this).values(settled))
    return _found(connection, override_id)


def _found(connection: Connection, override_id: str) -> Override:
    asked = sa.select(OVERRIDES).where(OVERRIDES.c.override_id == override_id)
    row = connection.execute(asked).first()
    if row is None:
        raise UnknownOverride("there is no override with this identifier")
    return Override.of(row)


def overrides(database: Database, before: str = "", most: int = 50) -> list[Override]:
    """Overrides, newest first: those made before the override ``before``."""
    asked = sa.select(OVERRIDES).order_by(OVERRIDES.c.override_id.desc()).limit(most)
    if before:
        asked = asked.where(OVERRIDES.c.override_id < before)
    with database.reading() as connection:
        return [Override.of(row) for row in connection.execute(asked)]
