"""Overrides: decisions against a score, and their approval by another person."""

import unicodedata
from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, BaseModel, Field
from pydantic_core import PydanticCustomError
from sqlalchemy.engine import Connection

from serving import overrides
from serving.api.once import Once
from serving.api.shared import Known, Named, Store, body, like
from serving.idempotency import Done
from serving.identifiers import Identifier
from serving.overrides import Decision, Direction, Override, Proposed, ReasonCode, Settled
from serving.strict import strict

routes = APIRouter(tags=["feedback"])


def _plain(text: str) -> str:
    composed = unicodedata.normalize("NFC", text)
    if not composed.isprintable():
        raise PydanticCustomError("plain", "control and invisible characters are not allowed")
    return composed


class OverrideRequest(BaseModel):
    """Which recorded score is not followed, what is decided instead, why, and until when."""

    model_config = like(
        {
            "score_audit": 4711,
            "model": "credit_risk",
            "decision": "accept",
            "direction": "favourable",
            "reason_code": "income_verified",
            "comment": "salary slips of three months seen",
            "expires_on": "2027-01-31",
        }
    )

    score_audit: Annotated[int, Field(ge=1, le=2**31 - 1)]
    model: Named
    decision: Decision
    direction: Direction
    reason_code: ReasonCode
    comment: Annotated[str, Field(max_length=500), AfterValidator(_plain)] = ""
    expires_on: date


class ApprovalRequest(BaseModel):
    """Whether an override is approved."""

    model_config = like({"decision": "approve"})

    decision: Literal["approve", "reject"]


class OverrideList(BaseModel):
    """Some overrides, newest first; with ``next`` as the cursor come those before."""

    overrides: list[Override]
    next: str | None


def _done(status: int, override: Override) -> Done:
    # The answer is kept to be repeated: who the customer is and the comment stay out.
    return Done(status, override.model_dump(mode="json", include=set(Settled.model_fields)))


@routes.post(
    "/overrides", status_code=201, openapi_extra=body(OverrideRequest), response_model=Settled
)
def propose(
    who: Known,
    store: Store,
    once: Once,
    asked: Annotated[OverrideRequest, Depends(strict(OverrideRequest))],
) -> JSONResponse:
    """Record a decision against a score; the score itself stays as it is."""
    score = overrides.recorded(store, asked.score_audit, asked.model)

    def effect(connection: Connection) -> Done:
        proposed = Proposed(**dict(asked))
        return _done(201, overrides.propose(connection, score, proposed, who.person))

    return once(asked, effect)


@routes.post(
    "/overrides/{override_id}/approval",
    openapi_extra=body(ApprovalRequest),
    response_model=Settled,
)
def settle(
    who: Known,
    once: Once,
    override_id: Identifier,
    asked: Annotated[ApprovalRequest, Depends(strict(ApprovalRequest))],
) -> JSONResponse:
    """Approve or reject an override that somebody else decided."""
    approve = asked.decision == "approve"
    return once(
        asked,
        lambda connection: _done(
            200, overrides.settle(connection, override_id, approve, who.person)
        ),
    )


@routes.get("/overrides")
def listed(
    store: Store,
    cursor: Annotated[str, Query(pattern=r"^([0-9a-f]{32})?$")] = "",
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> OverrideList:
    """All overrides, newest first."""
    found = overrides.overrides(store, cursor, limit)
    return OverrideList(
        overrides=found, next=found[-1].override_id if len(found) == limit else None
    )
