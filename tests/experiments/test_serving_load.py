"""The load generator sends what it says, counts what comes back, and ends by itself."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from data.errors import ConfigurationError
from experiments._load import LOST, Measured, Plan, drive
from experiments.serving_load import run

ASK = b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}"


@contextmanager
def answering(*answers: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """A server that gives these answers in turns on every connection; its port, and what came."""
    came: list[bytes] = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            number = 0
            while asked := self.request.recv(4_096):
                came.append(asked)
                answer = answers[number % len(answers)]
                if not answer:
                    return
                self.request.sendall(answer[:20])
                self.request.sendall(answer[20:])
                number += 1

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_address[1], came
        finally:
            server.shutdown()
            thread.join()


def told(status: int, body: bytes = b"{}") -> bytes:
    head = f"HTTP/1.1 {status} Some\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def test_a_closed_loop_counts_answers_sheds_and_errors_apart() -> None:
    with answering(told(200), told(503), told(200), told(500)) as (port, came):
        found = drive(Plan(port, [ASK], connections=3, seconds=0.3))
    assert len(found.status) == len(came) >= 12
    assert set(found.statuses) == {200, 503, 500}
    assert found.errors == found.statuses[500]
    assert found.shed == found.statuses[503] / len(came)
    assert found.milliseconds(99) > 0


def test_an_open_loop_sends_what_is_due_and_no_more() -> None:
    with answering(told(200, b"x" * 70_000)) as (port, came):
        found = drive(Plan(port, [ASK], connections=4, seconds=0.5, rate=40))
    assert came == [ASK] * 20
    assert found.statuses == {200: 20}
    assert np.sort(found.due) == pytest.approx(np.arange(20) / 40)


def test_a_connection_that_breaks_is_an_error_and_another_is_opened() -> None:
    with answering(told(200), b"") as (port, _):
        found = drive(Plan(port, [ASK], connections=1, seconds=0.3))
    assert found.statuses[LOST] >= 2
    assert found.errors == found.statuses[LOST]


def test_waits_are_those_of_the_requests_that_were_answered() -> None:
    found = Measured(
        np.arange(4.0), np.array([200, 200, 429, 0]), np.array([1, 3, 9, 99]), 2.0, 0.0
    )
    assert (found.a_second, found.errors, found.shed) == (1.0, 1, 0.25)
    assert (found.milliseconds(50), found.milliseconds(50, 429)) == (2_000, 9_000)


def test_an_unknown_database_is_refused_before_anything_is_made() -> None:
    with pytest.raises(ConfigurationError, match="sqlite, postgresql or both"):
        run(database="oracle")
