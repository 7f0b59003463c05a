"""Scores of known customers, one or many, and of features that are sent."""

from concurrent.futures import Future
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field, TypeAdapter, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from data.audit import Record
from data.database import Database
from data.errors import NotReady, ZhikeError
from features.identity.directory import Found
from serving.access.fields import shown
from serving.access.forms import SeenAnswer, SeenScore
from serving.access.gate import Visit
from serving.answering import answers, begin, without_contributions, without_reasons
from serving.api.names import EXAMPLE, NamesCustomer, Superseded, superseded_by, whose
from serving.api.problems import Problem, problem_of
from serving.api.shared import (
    Customer,
    Named,
    Releases,
    Scoring,
    Store,
    Version,
    Visiting,
    aside,
    body,
    closed,
    durable,
    like,
    written,
)
from serving.inline import InlineAnswer, answer_inline
from serving.metrics import count_scores
from serving.reasons import Language
from serving.releases import Served
from serving.scoring import Answer, Score, Scorer
from serving.strict import BadRequest, strict
from serving.versions import pinned
from serving.whatif import SentAnswer, answer_sent
from training.recipes import QUESTIONS
from training.tables.columns import Value

routes = APIRouter(tags=["scores"])
MOST = 1_000  # customers of one batch
MOST_BYTES = 512 * 1024
ALL = list(QUESTIONS)
NONE_PINNED: dict[str, str] = {}
_KNOWN = {
    "customer_id", "source", "questions", "language", "reasons", "contributions", "versions",
}  # fmt: skip
_INLINE = {"model", "features", "language"}
_CHURN: dict[str, Any] = {
    "status": "scored",
    "value": 0.031,
    "unit": "probability",
    "margin": -3.44,
    "base_value": -3.1,
    "contributions": {"tenure_days": -0.34},
    "reasons": [
        {
            "group": "relationship",
            "feature": "tenure_days",
            "text": "Customer for 2,922 days (typical 1,096) lowers the chance of leaving",
            "value": 2922.0,
            "typical": 1096.0,
            "contribution": -0.34,
            "impact": -0.012,
            "direction": "lowers",
        }
    ],
    "horizon": 182,
    "label_version": "churn/2",
    "model": "churn",
    "version": "3",
}
_ANSWER = {"customer_id": EXAMPLE, "as_of": "2026-06-30", "scores": {"churn": _CHURN}, "audit": 812}
Questions = Annotated[list[Named], Field(min_length=1, max_length=20)]
Versions = Annotated[
    dict[Named, Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,64}$")]],
    Field(max_length=20, description="Model -> version, to be answered by these releases."),
]


class ScoreRequest(NamesCustomer):
    """Whose scores and which; or, of a bank's own table, a model and the features to read."""

    model_config = like(
        {"customer_id": EXAMPLE, "questions": ["churn", "propensity"]},
        {"source": {"source_system": "cards", "source_key": "H00112144"}, "reasons": False},
        {"customer_id": EXAMPLE, "questions": ["churn"], "versions": {"churn": "2"}},
        {"model": "table.mart", "features": {"income": 4200, "region": "north"}},
    )

    questions: Questions = ALL
    language: Language = "en"
    reasons: bool = True
    contributions: bool = True
    versions: Versions = NONE_PINNED
    model: Annotated[str, Field(pattern=r"^table\.[a-z0-9_]{1,40}$")] = ""
    features: Annotated[dict[str, Value], Field(max_length=2_000)] | None = None

    @model_validator(mode="after")
    def _named(self) -> Self:
        whose = bool(self.customer_id) or self.source is not None
        read = bool(self.model) and self.features is not None
        whole = self.model_fields_set <= (_KNOWN if whose else _INLINE)
        if whose == read or not whole or (self.customer_id and self.source):
            raise PydanticCustomError(
                "one_of_three",
                "send customer_id, with questions if you like, or model and features;"
                " or source in the place of customer_id",
            )
        return self


class ScoreResponse(Answer, Superseded):
    """The scores, and the number of their audit record."""

    model_config = like(_ANSWER)

    audit: int


