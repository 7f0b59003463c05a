"""The review queue and its decisions, on SQLite and PostgreSQL."""

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from data.audit import first_broken
from data.database import Database
from data.errors import IdentityError
from data.schema import AUDIT
from features.identity.reviews import Review, decide, decisions, queue, replace_queue
from tests.features.systems import HSIAO_MING, Systems

GREY = Review("E1", "K1", 0.7, "probable, but not certain")
DARK = Review("C1", "K1", 0.9, "different valid identity numbers")


@pytest.fixture
def bank(tmp_path: Path, database: Database) -> Systems:
    bank = Systems(tmp_path, database)
    bank.record("K1", "core", **HSIAO_MING)
    bank.record("E1", "ebanking", name="王小明")
    bank.record("C1", "cards", **HSIAO_MING | {"identity_number": "A100000001"})
    bank.hand.load()
    return bank


def test_the_most_probable_pair_comes_first(database: Database) -> None:
    replace_queue(database, [GREY, DARK])
    assert queue(database) == [DARK, GREY]


def test_a_run_replaces_what_is_open_and_leaves_what_is_decided(bank: Systems) -> None:
    replace_queue(bank.database, [GREY, DARK])
    decide(bank.warehouse, bank.database, "K1", "E1", "different", "Lin")
    replace_queue(bank.database, [GREY])
    assert queue(bank.database) == []
    [decision] = decisions(bank.database)
    assert (decision.record_a, decision.record_b) == ("E1", "K1")
    assert (decision.verdict, decision.decided_by) == ("different", "Lin")


def test_a_decision_is_audited_without_telling_whom_it_is_about(bank: Systems) -> None:
    decide(bank.warehouse, bank.database, "K1", "E1", "same", "Lin")
    with bank.database.reading() as connection:
        row = connection.execute(sa.select(AUDIT)).one()
    assert (row.kind, row.actor) == ("identity_review", "Lin")
    assert json.loads(row.body).keys() == {"verdict", "payload_sha256"}
    assert first_broken(bank.database) is None


def test_the_same_decision_again_changes_nothing(bank: Systems) -> None:
    decide(bank.warehouse, bank.database, "K1", "E1", "same", "Lin")
    decide(bank.warehouse, bank.database, "E1", "K1", "same", "Wu")
    assert [d.decided_by for d in decisions(bank.database)] == ["Lin"]


def test_a_decision_is_not_turned_round_by_another(bank: Systems) -> None:
    decide(bank.warehouse, bank.database, "K1", "E1", "same", "Lin")
    with pytest.raises(IdentityError, match="E1 and K1 were decided 'same' by Lin on 20"):
        decide(bank.warehouse, bank.database, "E1", "K1", "different", "Wu")


@pytest.mark.parametrize(
    "one,other,by,told",
    [
        ("K1", "X9", "Lin", "there is no record X9"),
        ("X8", "X9", "Lin", "there is no record X8 and no record X9"),
        ("K1", "K1", "Lin", "K1 is one record; name two"),
        ("K1", "E1", " ", "--by"),
        ("K1", "C1", "Lin", "C1 and K1 have different valid identity numbers"),
    ],
)
def test_a_decision_that_makes_no_sense_is_refused(
    bank: Systems, one: str, other: str, by: str, told: str
) -> None:
    with pytest.raises(IdentityError, match=told):
        decide(bank.warehouse, bank.database, one, other, "same", by)
    assert decisions(bank.database) == []
