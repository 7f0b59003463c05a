"""What will go: the headers Deprecation (RFC 9745) and Sunset (RFC 8594), declared where it stands."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from fastapi import Request
from pydantic import BaseModel
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_STATE = "deprecated"


@dataclass(frozen=True)
class Deprecated:
    """Since when a route or a field is not to be used any more, and when it will be gone.

    A field of a request carries it in its annotation, a route in its dependencies::

        old: Annotated[str, Deprecated(since, sunset, "/docs/api")] = ""
        routes.post("/old", deprecated=True, dependencies=[Depends(going(Deprecated(...)))])

    Attributes:
        since, sunset: moments in UTC.
        link: where it is told what to use instead.
    """

    since: datetime
    sunset: datetime
    link: str

    @property
    def headers(self) -> Mapping[str, str]:
        """As they leave with every response."""
        return {
            "Deprecation": f"@{int(self.since.timestamp())}",
            "Sunset": format_datetime(self.sunset, usegmt=True),
            "Link": f'<{self.link}>; rel="deprecation"',
        }


def going(what: Deprecated) -> Callable[[Request], None]:
    """A dependency of a route that will go."""

    def announce(request: Request) -> None:
        setattr(request.state, _STATE, what)

    return announce


def announced(request: Request, sent: BaseModel) -> None:
    """Announce the field, if any was sent, that goes first."""
    fields = type(sent).model_fields
    found = [
        about
        for name in sent.model_fields_set
        for about in fields[name].metadata
        if isinstance(about, Deprecated)
    ]
    if found:
        setattr(request.state, _STATE, min(found, key=lambda one: one.sunset))


class Announcing:
    """Adds the headers to whatever is answered, errors too."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

        async def told(message: Message) -> None:
            what = scope.get("state", {}).get(_STATE)
            if what and message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(what.headers)
            await send(message)

        await self.app(scope, receive, told)
