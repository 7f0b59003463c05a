"""The HTTP service: health, scores with reasons, what would change them and why they moved."""

import logging
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, FastAPI, Header, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError
from starlette.exceptions import HTTPException

from data.database import Database
from data.errors import (
    AdditivityBroken,
    BadFeatures,
    NotReady,
    OutsideData,
    Unauthorised,
    UnknownCustomer,
    UnknownQuestion,
    ZhikeError,
)
from serving.answering import answer
from serving.changes import Change, change
from serving.inline import InlineAnswer, answer_inline
from serving.keys import Caller, caller
from serving.moves import Asked, Movement, why_moved
from serving.reasons import Language
from serving.scoring import Answer, Scorer
from serving.strict import BadRequest, strict
from training.recipes import QUESTIONS
from training.tables.columns import Value

_log = logging.getLogger(__name__)
STATUS: dict[type[ZhikeError], int] = {
    Unauthorised: 401,
    UnknownCustomer: 404,
    UnknownQuestion: 404,
    BadFeatures: 422,
    OutsideData: 422,
    NotReady: 503,
    AdditivityBroken: 500,
}
HEADERS: dict[int, dict[str, str]] = {
    401: {"WWW-Authenticate": "Bearer"},
    503: {"Retry-After": "5"},
}


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


Customer = Annotated[str, Field(pattern=r"^[!-~]{1,64}$")]
Named = Annotated[str, Field(pattern=r"^[a-z_.]{1,40}$")]
Version = Annotated[str, Field(pattern=r"^[A-Za-z0-9]{0,64}$")]


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


_KNOWN = {"customer_id", "questions", "language"}
_INLINE = {"model", "features", "language"}


class ScoreResponse(Answer):
    """The scores, and the number of their audit record."""

    audit: int


class InlineResponse(InlineAnswer):
    """The score of features that were sent, and the number of its audit record."""

    audit: int


class ChangeResponse(Change):
    """What would change a score, and the number of its audit record."""

    audit: int


class MovementResponse(Movement):
    """What moved a score, and the number of its audit record."""

    audit: int


class Problem(BaseModel):
    """An error as problem+json (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


def _scorer(request: Request) -> Scorer:
    scorer: Scorer = request.app.state.scorer
    return scorer


def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


Scoring = Annotated[Scorer, Depends(_scorer)]
Store = Annotated[Database, Depends(_database)]


def _known_caller(store: Store, authorization: Annotated[str | None, Header()] = None) -> Caller:
    try:
        return caller(store, authorization)
    except NotReady as error:
        _log.error("%s", error)
        raise NotReady("keys cannot be checked now; try again soon.") from None  # to a stranger


Known = Annotated[Caller, Depends(_known_caller)]
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem} for status in (400, 401, 404, 413, 415, 422, 503)
}


def _body(of: type[BaseModel]) -> dict[str, Any]:
    content = {"application/json": {"schema": of.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}


open_routes = APIRouter()
routes = APIRouter(prefix="/v1", dependencies=[Depends(_known_caller)], responses=_PROBLEMS)


@open_routes.get("/healthz")
def health() -> dict[str, str]:
    """Whether the process answers."""
    return {"status": "ok"}


@routes.post("/scores", openapi_extra=_body(ScoreRequest), response_model_exclude_none=True)
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
    return ScoreResponse(audit=sequence, **dict(given))


@routes.post("/changes", openapi_extra=_body(ChangeRequest), response_model_exclude_none=True)
def changes(
    who: Known,
    scorer: Scoring,
    store: Store,
    asked: Annotated[ChangeRequest, Depends(strict(ChangeRequest))],
) -> ChangeResponse:
    """The least that would take a known customer's score below a threshold."""
    found, sequence = change(
        scorer,
        store,
        asked.customer_id,
        asked.question,
        asked.threshold,
        language=asked.language,
        actor=who.name,
    )
    return ChangeResponse(audit=sequence, **dict(found))


@routes.post("/movements", openapi_extra=_body(MovementRequest), response_model_exclude_none=True)
def movements(
    who: Known,
    scorer: Scoring,
    store: Store,
    asked: Annotated[MovementRequest, Depends(strict(MovementRequest))],
) -> MovementResponse:
    """Which reasons moved a known customer's score between two days."""
    between = Asked(
        asked.customer_id,
        asked.question,
        asked.since,
        asked.until,
        asked.old_version,
        asked.new_version,
    )
    found, sequence = why_moved(scorer, store, between, language=asked.language, actor=who.name)
    return MovementResponse(audit=sequence, **dict(found))


@routes.get("/openapi.json", include_in_schema=False)
def description(request: Request) -> dict[str, Any]:
    """What the API offers, as OpenAPI."""
    app: FastAPI = request.app
    return app.openapi()


def application(scorer: Scorer, database: Database) -> FastAPI:
    """The service over a scorer and a database."""
    # The built-in description and the redirects to a path with another slash know no keys.
    app = FastAPI(title="Zhike", version="1", openapi_url=None, redirect_slashes=False)
    app.state.scorer, app.state.database = scorer, database
    app.include_router(open_routes)
    app.include_router(routes)
    app.add_exception_handler(ZhikeError, _told)
    app.add_exception_handler(BadRequest, _told)
    app.add_exception_handler(HTTPException, _told)
    app.add_exception_handler(RequestValidationError, _told)
    app.add_exception_handler(Exception, _told)
    return app


def _told(request: Request, error: Exception) -> Response:
    if isinstance(error, BadRequest):
        return problem(error.status, str(error))
    if isinstance(error, HTTPException):
        return problem(error.status_code, str(error.detail), error.headers)
    if isinstance(error, RequestValidationError):  # its own words would echo what was sent
        return problem(422, "the request is not valid")
    status = next((s for kind, s in STATUS.items() if isinstance(error, kind)), 500)
    if status >= 500 and isinstance(error, ZhikeError):
        _log.error("%s: %s", type(error).__name__, error)
    return problem(status, str(error) if status < 500 or status == 503 else "internal error")


_TITLES = {
    400: "Bad request",
    401: "Not authorised",
    404: "Not found",
    405: "Method not allowed",
    413: "Too large",
    415: "Unsupported media type",
    422: "Not valid",
    500: "Internal error",
    503: "Not ready",
}


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """An error response."""
    body = Problem(title=_TITLES.get(status, "Error"), status=status, detail=detail)
    return JSONResponse(
        body.model_dump(),
        status_code=status,
        headers={**HEADERS.get(status, {}), **(headers or {})},
        media_type="application/problem+json",
    )
