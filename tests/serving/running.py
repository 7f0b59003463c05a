"""A service of a test's own on loopback, in a thread of the test's process."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp

from serving.service import _Server, listen

Address = tuple[str, int]


@contextmanager
def running(app: ASGIApp) -> Iterator[Address]:
    """The address of an application that is served until the end of the block."""
    listener, ready = listen("127.0.0.1", 0), threading.Event()
    address: Address = listener.getsockname()
    server = _Server(app, ready.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        assert ready.wait(60)
        yield address
    finally:
        server.should_exit = True
        thread.join(60)


def told(address: Address, *pieces: bytes) -> bytes:
    """All that the service answers to some bytes, until it closes."""
    with socket.create_connection(address, timeout=60) as line:
        for piece in pieces:
            line.sendall(piece)
        return heard(line)


def heard(line: socket.socket) -> bytes:
    """What comes over a connection until its end."""
    answer = b""
    try:
        while got := line.recv(65536):
            answer += got
    except ConnectionResetError:
        pass
    return answer
