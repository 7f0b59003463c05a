"""What every route needs: the scorer, the database, the caller, and how bodies are described."""

import logging
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from pydantic import BaseModel, Field

from data.database import Database
from data.errors import NotReady
from serving.api.problems import TITLES, Problem
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


def known_caller(store: Store, authorization: Annotated[str | None, Header()] = None) -> Caller:
    try:
        return caller(store, authorization)
    except NotReady as error:
        _log.error("%s", error)
        raise NotReady("keys cannot be checked now; try again soon.") from None  # to a stranger


Known = Annotated[Caller, Depends(known_caller)]
_PROBLEM = {"application/problem+json": {"schema": Problem.model_json_schema()}}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": title, "content": _PROBLEM}
    for status, title in TITLES.items()
    if status not in (405, 500)
}


def body(of: type[BaseModel]) -> dict[str, Any]:
    """Of a route that reads its body strictly: what OpenAPI says of it."""
    schema = of.model_json_schema()
    content = {"application/json": {"schema": _whole(schema, schema.pop("$defs", {}))}}
    return {"requestBody": {"required": True, "content": content}}


def _whole(part: Any, defined: Mapping[str, Any]) -> Any:
    """A schema with its parts in their places: it stands outside the components."""
    if isinstance(part, list):
        return [_whole(one, defined) for one in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        part = part | defined[part["$ref"].rpartition("/")[2]]
    return {name: _whole(one, defined) for name, one in part.items() if name != "$ref"}
