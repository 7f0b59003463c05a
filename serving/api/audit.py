"""What was recorded of an answer, and the answer worked out again."""

import json
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict

from data import audit
from serving.api.shared import Known, Scoring, Store
from serving.replay import Replay, Status, replay

routes = APIRouter(tags=["audit"])
Number = Annotated[int, Path(ge=1, lt=2**63, description="The number of an audit record.")]


class AuditRecord(BaseModel):
    """A record as it stands in its chain; its body holds digests and no personal data."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    chain: str
    position: int
    at: datetime
    kind: str
    actor: str
    body: dict[str, Any]
    previous: str
    digest: str


class AuditPayload(BaseModel):
    """The personal part of a record: what was read, and what was answered."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    payload: Any


class ReplayResponse(BaseModel):
    """Whether a record's answers, worked out again, are the same in every bit; if not, why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    kind: str
    status: Status
    answers: int
    why: list[str]
    text: str


@routes.get("/audit/{number}")
def record(who: Known, store: Store, number: Number) -> AuditRecord:
    """An audit record, without its payload."""
    found = audit.record_of(store, number)
    return AuditRecord(
        number=found.sequence,
        chain=found.chain,
        position=found.position,
        at=found.at,
        kind=found.kind,
        actor=found.actor,
        body=json.loads(found.body),
        previous=found.previous,
        digest=found.digest,
    )


@routes.get("/audit/{number}/payload")
def payload(who: Known, store: Store, number: Number) -> AuditPayload:
    """The payload of an audit record, opened; that it was read is recorded as well."""
    opened = audit.payload_of(store, number)
    audit.append(store, kind="audit_read", actor=who.name, body={"record": number})
    return AuditPayload(number=number, payload=opened)


@routes.post("/audit/{number}/replay")
def replayed(who: Known, store: Store, scorer: Scoring, number: Number) -> ReplayResponse:
    """The answers of a record, worked out again and compared bit for bit."""
    found: Replay = replay(store, number, [*scorer.models.values(), *scorer.tables.values()])
    return ReplayResponse(
        number=found.number,
        kind=found.kind,
        status=found.status,
        answers=found.answers,
        why=list(found.why),
        text=str(found),
    )
