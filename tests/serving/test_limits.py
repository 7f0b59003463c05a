"""Limits: nobody asks without end, and wrong keys wait longer and longer."""

import itertools

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from data.audit import records
from data.database import Database
from data.errors import ConfigurationError, TooMany, Unauthorised
from serving.access.gate import TRUSTED, Gate
from serving.access.keys import PREFIX, REFUSAL, make_key, revoke
from serving.access.limits import LONGEST_WAIT, MOST_SUBJECTS, THRESHOLD, Lockout, Rate
from serving.api.app import application
from serving.scoring import Scorer
from tests.serving.test_oidc import Clock


def guesses(key_id: str = "0123456789abcdef") -> "itertools.chain[str]":
    """Wrong secrets without end."""
    return itertools.chain(f"Bearer {PREFIX}.{key_id}.{n:043d}" for n in itertools.count())


def tried(gate: Gate, sent: str, address: str = "10.0.0.1") -> str:
    try:
        return gate.identified(sent, address).name
    except (Unauthorised, TooMany) as error:
        return type(error).__name__


def test_f50_of_a_thousand_guesses_ten_are_answered_and_the_audit_log_knows(
    database: Database,
) -> None:
    gate = Gate(database, clock=Clock())
    known = f"Bearer {make_key(database, 'a system')}"
    assert tried(gate, known) == "a system"
    answers = [tried(gate, sent) for sent, _ in zip(guesses(), range(1_000), strict=False)]
    assert answers == ["Unauthorised"] * THRESHOLD + ["TooMany"] * (1_000 - THRESHOLD)
    assert tried(gate, known) == "a system"  # who was right before is not shut out
    kept = [record.body for record in records(database, ["lockout"])]
    assert len(kept) == 2  # the address and the key
    assert "10.0.0.1" not in str(kept)


def test_f50_each_wrong_key_after_the_tenth_doubles_the_wait(store: Database) -> None:
    clock = Clock()
    gate, sent, waits = Gate(store, clock=clock), guesses(), []
    for _ in range(THRESHOLD - 1):
        assert tried(gate, next(sent)) == "Unauthorised"
    for _ in range(13):
        assert tried(gate, next(sent)) == "Unauthorised"
        with pytest.raises(TooMany) as told:
            gate.identified(next(sent), "10.0.0.1")
        waits.append(told.value.after)
        clock.now += told.value.after
    assert waits == [*(2**n for n in range(10)), *[LONGEST_WAIT] * 3]


def test_f50_a_key_is_guarded_from_whatever_address_and_an_address_whatever_the_key(
    store: Database,
) -> None:
    gate, sent = Gate(store, clock=Clock()), guesses()
    for n in range(THRESHOLD):
        assert tried(gate, next(sent), f"10.0.1.{n}") == "Unauthorised"
    assert tried(gate, next(sent), "10.0.2.1") == "TooMany"
    for n in range(THRESHOLD):
        assert tried(gate, next(guesses(f"{n:016x}")), "10.0.3.1") == "Unauthorised"
    assert tried(gate, next(guesses("f" * 16)), "10.0.3.1") == "TooMany"
    assert tried(gate, next(guesses("e" * 16)), "10.0.4.1") == "Unauthorised"


def test_f50_whatever_is_wrong_with_a_key_is_found_by_the_same_work(database: Database) -> None:
    gone = make_key(database, "gone")
    revoke(database, gone.split(".")[1])
    real = make_key(database, "real").split(".")[1]
    counts = []
    for sent in (
        next(guesses()),
        next(guesses(real)),
        f"Bearer {gone}",
        f"Bearer {make_key(database, 'old', days=0)}",
    ):
        asked: list[str] = []

        def note(_: object, __: object, text: str, *___: object, to: list[str] = asked) -> None:
            to.append(text)

        sa.event.listen(database.engine, "before_cursor_execute", note)
        with pytest.raises(Unauthorised, match=REFUSAL[:20]):
            Gate(database).identified(sent)
        sa.event.remove(database.engine, "before_cursor_execute", note)
        counts.append(asked)
    assert counts[0]
    assert counts.count(counts[0]) == len(counts)


def test_f50_a_guesser_is_told_when_to_come_again(store: Database) -> None:
    client = TestClient(application(Scorer({}, {}), store))
    answers = [
        client.get("/v1/openapi.json", headers={"Authorization": sent})
        for sent, _ in zip(guesses(), range(THRESHOLD + 1), strict=False)
    ]
    assert [one.status_code for one in answers] == [401] * THRESHOLD + [429]
    assert len({one.json()["detail"] for one in answers[:-1]}) == 1
    assert len({len(one.content) for one in answers[:-1]}) == 1
    assert answers[-1].headers["content-type"] == "application/problem+json"
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert client.get("/v1/openapi.json").status_code == 401  # who shows nothing guesses nothing


def test_a_lock_out_is_forgotten_and_remembers_no_more_than_it_may() -> None:
    clock = Clock()
    lockout = Lockout(clock)
    for n in range(THRESHOLD):
        assert lockout.failed("somebody") == n + 1
    clock.now += 3_601
    assert lockout.failed("somebody") == 1
    for n in range(MOST_SUBJECTS):
        lockout.failed(f"address {n}")
    assert lockout.failed("somebody") == 1


def test_a_client_that_asks_too_often_waits_and_another_does_not(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZHIKE_RATE_LIMIT", "3/hour")
    client = TestClient(application(Scorer({}, {}), store))

    def ask(key: str) -> int:
        headers = {"Authorization": f"Bearer {key}"}
        answered = client.get("/v1/openapi.json", headers=headers)
        if answered.status_code == 429:
            assert 3_000 < int(answered.headers["retry-after"]) <= 3_600
            assert answered.headers["content-type"] == "application/problem+json"
        return answered.status_code

    eager = [make_key(store, name, client="one") for name in ("a", "b")]
    assert [ask(eager[n % 2]) for n in range(5)] == [200, 200, 200, 429, 429]
    assert ask(make_key(store, "another")) == 200


def test_a_rate_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="ZHIKE_RATE_LIMIT"):
        Rate("often")


def test_a_key_that_was_right_a_moment_ago_costs_no_look_at_the_database(store: Database) -> None:
    clock = Clock()
    gate, key = Gate(store, clock=clock), f"Bearer {make_key(store, 'a system')}"
    assert gate.remembered(key) is None
    who = gate.identified(key)
    store.engine.dispose()
    asked: list[str] = []

    def note(_: object, __: object, text: str, *___: object) -> None:
        asked.append(text)

    sa.event.listen(store.engine, "before_cursor_execute", note)
    assert gate.remembered(key) == who
    clock.now += TRUSTED
    assert gate.remembered(key) is None
    assert asked == []


def test_no_more_than_some_keys_are_remembered(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.access.gate.MOST", 2)
    gate = Gate(store)
    sent = [f"Bearer {make_key(store, name)}" for name in "abc"]
    for one in sent:
        gate.identified(one)
    assert [gate.remembered(one) is not None for one in sent] == [False, False, True]
