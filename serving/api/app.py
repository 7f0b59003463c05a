"""The application: its routes, what guards them, and what becomes of errors."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from data.database import Database
from data.errors import ZhikeError
from serving.access.gate import Gate
from serving.access.rules import VERSION
from serving.api import (
    audit,
    changes,
    customers,
    health,
    jobs,
    models,
    outcomes,
    overrides,
    refusals,
    scores,
)
from serving.api.description import described
from serving.api.envelope import Envelope
from serving.api.problems import told
from serving.api.shared import PROBLEMS, visiting
from serving.readiness import Watch
from serving.releases import Served
from serving.scoring import Scorer
from serving.strict import BadRequest
from serving.sunset import Announcing

VERSION_1 = (
    scores.routes,
    changes.routes,
    refusals.routes,
    customers.routes,
    models.routes,
    jobs.routes,
    outcomes.routes,
    overrides.routes,
    audit.routes,
)


def application(scorer: Scorer | Served, database: Database) -> FastAPI:
    """The service over a scorer, or over releases that are swapped, and a database."""
    # The built-in description and the redirects to a path with another slash know no keys.
    app = FastAPI(
        title="Zhike",
        version="1",
        openapi_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
    )
    app.state.scorer = scorer if isinstance(scorer, Served) else Served(scorer, database)
    app.state.database, app.state.gate = database, Gate(database)
    app.state.watch = Watch(database)
    app.add_middleware(Announcing)
    app.add_middleware(Envelope)
    first = APIRouter(prefix=VERSION, dependencies=[Depends(visiting)], responses=PROBLEMS)
    for routes in VERSION_1:
        first.include_router(routes)
    first.add_api_route("/openapi.json", _description, include_in_schema=False)
    app.include_router(health.routes)
    app.include_router(first)
    app.openapi = partial(described, app)  # type: ignore[method-assign]
    for error in (ZhikeError, BadRequest, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(error, told)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Watch the database while the service runs."""
    looking = asyncio.create_task(app.state.watch.keep_looking(app.state.scorer))
    yield
    looking.cancel()
    with suppress(asyncio.CancelledError):
        await looking


def _description(request: Request) -> dict[str, Any]:
    """What the API offers, as OpenAPI."""
    app: FastAPI = request.app
    return app.openapi()
