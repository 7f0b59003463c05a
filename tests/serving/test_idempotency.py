"""A request that has an effect has it once, however often and from wherever it is sent."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection
from starlette.testclient import TestClient

from data import audit
from data.database import Database
from data.errors import IdempotencyMismatch
from data.schema import AUDIT, IDEMPOTENT_ANSWERS, JOBS
from serving.access.keys import make_key
from serving.idempotency import Done, Effect, Request, once
from serving.scoring import Scorer
from tests.requirements import CHECKOUT
from tests.serving.conftest import knocking

JOB = {"customers": ["C1"]}


def effect(answer: str = "first") -> Effect:
    """Something that shows how often it happened."""

    def happen(connection: Connection) -> Done:
        entered = audit.enter(connection, kind="effect", actor="test", body={})
        return Done(201, {"answer": answer, "effect": entered.sequence})

    return happen


def counted(connection: Connection) -> int:
    return connection.execute(sa.select(sa.func.count()).select_from(AUDIT)).scalar_one()


def effects(database: Database) -> int:
    with database.reading() as connection:
        return counted(connection)


def request(
    key: str | None = "k", client: str = "ann", route: str = "POST /v1/x", **asked: Any
) -> Request:
    return Request(client, route, key, asked)


def test_f58_eighty_threads_with_twenty_keys_have_twenty_effects(database: Database) -> None:
    def send(number: int) -> tuple[int, Any]:
        key = number % 20
        return key, once(database, request(f"key-{key}", n=key), effect(str(key)))

    with ThreadPoolExecutor(80) as pool:
        told = list(pool.map(send, range(160)))
    assert effects(database) == 20
    for key in range(20):
        answers = [done for sent, done in told if sent == key]
        assert [done.replayed for done in answers].count(False) == 1
        assert len({done.answer["effect"] for done in answers}) == 1
        assert {(done.status, done.answer["answer"]) for done in answers} == {(201, str(key))}


def test_f58_another_body_under_the_same_key_is_refused_and_does_nothing(
    database: Database,
) -> None:
    once(database, request(n=1), effect())
    with pytest.raises(IdempotencyMismatch, match="send a new key"):
        once(database, request(n=2), effect())
    assert effects(database) == 1


def test_a_key_is_its_clients_and_its_routes_own(database: Database) -> None:
    for who in ("ann", "ben"):
        for route in ("POST /v1/x", "POST /v1/y"):
            once(database, request(client=who, route=route), effect())
    assert effects(database) == 4


def test_without_a_key_each_request_has_its_effect(database: Database) -> None:
    for _ in range(2):
        once(database, request(None), effect())
    assert effects(database) == 2


def test_f58_after_24_hours_a_key_is_new(database: Database) -> None:
    once(database, request(n=1), effect())
    age(database, timedelta(hours=23))
    assert once(database, request(n=1), effect()).replayed
    age(database, timedelta(hours=2))
    assert not once(database, request(n=2), effect()).replayed
    assert effects(database) == 2


def age(database: Database, by: timedelta) -> None:
    with database.writing() as connection:
        [at] = connection.execute(sa.select(IDEMPOTENT_ANSWERS.c.created_at)).scalars()
        connection.execute(sa.update(IDEMPOTENT_ANSWERS).values(created_at=at - by))


def test_an_effect_that_fails_leaves_its_key_free(database: Database) -> None:
    def fails(connection: Connection) -> Done:
        effect()(connection)
        raise OSError("half way")

    with pytest.raises(OSError, match="half way"):
        once(database, request(), fails)
    assert effects(database) == 0
    assert not once(database, request(), effect()).replayed


DIES = """
import os, signal, sys
from contextlib import contextmanager
from data.database import Database
from serving.idempotency import once
from tests.serving.test_idempotency import effect, request
class Dying(Database):
    @contextmanager
    def writing(self):
        with super().writing() as connection:
            yield connection
            if sys.argv[2] == "before": os.kill(os.getpid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)
once(Dying(sys.argv[1]), request(n=1), effect("of the process that died"))
"""


@pytest.mark.parametrize("dies", ["before", "after"])
def test_f59_killed_between_effect_and_answer_the_retry_gets_the_first_result(
    tmp_path: Path, dies: str
) -> None:
    database = Database(f"sqlite:///{tmp_path / 'zhike.db'}")
    database.migrate()
    ran = subprocess.run(
        [sys.executable, "-P", "-c", DIES, database.address, dies],
        check=False, cwd=CHECKOUT, env={"PYTHONPATH": str(CHECKOUT)},
    )  # fmt: skip
    assert ran.returncode == -9
    told = once(database, request(n=1), effect("of the retry"))
    first = {"before": "of the retry", "after": "of the process that died"}[dies]
    assert (told.answer, effects(database)) == ({"answer": first, "effect": 1}, 1)
    database.engine.dispose()


def test_over_http_the_first_answer_is_repeated_and_says_so(
    quick_client: TestClient, store: Database
) -> None:
    first, again = (post(quick_client, JOB, "k1") for _ in range(2))
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == again.json()
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    other = post(quick_client, {"customers": ["C2"]}, "k1")
    assert (other.status_code, other.headers["content-type"]) == (422, "application/problem+json")
    assert jobs(store) == 1


def test_the_same_body_in_other_words_is_the_same_request(
    quick_client: TestClient, store: Database
) -> None:
    post(quick_client, {"language": "en", **JOB}, "k1")
    assert post(quick_client, {**JOB, "language": "en"}, "k1").status_code == 202
    assert jobs(store) == 1


def test_f58_after_a_restart_the_answer_is_still_there(home: Path, store: Database) -> None:
    key = make_key(store, "a client")
    first = post(knocking(Scorer({}, {}), store, key), JOB, "k1")
    reopened = Database(store.address)
    again = post(knocking(Scorer({}, {}), reopened, key), JOB, "k1")
    reopened.engine.dispose()
    assert (again.json(), jobs(store)) == (first.json(), 1)


@pytest.mark.parametrize("key", ["", "k" * 101, "with a blank", "é"])
def test_a_key_that_cannot_be_one_is_refused(
    quick_client: TestClient, store: Database, key: str
) -> None:
    assert post(quick_client, JOB, key).status_code == 422
    assert jobs(store) == 0


def post(client: TestClient, asked: Any, key: str) -> Any:
    return client.post("/v1/jobs", json=asked, headers={b"Idempotency-Key": key.encode("latin-1")})


def jobs(store: Database) -> int:
    with store.reading() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(JOBS)).scalar_one()
