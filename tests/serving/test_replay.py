"""What was answered can be worked out again from its record, in a process that knows nothing."""

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from data import audit
from data.database import Database
from data.erasure import erase
from data.errors import Erased
from data.settings import settings
from serving import recording
from serving.answering import answer
from serving.changes import change
from serving.moves import Asked, why_moved
from serving.refusals import refusal
from serving.replay import replay
from serving.scoring import Scorer
from tests.requirements import CHECKOUT
from tests.serving.conftest import key_of, knocking
from training.labels import SCORABLE
from training.recipes import QUESTIONS

REPLAY = """
import json, sys
from data.database import Database
from serving.replay import replay
database, loaded, told = Database(), [], []
for number in json.load(sys.stdin):
    found = replay(database, number, loaded)
    told.append([number, found.status, found.answers, list(found.why)])
    if len(told) == 1 and "warm" in sys.argv:
        from serving.scoring import Scorer
        loaded = list(Scorer.load().models.values())
print(json.dumps(told))
"""
IMPORTED = "import sys, json, serving.api.app; print(json.dumps(sorted(sys.modules)))"
Standings = dict[str, dict[str, str]]


def fresh(code: str, *, stdin: str = "", arguments: Sequence[str] = (), **environment: str) -> Any:
    """What a new process prints, as JSON."""
    ran = subprocess.run(
        [sys.executable, "-P", "-c", code, *arguments],
        input=stdin, capture_output=True, text=True, check=False, cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), **environment},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@pytest.fixture
def own(
    trained_home: Path, served: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Database]:
    """A copy of the trained bank's database in a home of this test's own, beside its files."""
    home = tmp_path / "own"
    home.mkdir()
    for file in trained_home.iterdir():
        if file.is_dir() and file.name not in ("keys", "releases", "audit"):
            (home / file.name).symlink_to(file)
    shutil.copytree(trained_home / "releases", home / "releases")
    if (trained_home / "keys").exists():
        shutil.copytree(trained_home / "keys", home / "keys")
    with (
        closing(sqlite3.connect(trained_home / "zhike.db")) as theirs,
        closing(sqlite3.connect(home / "zhike.db")) as ours,
    ):
        theirs.backup(ours)
    monkeypatch.setenv("ZHIKE_HOME", str(home))
    database = Database()
    yield database
    database.engine.dispose()


def some_of_each(scorer: Scorer, database: Database, standings: Standings, count: int) -> list[int]:
    """Numbers of records of every kind, of customers drawn at random."""
    drawn, numbers = random.Random(7), list[int]()
    names = [*QUESTIONS, "churn.run_off", "credit_risk"]
    languages = ("en", "zh-TW", "zh-CN")
    owing = [who for who in sorted(standings) if standings[who]["credit_risk"] == SCORABLE]
    while len(numbers) < count:
        customer, language = drawn.choice(sorted(standings)), drawn.choice(languages)
        asked = drawn.sample(names, drawn.randint(1, 3))
        number = answer(scorer, database, customer, asked, language=language, actor="t")[1]  # type: ignore[arg-type]
        numbers.append(number)
        if len(numbers) % 5 == 0:
            who = drawn.choice(owing)
            numbers.append(change(scorer, database, who, "credit_risk", 0.001, actor="t")[1])
            numbers.append(refusal(scorer, database, who, 0.0, actor="t")[1])
        if len(numbers) == 7:
            days = date(2026, 3, 31), date(2026, 6, 30)
            asked_why = Asked(drawn.choice(owing), "lifetime_value", *days)
            numbers.append(why_moved(scorer, database, asked_why, actor="t")[1])
    return numbers[:count]


def test_f69_answers_are_replayed_bit_for_bit_in_a_new_process_of_another_zone(
    own: Database, scorer: Scorer, standings: Standings, trained_home: Path
) -> None:
    numbers = some_of_each(scorer, own, standings, 20)
    told = fresh(
        REPLAY, stdin=json.dumps(numbers), arguments=["warm"], TZ="Pacific/Kiritimati",
        ZHIKE_THREADS="1", OMP_NUM_THREADS="1",
    )  # fmt: skip
    assert [(number, "same", []) for number in numbers] == [(n, s, w) for n, s, _, w in told]
    kinds = {audit.record_of(own, number).kind for number in numbers}
    assert kinds == {"answer", "change", "refusal", "movement"}


@pytest.mark.slow
def test_f69_a_thousand_random_records_are_replayed_bit_for_bit_on_one_thread_and_on_two(
    own: Database, scorer: Scorer, standings: Standings
) -> None:
    numbers = some_of_each(scorer, own, standings, 1_000)

    def told(threads: str) -> Any:
        return fresh(
            REPLAY, stdin=json.dumps(numbers), arguments=["warm"], TZ="America/St_Johns",
            ZHIKE_THREADS=threads, OMP_NUM_THREADS=threads, NUMBA_NUM_THREADS=threads,
        )  # fmt: skip

    with ThreadPoolExecutor(2) as pool:
        for found in pool.map(told, ("1", "2")):
            assert [(number, "same", []) for number in numbers] == [
                (n, s, w) for n, s, _, w in found
            ]


def test_a_command_tells_of_a_replay(own: Database, scorer: Scorer, customer: str) -> None:
    _, number = answer(scorer, own, customer, ["churn", "credit_risk"], actor="t")
    told = commanded("replay", str(number))
    assert told.stdout == f"the 4 answers of record {number} are the same, bit for bit\n"


