"""Run the HTTP service on a loopback address."""

import socket
from contextlib import nullcontext

import uvicorn

from data.audit import committing
from data.database import Database
from data.errors import ConfigurationError
from serving.api.app import application
from serving.releases import Served
from serving.work import working

LOOPBACK = ("127.0.0.1", "::1", "localhost")


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


def serve(
    listener: socket.socket, served: Served, database: Database, *, jobs: bool = True
) -> None:
    """Serve until stopped; releases that are promoted meanwhile are swapped in.

    Jobs are worked off beside it unless others do.
    """
    config = uvicorn.Config(
        application(served, database),
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=20,
    )
    beside = working(database, lambda: served.current) if jobs else nullcontext()
    with committing(database), served.watching(), beside:
        uvicorn.Server(config).run(sockets=[listener])
