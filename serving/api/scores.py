"""Scores of known customers and of features that are sent."""

from typing import Annotated, Self

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from serving.answering import answer
from serving.api.shared import Known, Scoring, Store, body
from serving.inline import InlineAnswer, answer_inline
from serving.metrics import count_scores
from serving.reasons import Language
from serving.scoring import Answer
from serving.strict import strict
from training.recipes import QUESTIONS
from training.tables.columns import Value

routes = APIRouter()
_KNOWN = {"customer_id", "questions", "language"}
_INLINE = {"model", "features", "language"}


class ScoreRequest(BaseModel):
    """Whose scores and which; or, of a bank's own table, a model and the features to read."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {"customer_id": "C000000042", "questions": ["churn", "propensity"]},
                {"model": "table.mart", "features": {"income": 4200, "region": "north"}},
            ]
        },
    )

    customer_id: Annotated[str, Field(pattern=r"^[!-~]{1,64}$")] = ""
    questions: Annotated[
        list[Annotated[str, Field(pattern=r"^[a-z_.]{1,40}$")]],
        Field(min_length=1, max_length=20),
    ] = list(QUESTIONS)
    language: Language = "en"
    model: Annotated[str, Field(pattern=r"^table\.[a-z0-9_]{1,40}$")] = ""
    features: Annotated[dict[str, Value], Field(max_length=2_000)] | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        whose, read = bool(self.customer_id), bool(self.model) and self.features is not None
        whole = self.model_fields_set <= (_KNOWN if whose else _INLINE)
        if whose == read or not whole:
            raise PydanticCustomError(
                "one_of_two", "send customer_id, with questions if you like, or model and features"
            )
        return self


class ScoreResponse(Answer):
    """The scores, and the number of their audit record."""

    audit: int


class InlineResponse(InlineAnswer):
    """The score of features that were sent, and the number of its audit record."""

    audit: int


@routes.post("/scores", openapi_extra=body(ScoreRequest), response_model_exclude_none=True)
def scores(
    who: Known,
    scorer: Scoring,
    store: Store,
    asked: Annotated[ScoreRequest, Depends(strict(ScoreRequest))],
) -> ScoreResponse | InlineResponse:
    """Scores of a known customer, or of features that are sent, with exact reasons."""
    if asked.features is not None:
        told, sequence = answer_inline(
            scorer, store, asked.model, asked.features, language=asked.language, actor=who.name
        )
        return InlineResponse(audit=sequence, **dict(told))
    given, sequence = answer(
        scorer,
        store,
        asked.customer_id,
        asked.questions,
        language=asked.language,
        actor=who.name,
    )
    count_scores(given.scores)
    return ScoreResponse(audit=sequence, **dict(given))
