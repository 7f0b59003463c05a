"""Run the HTTP service on a loopback address, in one process."""

import logging
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import uvicorn
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from data.audit import committing
from data.database import Database
from data.errors import ConfigurationError, NotReady
from data.settings import settings
from serving.api.app import application
from serving.api.problems import problem
from serving.logs import start_logging
from serving.metrics import AUDIT_BATCH
from serving.protocol import Limits, guarded
from serving.releases import Served
from serving.work import working

LOOPBACK = ("127.0.0.1", "::1", "localhost")
_AGAIN = 1.0  # seconds between knocks at a database that is away
_log = logging.getLogger(__name__)


def listen(host: str, port: int) -> socket.socket:
    """A socket to serve on; port 0 takes a free one.

    Raises:
        ConfigurationError: an address that is not loopback, or a port that is taken.
    """
    if host not in LOOPBACK:
        raise ConfigurationError(
            f"--host {host}: Zhike listens on loopback only; put a proxy in front of it."
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP, so that the event loop turns off Nagle's delay on it.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"port {port} on {host} cannot be used ({error.strerror}); choose another with --port."
        ) from None
    return listener


def opened(listener: socket.socket) -> Database:
    """The database that the settings name, with the schema of this code, once it answers.

    Until then whoever calls is told 503, and that the process lives.
    """
    database = Database(patience=settings().database_seconds)
    try:
        _migrate()
    except NotReady as error:
        _log.warning("waiting: %s", error)
        _wait(listener)
    return database


def serve(
    listener: socket.socket,
    served: Served,
    database: Database,
    *,
    jobs: bool = True,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Serve until stopped by SIGTERM or SIGINT: finish what runs, refuse what is new.

    Beside it releases that are promoted are swapped in, and audit records are written many at a
    time; they end after the last answer.

    Args:
        jobs: whether jobs are worked off as well.
        ready: called once the service takes requests.
    """
    start_logging()
    server = _Server(application(served, database), ready)
    beside = working(database, lambda: served.current) if jobs else nullcontext()
    try:
        with committing(database, AUDIT_BATCH.observe), served.watching(), beside:
            server.run(sockets=[listener])
    finally:
        database.engine.dispose()


class _Server(uvicorn.Server):
    """uvicorn with our protocol, that says when it is ready and ends a stop with exit status 0."""

    def __init__(self, app: ASGIApp, ready: Callable[[], None]) -> None:
        chosen = settings()
        self._ready = ready
        super().__init__(
            uvicorn.Config(
                app,
                http=guarded(Limits.of(chosen)),
                ws="none",
                log_config=None,
                log_level="error",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=30,
                timeout_graceful_shutdown=chosen.stop_seconds,
                backlog=2048,
            )
        )

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        # After its shutdown uvicorn raises the signal again, which would end us before what runs
        # beside the server is closed.
        kept = {number: signal.signal(number, _ignore) for number in _STOPS} if _first() else {}
        try:
            super().run(sockets)
        finally:
            for number, handler in kept.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


def _migrate() -> None:
    database = Database()  # with all the patience that a migration needs
    try:
        database.migrate()
    finally:
        database.engine.dispose()


_STOPS = (signal.SIGTERM, signal.SIGINT)


def _ignore(*_: Any) -> None:
    pass


def _first() -> bool:
    return threading.current_thread() is threading.main_thread()


def _wait(listener: socket.socket) -> None:
    """Answer 503 until the database answers.

    Raises:
        SystemExit: stopped meanwhile.
    """
    server = _Server(_not_yet, lambda: None)
    answered = threading.Event()

    def knock() -> None:
        pause = threading.Event()
        while not server.should_exit and not answered.is_set():
            try:
                _migrate()
            except NotReady:
                pause.wait(_AGAIN)
            else:
                answered.set()
        server.should_exit = True

    threading.Thread(target=knock, name="waiting for the database", daemon=True).start()
    server.run(sockets=[listener.dup()])
    if not answered.is_set():
        raise SystemExit(0)


async def _not_yet(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return
    if scope["path"] == "/healthz":
        await JSONResponse({"status": "ok"})(scope, receive, send)
    else:
        await problem(503, "the database does not answer yet.")(scope, receive, send)
