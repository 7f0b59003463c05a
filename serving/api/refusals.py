"""The reasons for refusing credit, and the notice that says them."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from serving.api.names import EXAMPLE, NamesCustomer, Superseded, superseded_by, whose
from serving.api.shared import Scoring, Store, Visiting, body, like
from serving.baselines import Kind
from serving.reasons import Language, Reason
from serving.refusals import Jurisdiction, refusal
from serving.strict import strict

routes = APIRouter(tags=["credit"])


class RefusalRequest(NamesCustomer):
    """Who is refused, at which cut-off on the chance of default, compared with whom."""

    model_config = like({"customer_id": EXAMPLE, "cut_off": 0.1, "baseline": "cut_off"})

    cut_off: Annotated[float, Field(gt=0.0, le=1.0)]
    baseline: Kind = "all"
    jurisdiction: Jurisdiction = "general"
    language: Language = "en"


class Named(BaseModel):
    """A reason of a refusal; ``rescored`` is the chance of default with it at the baseline."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: Reason
    rescored: float


class RefusalResponse(Superseded):
    """Why credit is refused: reasons that were verified, or that a person must review.

    ``passed_over`` are groups that raised the risk but failed the rescoring.
    """

    model_config = like(
        {
            "customer_id": EXAMPLE,
            "value": 0.143,
            "cut_off": 0.1,
            "baseline": "cut_off",
            "manual_review": False,
            "reasons": [],
            "passed_over": [],
            "notice": "We cannot offer the credit applied for. What counted most, ...",
            "audit": 818,
        }
    )

    customer_id: str
    value: float
    cut_off: float
    baseline: Kind
    manual_review: bool
    reasons: list[Named]
    passed_over: list[str]
    notice: str
    audit: int


@routes.post("/refusals", openapi_extra=body(RefusalRequest), response_model_exclude_none=True)
def refuse(
    visit: Visiting,
    scorer: Scoring,
    store: Store,
    asked: Annotated[RefusalRequest, Depends(strict(RefusalRequest))],
) -> RefusalResponse:
    """The principal reasons for refusing a customer, each verified by scoring anew."""
    named = whose(visit, asked.named)
    visit.questions("credit_risk", explained=True)
    found, sequence = refusal(
        scorer,
        store,
        named.customer_id,
        asked.cut_off,
        language=asked.language,
        jurisdiction=asked.jurisdiction,
        compared=asked.baseline,
        actor=visit.who.name,
    )
    told = zip(found.reasons, found.rescored, strict=True)
    return RefusalResponse(
        customer_id=named.customer_id,
        superseded_by=superseded_by(named),
        value=found.value,
        cut_off=found.cut_off,
        baseline=found.baseline.kind,
        manual_review=found.manual_review,
        reasons=[Named(reason=reason, rescored=anew) for reason, anew in told],
        passed_over=list(found.passed_over),
        notice=found.notice,
        audit=sequence,
    )
