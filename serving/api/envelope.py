"""What surrounds every answer: a bound on how many, a deadline, an identifier, headers, one log line.

One middleware rather than five: it stands in the way of every request.
"""

import asyncio
import logging
import re
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from data.settings import settings
from serving import metrics
from serving.api.problems import problem, told
from serving.logs import access
from serving.readiness import Watch

_log = logging.getLogger(__name__)
# A bank's trace identifiers; anything freer might be a person's number, and is written to the log.
_IDENTIFIER = re.compile(rb"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")
# No Strict-Transport-Security: the service speaks plain HTTP on loopback, where browsers ignore
# it; it belongs to the proxy that speaks TLS.
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cache-control", b"no-store"),
]
OPEN = frozenset({"/healthz", "/readyz", "/metrics"})  # answered however much waits


@dataclass
class _Request:
    """One request under way."""

    scope: Scope
    send: Send
    identifier: str
    began: float = field(default_factory=time.perf_counter)
    status: int = 0
    given_up: bool = False

    async def pass_on(self, message: Message) -> None:
        """Send what the application sends, unless the deadline was faster."""
        if self.given_up:
            return
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = message.setdefault("headers", [])
            set_already = {name for name, _ in headers}
            headers += [one for one in _HEADERS if one[0] not in set_already]
            headers.append((b"x-request-id", self.identifier.encode()))
        await self.send(message)


class Envelope:
    """The middleware around the application."""

    def __init__(self, app: ASGIApp) -> None:
        chosen = settings()
        self.app, self.inside = app, 0
        self.most, self.seconds = chosen.concurrency, chosen.request_seconds
        self._giving_up: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = _Request(scope, send, _identifier(scope))
        scope.setdefault("state", {})["request_id"] = request.identifier
        refused = "" if scope["path"] in OPEN else self._full(scope)
        if refused:
            metrics.SHED.labels(refused).inc()
            answer = problem(503, _WHY[refused], {"Retry-After": "1" if refused == "busy" else "5"})
            await answer(scope, receive, request.pass_on)
        else:
            await self._answer(request, receive)
        _tell(request)

    def _full(self, scope: Scope) -> str:
        if self.inside >= self.most:
            return "busy"
        app: Starlette = scope["app"]
        watch: Watch | None = getattr(app.state, "watch", None)
        return "database" if watch is not None and watch.silent else ""

    async def _answer(self, request: _Request, receive: Receive) -> None:
        self.inside += 1
        metrics.IN_FLIGHT.inc()
        loop = asyncio.get_running_loop()
        late = loop.call_later(self.seconds, self._give_up, request, receive)
        try:
            await self.app(request.scope, receive, request.pass_on)
        except Exception as error:
            if request.status or request.given_up:
                _log.error("an answer broke off", exc_info=True)
                if not request.given_up:
                    raise
            else:
                _log.error("an error that nobody foresaw", exc_info=True)
                answer = told(Request(request.scope), error)
                await answer(request.scope, receive, request.pass_on)
        finally:
            late.cancel()
            self.inside -= 1
            metrics.IN_FLIGHT.dec()

    def _give_up(self, request: _Request, receive: Receive) -> None:
        """Answer for work that takes too long; a thread cannot be stopped, only not waited for."""
        if request.status:
            return
        task = asyncio.ensure_future(self._late(request, receive))
        self._giving_up.add(task)
        task.add_done_callback(self._giving_up.discard)

    async def _late(self, request: _Request, receive: Receive) -> None:
        metrics.SHED.labels("late").inc()
        send, request.send = request.pass_on, request.send
        await problem(503, _WHY["late"], {"Retry-After": "5"})(request.scope, receive, send)
        request.given_up = True


_WHY = {
    "busy": "more requests wait than can be answered; try again soon.",
    "database": "the database does not answer; try again soon.",
    "late": "no answer in time; try again soon.",
}


def _identifier(scope: Scope) -> str:
    """The caller's own identifier of a request where it is one, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _IDENTIFIER.fullmatch(value):
            return str(value.decode())
    return uuid.uuid4().hex


def _tell(request: _Request) -> None:
    """Count a request and write its line: the route's template, never what was asked for."""
    seconds = time.perf_counter() - request.began
    scope = request.scope
    route = template(scope)
    method = scope["method"] if route else "-"
    metrics.REQUESTS.labels(method, route or "-", request.status).observe(seconds)
    access.info(
        "request",
        method=method,
        route=route or "-",
        status=request.status,
        ms=round(seconds * 1000, 2),
        request=request.identifier,
        client=scope["state"].get("client", "-"),
    )


def template(scope: Scope) -> str:
    """The path of the route that was found, as the code writes it; empty where there is none."""
    route: Any = scope.get("route")
    path: str = getattr(route, "path_format", "")
    # A router within the version leaves its name out.
    within = path and scope["path"].startswith("/v1/") and not path.startswith("/v1/")
    return f"/v1{path}" if within else path
