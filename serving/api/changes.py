"""What would change a score, and why it moved."""

from datetime import date
from typing import Annotated, Self

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from serving.access.fields import shown
from serving.access.forms import SeenChange, SeenMovement
from serving.api.shared import Customer, Named, Scoring, Store, Version, Visiting, body
from serving.changes import Change, change
from serving.moves import Asked, Movement, why_moved
from serving.reasons import Language
from serving.strict import strict

routes = APIRouter()


class ChangeRequest(BaseModel):
    """Whose score of which question is to come below what chance."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {"customer_id": "C000000042", "question": "credit_risk", "threshold": 0.05}
            ]
        },
    )

    customer_id: Customer
    question: Named
    threshold: Annotated[float, Field(gt=0.0, le=1.0)]
    language: Language = "en"


class MovementRequest(BaseModel):
    """Whose score of which question, between which two days.

    The versions are those that scored the books of the days, unless they are named.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "customer_id": "C000000042",
                    "question": "churn",
                    "since": "2026-03-31",
                    "until": "2026-06-30",
                }
            ]
        },
    )

    customer_id: Customer
    question: Named
    since: date
    until: date
    old_version: Version = ""
    new_version: Version = ""
    language: Language = "en"

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.since >= self.until:
            raise PydanticCustomError("in_order", "since has to be before until")
        return self


class ChangeResponse(Change):
    """What would change a score, and the number of its audit record."""

    audit: int


class MovementResponse(Movement):
    """What moved a score, and the number of its audit record."""

    audit: int


@routes.post("/changes", openapi_extra=body(ChangeRequest), response_model_exclude_none=True)
def changes(
    visit: Visiting,
    scorer: Scoring,
    store: Store,
    asked: Annotated[ChangeRequest, Depends(strict(ChangeRequest))],
) -> ChangeResponse | SeenChange:
    """The least that would take a known customer's score below a threshold."""
    visit.customer(asked.customer_id)
    visit.questions(asked.question, explained=True)
    found, sequence = change(
        scorer,
        store,
        asked.customer_id,
        asked.question,
        asked.threshold,
        language=asked.language,
        actor=visit.who.name,
    )
    return shown(ChangeResponse(audit=sequence, **dict(found)), visit.who.roles)


@routes.post("/movements", openapi_extra=body(MovementRequest), response_model_exclude_none=True)
def movements(
    visit: Visiting,
    scorer: Scoring,
    store: Store,
    asked: Annotated[MovementRequest, Depends(strict(MovementRequest))],
) -> MovementResponse | SeenMovement:
    """Which reasons moved a known customer's score between two days."""
    visit.customer(asked.customer_id)
    visit.questions(asked.question, explained=True)
    between = Asked(
        asked.customer_id,
        asked.question,
        asked.since,
        asked.until,
        asked.old_version,
        asked.new_version,
    )
    found, sequence = why_moved(
        scorer, store, between, language=asked.language, actor=visit.who.name
    )
    return shown(MovementResponse(audit=sequence, **dict(found)), visit.who.roles)