class InlineResponse(InlineAnswer):
    """The score of features that were sent, and the number of its audit record."""

    audit: int


@routes.post(
    "/scores",
    openapi_extra=body(ScoreRequest),
    response_model=ScoreResponse | InlineResponse | SeenAnswer,
)
async def scores(
    visit: Visiting,
    served: Releases,
    scorer: Scoring,
    store: Store,
    asked: Annotated[ScoreRequest, Depends(strict(ScoreRequest))],
) -> Response:
    """Scores of a known customer, or of a row of a bank's own table, with exact reasons."""
    if asked.features is not None:
        return await aside(lambda: _of_a_row(visit, scorer, store, asked))
    text, waiting, superseded = await aside(lambda: _begun(visit, served, scorer, store, asked))
    return closed(text, audit=await durable(waiting), superseded_by=superseded)


def _of_a_row(visit: Visit, scorer: Scorer, store: Database, asked: ScoreRequest) -> Response:
    visit.questions(asked.model, explained=True)
    told, sequence = answer_inline(
        scorer,
        store,
        asked.model,
        asked.features or {},
        language=asked.language,
        actor=visit.who.name,
    )
    return written(shown(told, visit.who.roles), audit=sequence)


def _begun(
    visit: Visit, served: Served, scorer: Scorer, store: Database, asked: ScoreRequest
) -> tuple[str, "Future[Record]", str | None]:
    """An answer as it is written, its record that is on its way, and who it is about now."""
    found = whose(visit, asked.named)
    visit.questions(*asked.questions)
    visit.questions(*asked.versions, explained=True)
    given, waiting = begin(
        pinned(served, scorer, asked.versions),
        store,
        found.customer_id,
        asked.questions,
        language=asked.language,
        actor=visit.who.name,
    )
    count_scores(given.scores)
    seen = shown(_wanted(given, asked.reasons, asked.contributions), visit.who.roles)
    return seen.model_dump_json(exclude_none=True), waiting, superseded_by(found)


def _wanted(given: Answer, reasons: bool, contributions: bool) -> Answer:
    if not reasons:
        return without_reasons(given)
    return given if contributions else without_contributions(given)


class BatchRequest(BaseModel):
    """Many customers, each by identifier or as in POST /v1/scores, and what is asked of all."""

    model_config = like(
        {
            "customers": [
                EXAMPLE,
                {"source": {"source_system": "cards", "source_key": "H00112144"}},
            ],
            "questions": ["churn"],
            "reasons": False,
        }
    )

    customers: Annotated[
        list[Any],
        Field(
            min_length=1,
            json_schema_extra={
                "items": {
                    "anyOf": [
                        {"type": "string", "pattern": "^[!-~]{1,64}$"},
                        body(NamesCustomer)["requestBody"]["content"]["application/json"]["schema"],
                    ]
                },
                "maxItems": MOST,
            },
        ),
    ]
    questions: Questions = ALL
    language: Language = "en"
    reasons: bool = True
    contributions: bool = True
    versions: Versions = NONE_PINNED

    @model_validator(mode="after")
    def _not_too_many(self) -> Self:
        if len(self.customers) > MOST:
            raise PydanticCustomError(
                "too_many", f"more than {MOST:,} customers at once; send them to POST /v1/jobs"
            )
        return self


class BatchItem(Superseded):
    """What became of one customer: 200 with the answer and its audit record, or a problem."""

    status: int
    customer_id: str | None = None
    as_of: str | None = None
    scores: dict[str, Score | SeenScore | dict[str, Score] | dict[str, SeenScore]] | None = None
    audit: int | None = None
    problem: Problem | None = None


class BatchResponse(BaseModel):
    """An item for every customer, in the order of the request."""

    model_config = like(
        {
            "items": [
                {"status": 200, **_ANSWER},
                {
                    "status": 404,
                    "problem": {
                        "type": "about:blank",
                        "title": "Not found",
                        "status": 404,
                        "code": "unknown_customer",
                        "detail": "no source system keeps a record under this key; check both.",
                    },
                },
            ]
        }
    )

    items: list[BatchItem]


