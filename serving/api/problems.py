"""Errors as people and programs read them: problem+json (RFC 9457), one table of what means what."""

import logging
from collections.abc import Mapping

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
    FourEyes,
    IdempotencyMismatch,
    NotReady,
    OutsideData,
    Unauthorised,
    UnknownCustomer,
    UnknownItem,
    UnknownQuestion,
    ZhikeError,
)
from serving.strict import BadRequest

_log = logging.getLogger(__name__)
STATUS: dict[type[ZhikeError], int] = {
    Unauthorised: 401,
    UnknownCustomer: 404,
    UnknownQuestion: 404,
    UnknownItem: 404,
    FourEyes: 403,
    Conflict: 409,
    IdempotencyMismatch: 422,
    BadFeatures: 422,
    BadFeedback: 422,
    OutsideData: 422,
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
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Too large",
    415: "Unsupported media type",
    422: "Not valid",
    500: "Internal error",
    503: "Not ready",
}


class Problem(BaseModel):
    """An error as problem+json (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


def told(request: Request, error: Exception) -> Response:
    """The response to an error, without anything that was sent or that strangers need not know."""
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


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """An error response."""
    body = Problem(title=TITLES.get(status, "Error"), status=status, detail=detail)
    return JSONResponse(
        body.model_dump(),
        status_code=status,
        headers={**HEADERS.get(status, {}), **(headers or {})},
        media_type="application/problem+json",
    )
