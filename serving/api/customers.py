"""Customers: who calls, what is known of them, and how they were scored before."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from serving.access.fields import shown_history, shown_profile
from serving.api.names import EXAMPLE, NamesCustomer, Superseded, superseded_by, whose
from serving.api.scores import ALL, Questions
from serving.api.shared import Known, Store, Visiting, body, like
from serving.history import History, history
from serving.naming import called
from serving.profiles import ProfileShown, profile
from serving.reasons import Language
from serving.scoring import NAMES, Scorer
from serving.strict import strict

routes = APIRouter(prefix="/customers", tags=["customers"])


class LookupRequest(BaseModel):
    """Who calls: HMAC-SHA256 of the telephone number's digits under the bank's key.

    The digits are those dialled at home, without blanks, signs, extension or +886.
    """

    model_config = like({"telephone_sha256": "a3" * 32})

    telephone_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class LookupResponse(BaseModel):
    """One match has ``customer_id``; several are candidates, of whom nothing more is told."""

    model_config = like(
        {"match": "one", "customer_id": EXAMPLE, "candidates": [], "audit": 814},
        {"match": "several", "candidates": [EXAMPLE, "CIF00077305"], "audit": 815},
    )

    match: Literal["none", "one", "several"]
    customer_id: str | None = None
    candidates: list[str]
    audit: int


@routes.post("/lookup", openapi_extra=body(LookupRequest), response_model_exclude_none=True)
def lookup(
    who: Known, store: Store, asked: Annotated[LookupRequest, Depends(strict(LookupRequest))]
) -> LookupResponse:
    """The customers with a telephone; no score of anybody."""
    found, sequence = called(store, asked.telephone_sha256, actor=who.name)
    if len(found) == 1:
        return LookupResponse(match="one", customer_id=found[0], candidates=[], audit=sequence)
    match: Literal["none", "several"] = "several" if found else "none"
    return LookupResponse(match=match, candidates=found, audit=sequence)


class ProfileRequest(NamesCustomer):
    """Whose profile, and in which language."""

    model_config = like({"customer_id": EXAMPLE, "language": "zh-TW"})

    language: Language = "en"


class ProfileResponse(ProfileShown, Superseded):
    """The profile, and the number of the reading's audit record."""

    model_config = like(
        {
            "customer_id": EXAMPLE,
            "as_of": "2026-06-30",
            "stale": False,
            "features": [
                {
                    "name": "tenure_days",
                    "value": 2922.0,
                    "unit": "days",
                    "group": "relationship",
                    "data_class": "ordinary",
                    "purposes": ["marketing", "service", "value", "credit"],
                    "text": "Customer for 2,922 days",
                }
            ],
            "standing": {"churn": "scorable"},
            "audit": 816,
        }
    )

    audit: int


@routes.post("/profile", openapi_extra=body(ProfileRequest))
def of_customer(
    visit: Visiting,
    store: Store,
    asked: Annotated[ProfileRequest, Depends(strict(ProfileRequest))],
) -> ProfileResponse:
    """What is known of a customer as of the last book, feature by feature."""
    who, found = visit.who, whose(visit, asked.named)
    told, sequence = profile(store, found.customer_id, language=asked.language, actor=who.name)
    seen = shown_profile(told, who.roles)
    return ProfileResponse(audit=sequence, **dict(seen), superseded_by=superseded_by(found))


class HistoryRequest(NamesCustomer):
    """Whose past scores of which questions, and how many days with a book back."""

    model_config = like({"customer_id": EXAMPLE, "questions": ["churn"], "days": 6})

    questions: Questions = ALL
    days: Annotated[int, Field(ge=1, le=36)] = 12


class HistoryResponse(History, Superseded):
    """The past scores, and the number of the reading's audit record."""

    model_config = like(
        {
            "customer_id": EXAMPLE,
            "covers": ["2026-05-31", "2026-06-30"],
            "gone": [],
            "scores": {
                "churn": [
                    {
                        "as_of": "2026-06-30",
                        "status": "scorable",
                        "value": 0.031,
                        "unit": "probability",
                        "version": "3",
                        "book": 790,
                    }
                ]
            },
            "audit": 817,
        }
    )

    audit: int


@routes.post("/history", openapi_extra=body(HistoryRequest), response_model_exclude_none=True)
def past(
    visit: Visiting,
    store: Store,
    asked: Annotated[HistoryRequest, Depends(strict(HistoryRequest))],
) -> HistoryResponse:
    """A customer's scores in the books of the last days that have one."""
    who, found = visit.who, whose(visit, asked.named)
    visit.questions(*asked.questions)
    picked = {name for names in Scorer.named(asked.questions).values() for name in names}
    models = [name for name in NAMES if name in picked]
    told, sequence = history(store, found.customer_id, models, asked.days, actor=who.name)
    seen = shown_history(told, who.roles)
    return HistoryResponse(audit=sequence, **dict(seen), superseded_by=superseded_by(found))