@routes.post("/scores/batch", openapi_extra=body(BatchRequest), response_model_exclude_none=True)
def batch(
    visit: Visiting,
    served: Releases,
    scorer: Scoring,
    store: Store,
    asked: Annotated[BatchRequest, Depends(strict(BatchRequest, MOST_BYTES))],
) -> BatchResponse:
    """Scores of up to 1,000 customers, each with a status of its own."""
    visit.questions(*asked.questions)
    visit.questions(*asked.versions, explained=True)
    found = [_found(visit, sent) for sent in asked.customers]
    known = [one.customer_id for one in found if isinstance(one, Found)]
    answering = pinned(served, scorer, asked.versions)
    given = answers(
        answering, store, known, asked.questions, language=asked.language, actor=visit.who.name
    ) if known else []  # fmt: skip
    told = iter(given)
    return BatchResponse(
        items=[
            _item(visit, asked, one, next(told) if isinstance(one, Found) else one) for one in found
        ]
    )


_ITEM: TypeAdapter[str | NamesCustomer] = TypeAdapter(Customer | NamesCustomer)


def _found(visit: Visit, sent: Any) -> Found | Exception:
    try:
        named = _ITEM.validate_python(sent, strict=True)
        return whose(visit, named if isinstance(named, str) else named.named)
    except ValidationError:
        return BadRequest(
            422, "send an identifier, or customer_id, or source with source_system and source_key"
        )
    except NotReady:  # of nobody can anything be told
        raise
    except ZhikeError as error:
        return error


def _item(
    visit: Visit,
    asked: BatchRequest,
    found: Found | Exception,
    told: tuple[Answer, int] | Exception,
) -> BatchItem:
    if isinstance(told, Exception):
        problem = problem_of(told)
        return BatchItem(status=problem.status, problem=problem)
    given, sequence = told
    count_scores(given.scores)
    seen = shown(_wanted(given, asked.reasons, asked.contributions), visit.who.roles)
    return BatchItem(
        status=200,
        customer_id=seen.customer_id,
        as_of=seen.as_of.isoformat(),
        scores=dict(seen.scores),
        audit=sequence,
        superseded_by=superseded_by(found) if isinstance(found, Found) else None,
    )


class SentRequest(BaseModel):
    """A question and the features to answer it from; what is left out counts as not known."""

    model_config = like(
        {
            "question": "credit_risk",
            "features": {"age_years": 41, "income_365d": 96_000_000, "debt_to_assets": 0.4},
        }
    )

    question: Named
    features: Annotated[
        dict[
            Annotated[str, Field(max_length=64)],
            Annotated[float, Field(allow_inf_nan=False)] | None,
        ],
        Field(
            max_length=500, description="Feature -> value as in GET /v1/features; null: unknown."
        ),
    ]
    version: Version = ""
    language: Language = "en"
    reasons: bool = True


class SentResponse(SentAnswer):
    """The score of features that were sent, and the number of its audit record."""

    model_config = like(
        {
            "about": "sent_features",
            "question": "churn",
            "score": _CHURN,
            "not_known": ["age_years"],
            "remarks": ["tenure_days: beyond what most of those learnt from had"],
            "audit": 813,
        }
    )

    audit: int


@routes.post("/scores/inline", openapi_extra=body(SentRequest), response_model_exclude_none=True)
def sent(
    visit: Visiting,
    served: Releases,
    scorer: Scoring,
    store: Store,
    asked: Annotated[SentRequest, Depends(strict(SentRequest))],
) -> SentResponse:
    """The score of features that are sent: of somebody who is no customer yet, or of a what-if."""
    visit.questions(asked.question, explained=True)
    wanted = {asked.question: asked.version} if asked.version else {}
    told, sequence = answer_sent(
        pinned(served, scorer, wanted),
        store,
        asked.question,
        asked.features,
        language=asked.language,
        actor=visit.who.name,
    )
    return SentResponse(audit=sequence, **dict(told if asked.reasons else told.bare()))
