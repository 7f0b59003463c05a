"""Errors as people and programs read them: problem+json (RFC 9457), one table of what means what."""

import logging
import re
from collections.abc import Mapping
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from data.errors import (
    AdditivityBroken,
    BadFeatures,
    BadFeedback,
    Conflict,
    Erased,
    Forbidden,
    FourEyes,
    IdempotencyMismatch,
    NotOffered,
    NotReady,
    NotRefusable,
    NotScorable,
    OutsideData,
    SplitCustomer,
    TooMany,
    Unauthorised,
    UnknownCustomer,
    UnknownItem,
    UnknownQuestion,
    UnknownRecord,
    ZhikeError,
)
from serving.strict import BadRequest

_log = logging.getLogger(__name__)
STATUS: dict[type[ZhikeError], int] = {
    Unauthorised: 401,
    Forbidden: 403,
    FourEyes: 403,
    UnknownCustomer: 404,
    UnknownQuestion: 404,
    UnknownRecord: 404,
    NotOffered: 404,
    SplitCustomer: 409,
    UnknownItem: 404,
    Conflict: 409,
    Erased: 410,
    IdempotencyMismatch: 422,
    BadFeatures: 422,
    BadFeedback: 422,
    OutsideData: 422,
    NotRefusable: 422,
    NotScorable: 422,
    TooMany: 429,
    NotReady: 503,
    AdditivityBroken: 500,
}
HEADERS: dict[int, dict[str, str]] = {
    401: {"WWW-Authenticate": "Bearer"},
    503: {"Retry-After": "5"},
}
TITLES = {
    400: "Bad request",
    401: "Not authorised",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    410: "Gone",
    413: "Too large",
    415: "Unsupported media type",
    422: "Not valid",
    429: "Too many",
    500: "Internal error",
    503: "Not ready",
}


_CODES = {
    400: "bad_request",
    401: "unauthorised",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
    422: "not_valid",
    429: "too_many",
    503: "not_ready",
}


class Problem(BaseModel):
    """An error as problem+json (RFC 9457).

    ``code`` names the kind of error and stays the same; ``detail`` is for people. ``instance`` is
    the request's identifier. ``candidates`` are the customers that an identifier may mean.
    """

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str
    instance: str | None = None
    candidates: list[dict[str, Any]] | None = None


def told(request: Request, error: Exception) -> Response:
    """The response to an error, without anything that was sent or that strangers need not know."""
    found = problem_of(error)
    headers = error.headers if isinstance(error, HTTPException) else None
    if isinstance(error, TooMany):
        headers = {"Retry-After": str(error.after)}
    instance = getattr(request.state, "request_id", None)
    return respond(found.model_copy(update={"instance": instance}), headers)


def problem_of(error: Exception) -> Problem:
    """What is told of an error; what strangers need not know goes to the log."""
    if isinstance(error, BadRequest):
        return _problem(error.status, str(error))
    if isinstance(error, HTTPException):
        return _problem(error.status_code, str(error.detail))
    if isinstance(error, RequestValidationError):  # its own words would echo what was sent
        return _problem(422, "the request is not valid")
    status = next((s for kind, s in STATUS.items() if isinstance(error, kind)), 500)
    if status >= 500 and isinstance(error, ZhikeError):
        _log.error("%s: %s", type(error).__name__, error)
    if status >= 500 and status != 503:
        return _problem(status, "internal error")
    found = _problem(status, str(error), _code(type(error)))
    candidates = error.candidates if isinstance(error, SplitCustomer) else None
    return found.model_copy(update={"candidates": candidates})


def _code(kind: type[Exception]) -> str:
    """unknown_customer of UnknownCustomer."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


def _problem(status: int, detail: str, code: str = "") -> Problem:
    code = code or _CODES.get(status, "internal_error" if status >= 500 else "refused")
    return Problem(title=TITLES.get(status, "Error"), status=status, code=code, detail=detail)


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The response of a status."""
    return respond(_problem(status, detail), headers)


def respond(found: Problem, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """An error response."""
    return JSONResponse(
        found.model_dump(exclude_none=True),
        status_code=found.status,
        headers={**HEADERS.get(found.status, {}), **(headers or {})},
        media_type="application/problem+json",
    )
