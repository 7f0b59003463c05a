"""What every route needs: the scorer, the database, the caller, and how bodies are described."""

import logging
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from pydantic import BaseModel, Field

from data.database import Database
from data.errors import NotReady
from serving.api.problems import Problem
from serving.keys import Caller, caller
from serving.scoring import Scorer

_log = logging.getLogger(__name__)
Customer = Annotated[str, Field(pattern=r"^[!-~]{1,64}$")]
Named = Annotated[str, Field(pattern=r"^[a-z_.]{1,40}$")]
Version = Annotated[str, Field(pattern=r"^[A-Za-z0-9]{0,64}$")]


def _scorer(request: Request) -> Scorer:
    scorer: Scorer = request.app.state.scorer
    return scorer


def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


Scoring = Annotated[Scorer, Depends(_scorer)]
Store = Annotated[Database, Depends(_database)]


def known_caller(
    request: Request, store: Store, authorization: Annotated[str | None, Header()] = None
) -> Caller:
    try:
        found = caller(store, authorization)
        request.state.client = found.key_id  # for the log
        return found
    except NotReady as error:
        _log.error("%s", error)
        raise NotReady("keys cannot be checked now; try again soon.") from None  # to a stranger


Known = Annotated[Caller, Depends(known_caller)]
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem} for status in (400, 401, 404, 413, 415, 422, 503)
}


def body(of: type[BaseModel]) -> dict[str, Any]:
    """Of a route that reads its body strictly: what OpenAPI says of it."""
    content = {"application/json": {"schema": of.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}
