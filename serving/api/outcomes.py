"""Feedback: what became of customers."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.engine import Connection

from serving.api.once import Once
from serving.api.shared import Customer, Named, Store, Visiting, body, like
from serving.idempotency import Done
from serving.identifiers import Identifier
from serving.outcomes import Noted, Reported, record
from serving.publication import manifest_now, published
from serving.scoring import Scorer
from serving.strict import strict

routes = APIRouter(tags=["feedback"])


class OutcomeRequest(BaseModel):
    """What happened to whom, when, and which system says so."""

    model_config = like(
        {
            "customer_id": "C000000042",
            "model": "propensity.fund",
            "outcome": "bought",
            "occurred_on": "2026-06-30",
            "source": "campaigns",
        }
    )

    customer_id: Customer
    model: Named
    outcome: Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")]
    occurred_on: date
    source: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
    supersedes: Identifier | None = None


@routes.post(
    "/outcomes",
    status_code=201,
    openapi_extra=body(OutcomeRequest),
    response_model=Noted,
    responses={200: {"model": Noted, "description": "Reported before"}},
)
def report(
    visit: Visiting,
    store: Store,
    once: Once,
    asked: Annotated[OutcomeRequest, Depends(strict(OutcomeRequest))],
) -> JSONResponse:
    """Record what became of a customer; a correction names the outcome that it supersedes."""
    visit.customer(asked.customer_id)
    Scorer.named([asked.model])
    published(store, asked.customer_id, manifest_now())

    def effect(connection: Connection) -> Done:
        outcome, new = record(connection, Reported(**dict(asked)), visit.who.name)
        # The answer is kept to be repeated: who the customer is stays out.
        told = outcome.model_dump(mode="json", include=set(Noted.model_fields))
        return Done(201 if new else 200, told)

    return once(asked, effect)
