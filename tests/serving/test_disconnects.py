"""A caller who hangs up leaves a whole audit record or none, and keeps nobody else waiting."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
import uvicorn

from data.audit import first_broken
from data.database import Database
from data.schema import AUDIT, AUDIT_PAYLOADS, JOBS
from serving.access.keys import make_key
from serving.api.app import application
from serving.client import Client
from serving.scoring import Scorer
from serving.service import listen
from tests.serving.tiny_bank import publish


@contextmanager
def serving(database: Database) -> Iterator[int]:
    """A server on a port of its own, until the block ends."""
    listener = listen("127.0.0.1", 0)
    config = uvicorn.Config(application(Scorer({}, {}), database), log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def request(path: str, key: str, asked: object) -> bytes:
    body = json.dumps(asked).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


@pytest.mark.parametrize("path,asked", [
    ("/v1/scores", {"customer_id": "C001", "questions": ["churn"]}),
    ("/v1/jobs", {"customers": ["C001"]}),
])  # fmt: skip
def test_f42_a_caller_who_hangs_up_leaves_a_whole_record_or_none(
    store: Database, path: str, asked: object
) -> None:
    publish(store, 3)
    key = make_key(store, "a test")
    whole = request(path, key, asked)
    with serving(store) as port:
        for sent in (1, 20, len(whole) - 1, len(whole)):
            with socket.create_connection(("127.0.0.1", port)) as caller:
                caller.sendall(whole[:sent])
        with Client(f"http://127.0.0.1:{port}", key) as other:
            assert other.scores("C002", ["churn"])["customer_id"] == "C002"
    kinds = recorded(store)  # the server has ended what it had begun
    hung_up = {"/v1/scores": "answer", "/v1/jobs": "job"}[path]
    assert sorted(kinds) in (["answer"], sorted(["answer", hung_up]))
    assert first_broken(store) is None
    with store.reading() as connection:
        rows = connection.execute(sa.select(sa.func.count()).select_from(JOBS)).scalar_one()
        payloads = sa.select(sa.func.count()).select_from(AUDIT_PAYLOADS)
        assert rows == kinds.count("job")
        assert connection.execute(payloads).scalar_one() == kinds.count("answer")


def recorded(database: Database) -> list[str]:
    with database.reading() as connection:
        return list(connection.execute(sa.select(AUDIT.c.kind)).scalars())
