"""What every route needs: the scorer, the database, the caller, and how bodies are described."""

import logging
from asyncio import wait_for, wrap_future
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Annotated, Any, TypeVar

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar
from fastapi import Depends, Header, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from data.audit import Record
from data.audit.chain import PATIENCE
from data.database import Database
from data.errors import NotReady
from data.warehouse import canonical_json
from serving.access.gate import Gate, Visit
from serving.access.roles import Caller
from serving.access.rules import VERSION
from serving.api.problems import Problem
from serving.releases import Served
from serving.scoring import Scorer

ASIDE = 3  # threads that work out answers at once
Result = TypeVar("Result")
_FEW: RunVar[CapacityLimiter] = RunVar("few")
_log = logging.getLogger(__name__)
Customer = Annotated[
    str, Field(pattern=r"^[!-~]{1,64}$", description="The bank's own identifier of a customer.")
]
Named = Annotated[str, Field(pattern=r"^[a-z_.]{1,40}$")]
Version = Annotated[str, Field(pattern=r"^[A-Za-z0-9]{0,64}$")]


async def _served(request: Request) -> Served:
    served: Served = request.app.state.scorer
    return served


async def _scorer(served: Annotated[Served, Depends(_served)]) -> Scorer:
    return served.current  # once a request, whatever is swapped in meanwhile


async def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


Releases = Annotated[Served, Depends(_served)]
Scoring = Annotated[Scorer, Depends(_scorer)]
Store = Annotated[Database, Depends(_database)]


async def visiting(
    request: Request, authorization: Annotated[str | None, Header()] = None
) -> Visit:
    """Who calls this route, let in by its rule; the one guard of everything under the version."""
    gate: Gate = request.app.state.gate
    address = request.client.host if request.client else ""
    try:
        who = gate.remembered(authorization)
        if who is None:
            who = await run_in_threadpool(gate.identified, authorization, address)
        gate.rate.count(who.client)
        path = _template(request)
        visit = gate.visit(who, request.method, path)
        request.state.client = who.key_id or who.client  # for the log
        if visit is None:
            await run_in_threadpool(gate.denied, who, f"{request.method} {path}", "route")
            raise AssertionError  # denied always raises
        return visit
    except NotReady as error:
        _log.error("%s", error)
        raise NotReady("keys cannot be checked now; try again soon.") from None  # to a stranger


def _template(request: Request) -> str:
    """The route's path as the rules write it; a router within the version leaves its name out."""
    path: str = request.scope["route"].path
    return path if path.startswith(f"{VERSION}/") else f"{VERSION}{path}"


async def _caller(visit: Annotated[Visit, Depends(visiting)]) -> Caller:
    return visit.who


Visiting = Annotated[Visit, Depends(visiting)]
Known = Annotated[Caller, Depends(_caller)]
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem} for status in (400, 401, 403, 404, 409, 410, 413, 415, 422, 429, 503)
}


async def aside(work: Callable[[], Result]) -> Result:
    """Work that uses the processor and the database, beside the loop that answers.

    Few do so at once: threads of one interpreter that all want it only keep each other waiting.
    """
    return await to_thread.run_sync(work, limiter=_few())


def _few() -> CapacityLimiter:
    """The limit of this event loop."""
    try:
        return _FEW.get()
    except LookupError:
        _FEW.set(limiter := CapacityLimiter(ASIDE))
        return limiter


async def durable(waiting: "Future[Record]") -> int:
    """The number of an audit record, as soon as it is durable.

    Raises:
        NotReady, Erased: it is not, and the answer must not be given.
    """
    try:
        return (await wait_for(wrap_future(waiting), PATIENCE)).sequence
    except TimeoutError:
        raise NotReady("the audit cannot be written now; try again soon.") from None


def written(answer: BaseModel, **beside: Any) -> Response:
    """An answer and what stands beside it; FastAPI would check it and write it twice."""
    return closed(answer.model_dump_json(exclude_none=True), **beside)


def closed(text: str, **beside: Any) -> Response:
    """The response of an answer that is written already, and of what stands beside it."""
    more = "".join(f',"{name}":{canonical_json(v)}' for name, v in beside.items() if v is not None)
    return Response(f"{text[:-1]}{more}}}", media_type="application/json")


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


def like(*examples: Any) -> ConfigDict:
    """The configuration of a request or an answer that shows examples of itself."""
    return ConfigDict(frozen=True, extra="forbid", json_schema_extra={"examples": list(examples)})
