"""Read a request's JSON strictly: what is not plainly right is refused, and never echoed."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

MOST_BYTES = 64 * 1024
Body = TypeVar("Body", bound=BaseModel)


class BadRequest(Exception):
    """A request that cannot be read; ``status`` is the HTTP status it deserves."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


def strict(model: type[Body], most: int = MOST_BYTES) -> Callable[[Request], Awaitable[Body]]:
    """A dependency that reads ``model`` from a request's body of at most some bytes."""

    async def read(request: Request) -> Body:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise BadRequest(415, "send the body as application/json")
        content = await _bytes(request, most)
        if len(content) > MOST_BYTES:  # would keep the others waiting
            return await run_in_threadpool(parse, model, content)
        return parse(model, content)

    return read


async def _bytes(request: Request, most: int) -> bytes:
    content = bytearray()
    try:
        async for piece in request.stream():
            content += piece
            if len(content) > most:
                raise BadRequest(413, f"the body is larger than {most:,} bytes")
    except ClientDisconnect:
        raise BadRequest(400, "the body ended early") from None
    return bytes(content)


def parse(model: type[Body], content: bytes) -> Body:
    """Bytes into a model.

    Raises:
        BadRequest: 400 for what is no strict JSON, 422 for what the model does not allow.
    """
    try:
        value = json.loads(
            content.decode("utf-8"), parse_constant=_no_constant, object_pairs_hook=_no_twice
        )
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeError:
        raise BadRequest(400, "the body is not UTF-8 text without lone surrogates") from None
    except RecursionError:
        raise BadRequest(400, "the body is nested too deeply") from None
    except ValueError as error:
        told = error.args[0] if isinstance(error, _Unstrict) else "the body is not JSON"
        raise BadRequest(400, str(told)) from None
    try:
        return model.model_validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        raise BadRequest(422, _told(error)) from None


class _Unstrict(ValueError):
    pass


def _no_constant(name: str) -> Any:
    raise _Unstrict("NaN and Infinity are not JSON numbers")


def _no_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if len(names) != len(set(names)):
        raise _Unstrict("a name stands twice in one object")
    return dict(pairs)


def _told(error: ValidationError) -> str:
    """What is wrong and where, without the values that were sent."""
    faults = error.errors(include_input=False, include_url=False, include_context=False)
    known = [
        f"{'.'.join(str(part) for part in f['loc'][:1]) or 'body'}: {f['msg']}"
        if f["type"] != "extra_forbidden"
        else "an unknown field was sent"
        for f in faults[:5]
    ]
    return "; ".join(dict.fromkeys(known))
