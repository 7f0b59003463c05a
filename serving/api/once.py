"""Routes that have an effect: an Idempotency-Key makes sending them again safe."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from serving import idempotency
from serving.api.shared import Known, Store
from serving.idempotency import Effect

REPLAYED = "Idempotent-Replayed"
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[!-~]{1,100}$",
        description="Sent again within 24 hours with the same body, the first answer is repeated.",
    ),
]
Doing = Callable[[BaseModel, Effect], JSONResponse]


def _once(request: Request, who: Known, store: Store, key: Key = None) -> Doing:
    route = f"{request.method} {request.scope['path']}"

    def do(asked: BaseModel, effect: Effect) -> JSONResponse:
        wanted: dict[str, Any] = asked.model_dump(mode="json")
        done = idempotency.once(store, idempotency.Request(owner(who), route, key, wanted), effect)
        headers = {REPLAYED: "true"} if done.replayed else None
        return JSONResponse(done.answer, status_code=done.status, headers=headers)

    return do


Once = Annotated[Doing, Depends(_once)]


def owner(who: Known) -> str:
    """Whose a job or an idempotency key is: the client's, whichever of its keys it sends."""
    return who.client
