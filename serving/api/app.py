"""The application: its routes, what guards them, and what becomes of errors."""

from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from data.database import Database
from data.errors import ZhikeError
from serving.api import changes, health, jobs, outcomes, overrides, scores
from serving.api.problems import told
from serving.api.shared import PROBLEMS, known_caller
from serving.scoring import Scorer
from serving.strict import BadRequest

VERSION_1 = (scores.routes, changes.routes, jobs.routes, outcomes.routes, overrides.routes)


def application(scorer: Scorer, database: Database) -> FastAPI:
    """The service over a scorer and a database."""
    # The built-in description and the redirects to a path with another slash know no keys.
    app = FastAPI(title="Zhike", version="1", openapi_url=None, redirect_slashes=False)
    app.state.scorer, app.state.database = scorer, database
    first = APIRouter(prefix="/v1", dependencies=[Depends(known_caller)], responses=PROBLEMS)
    for routes in VERSION_1:
        first.include_router(routes)
    first.add_api_route("/openapi.json", _description, include_in_schema=False)
    app.include_router(health.routes)
    app.include_router(first)
    for error in (ZhikeError, BadRequest, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(error, told)
    return app


def _description(request: Request) -> dict[str, Any]:
    """What the API offers, as OpenAPI."""
    app: FastAPI = request.app
    return app.openapi()
