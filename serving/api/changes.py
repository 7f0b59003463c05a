"""What would change a score, and why it moved."""

from datetime import date
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Response
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from serving.access.fields import shown
from serving.access.forms import SeenChange, SeenMovement
from serving.api.names import EXAMPLE, NamesCustomer, Superseded, superseded_by, whose
from serving.api.shared import Named, Scoring, Store, Version, Visiting, body, like, written
from serving.changes import Change, change
from serving.moves import Asked, Movement, why_moved
from serving.reasons import Language
from serving.strict import strict

routes = APIRouter(tags=["explanations"])


class ChangeRequest(NamesCustomer):
    """Whose score of which question is to come below what chance."""

    model_config = like({"customer_id": EXAMPLE, "question": "credit_risk", "threshold": 0.05})

    question: Named
    threshold: Annotated[float, Field(gt=0.0, le=1.0)]
    language: Language = "en"


class MovementRequest(NamesCustomer):
    """Whose score of which question, between which two days.

    The versions are those that scored the books of the days, unless they are named.
    """

    model_config = like(
        {
            "source": {"source_system": "cards", "source_key": "H00112144"},
            "question": "churn",
            "since": "2026-03-31",
            "until": "2026-06-30",
        }
    )

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


class ChangeResponse(Change, Superseded):
    """What would change a score, and the number of its audit record."""

    audit: int


class MovementResponse(Movement, Superseded):
    """What moved a score, and the number of its audit record."""

    audit: int


@routes.post(
    "/changes", openapi_extra=body(ChangeRequest), response_model=ChangeResponse | SeenChange
)
def changes(
    visit: Visiting,
    scorer: Scoring,
    store: Store,
    asked: Annotated[ChangeRequest, Depends(strict(ChangeRequest))],
) -> Response:
    """The least that would take a known customer's score below a threshold."""
    named = whose(visit, asked.named)
    visit.questions(asked.question, explained=True)
    found, sequence = change(
        scorer,
        store,
        named.customer_id,
        asked.question,
        asked.threshold,
        language=asked.language,
        actor=visit.who.name,
    )
    seen = shown(found, visit.who.roles)
    return written(seen, audit=sequence, superseded_by=superseded_by(named))


@routes.post(
    "/movements",
    openapi_extra=body(MovementRequest),
    response_model=MovementResponse | SeenMovement,
)
def movements(
    visit: Visiting,
    scorer: Scoring,
    store: Store,
    asked: Annotated[MovementRequest, Depends(strict(MovementRequest))],
) -> Response:
    """Which reasons moved a known customer's score between two days."""
    named = whose(visit, asked.named)
    visit.questions(asked.question, explained=True)
    between = Asked(
        named.customer_id,
        asked.question,
        asked.since,
        asked.until,
        asked.old_version,
        asked.new_version,
    )
    found, sequence = why_moved(
        scorer, store, between, language=asked.language, actor=visit.who.name
    )
    seen = shown(found, visit.who.roles)
    return written(seen, audit=sequence, superseded_by=superseded_by(named))