def commanded(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """What a command of the serving floor says."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "serving", *arguments],
        capture_output=True, text=True, check=False, cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    )  # fmt: skip


def test_f70_a_retired_release_is_named(own: Database, scorer: Scorer, customer: str) -> None:
    _, number = answer(scorer, own, customer, ["churn"], actor="t")
    shutil.rmtree(settings().releases / "churn")
    found = replay(own, number)
    digest = scorer.models["churn"].release.digest[:12]
    assert found.status == "impossible"
    assert f"the release {digest}… of churn is gone" in str(found)


def test_f70_what_is_no_longer_as_it_was_is_named(
    own: Database, scorer: Scorer, customer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = recording.libraries()
    monkeypatch.setattr(recording, "libraries", lambda: real | {"numpy": "1.0.0"})
    _, number = answer(scorer, own, customer, ["churn"], actor="t")
    models = [*scorer.models.values()]
    assert replay(own, number, models).status == "same"  # other versions, and the same bits
    found = replay(own, otherwise(own, number), models)
    assert found.status == "different"
    assert "scores.churn.margin" in str(found)
    assert f"numpy 1.0.0 then, {real['numpy']} now" in str(found)
    assert "reason catalogue 0123456789abcdef then" in str(found)
    assert customer not in str(found)


def otherwise(database: Database, number: int) -> int:
    """The same record once more, as if its margin had been another and the words of then others."""
    body, payload = (
        json.loads(audit.record_of(database, number).body),
        audit.payload_of(database, number),
    )
    payload["answer"]["scores"]["churn"]["margin"] += 2**-50
    body["reasons"] = "0123456789abcdef"
    del body["payload_sha256"]
    return audit.append(database, kind="answer", actor="t", body=body, payload=payload).sequence


def test_an_erased_record_is_told_as_such_and_the_chain_stays_whole(
    own: Database, scorer: Scorer, customer: str
) -> None:
    _, number = answer(scorer, own, customer, ["churn"], actor="t")
    erase(own, customer, actor="t", basis="a request")
    found = replay(own, number)
    assert (found.status, "is erased" in str(found)) == ("erased", True)
    assert audit.first_broken(own) is None
    with pytest.raises(Erased, match="was erased"):
        answer(scorer, own, customer, ["churn"], actor="t")


def test_what_is_no_answer_is_not_replayed(own: Database) -> None:
    (book,) = audit.records(own, ("book",))
    found = replay(own, book.sequence)
    assert found.status == "impossible"
    assert f"./zhike serving replay-book {book.sequence} CUSTOMER" in str(found)


def test_a_record_holds_digests_of_all_that_answered_and_nobody_s_name(
    own: Database, scorer: Scorer, customer: str
) -> None:
    _, number = answer(scorer, own, customer, ["churn"], actor="t", purpose="campaign")
    record = audit.record_of(own, number)
    body = json.loads(record.body)
    assert body["releases"].keys() == body["labels"].keys() == {"churn", "churn.run_off"}
    assert {"snapshot", "code", "libraries", "reasons", "payload_sha256"} <= body.keys()
    assert (body["purpose"], record.actor) == ("campaign", "t")
    assert customer not in record.body


def test_the_api_tells_of_a_record_and_replays_it(
    own: Database, scorer: Scorer, customer: str
) -> None:
    client = knocking(scorer, own, key_of(own, "an auditor"))
    number = asked(client, customer)
    record = client.get(f"/v1/audit/{number}").json()
    assert (record["number"], record["kind"], record["actor"]) == (number, "answer", "an auditor")
    assert customer not in json.dumps(record)
    again = client.post(f"/v1/audit/{number}/replay").json()
    assert (again["status"], again["answers"], again["why"]) == ("same", 2, [])
    opened = client.get(f"/v1/audit/{number}/payload").json()
    assert opened["payload"]["customer_id"] == customer
    [*_, read] = audit.records(own, ("audit_read",))
    assert (json.loads(read.body), read.actor) == ({"record": number}, "an auditor")


def asked(client: TestClient, customer: str) -> int:
    body = {"customer_id": customer, "questions": ["churn"]}
    return int(client.post("/v1/scores", json=body).json()["audit"])


def test_the_api_knows_what_is_gone_and_what_never_was(
    own: Database, scorer: Scorer, customer: str
) -> None:
    client = knocking(scorer, own, key_of(own, "an auditor"))
    number = asked(client, customer)
    erase(own, customer, actor="t", basis="a request")
    assert client.get(f"/v1/audit/{number}/payload").status_code == 410
    assert client.post(f"/v1/audit/{number}/replay").json()["status"] == "erased"
    refused = client.post("/v1/scores", json={"customer_id": customer})
    assert (refused.status_code, refused.json()["title"]) == (410, "Gone")
    for path in ("", "/payload"):
        assert client.get(f"/v1/audit/999999{path}").status_code == 404
    assert client.post("/v1/audit/999999/replay").status_code == 404
    assert knocking(scorer, own).get(f"/v1/audit/{number}").status_code == 401


@pytest.mark.parametrize("library", ["lightgbm", "mlflow", "shap", "sklearn"])
def test_the_service_carries_no_training_library(imported: list[str], library: str) -> None:
    assert library not in imported
    assert "numba" in imported


@pytest.fixture(scope="module")
def imported() -> list[str]:
    """Every module of a process that imports the service."""
    modules: list[str] = fresh(IMPORTED)
    return modules
