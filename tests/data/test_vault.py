"""Payloads are sealed by person: without the key nobody reads them, and nobody can guess them."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from data import audit
from data.audit import append, first_broken, payload_of, verify
from data.database import Database
from data.erasure import erase
from data.errors import ConfigurationError, Erased, NotReady
from data.schema import AUDIT_PAYLOADS, PERSON_KEYS
from data.settings import settings
from data.vault import BANK, vault
from data.warehouse import canonical_json

MARKER = "MARKER-7f3a"


@pytest.fixture(autouse=True)
def _own_home(home: Path) -> None:
    """A master key in a home of the test's own."""


@pytest.fixture
def another(database: Database) -> Iterator[Callable[[], Database]]:
    """The same database as another process opens it."""
    opened: list[Database] = []

    def one() -> Database:
        opened.append(Database(database.address))
        return opened[-1]

    yield one
    for each in opened:
        each.engine.dispose()


def about(database: Database, person: str | None) -> audit.Record:
    payload = {"customer_id": person, "secret": MARKER}
    return append(database, kind="answer", actor="t", body={}, payload=payload, person=person)


def test_a_payload_is_sealed_under_the_key_of_its_person(database: Database) -> None:
    first, second, nobody = (about(database, person) for person in ("C1", "C2", None))
    with database.reading() as connection:
        rows = connection.execute(sa.select(AUDIT_PAYLOADS)).all()
        keys = {row.person for row in connection.execute(sa.select(PERSON_KEYS))}
    assert [payload_of(database, r.sequence)["customer_id"] for r in (first, second, nobody)] == [
        "C1", "C2", None,
    ]  # fmt: skip
    assert len({row.person for row in rows}) == 3
    assert keys == {row.person for row in rows}
    assert BANK in keys
    assert not any(MARKER.encode() in row.sealed for row in rows)


def test_the_files_of_the_database_name_nobody(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'zhike.db'}")
    database.migrate()
    about(database, "CUSTOMER-0042")
    database.engine.dispose()
    for file in tmp_path.glob("zhike.db*"):
        assert b"CUSTOMER-0042" not in file.read_bytes()
        assert MARKER.encode() not in file.read_bytes()


def test_the_same_payload_twice_has_two_digests_so_that_no_guess_is_confirmed(
    database: Database,
) -> None:
    first, again = about(database, "C1"), about(database, "C1")
    plain = canonical_json({"customer_id": "C1", "secret": MARKER}).encode()
    assert first.body != again.body
    assert hashlib.sha256(plain).hexdigest() not in first.body + again.body


def test_an_erased_person_is_gone_and_the_chains_verify_without_any_key(database: Database) -> None:
    gone, stays = about(database, "C1"), about(database, "C2")
    told = erase(database, "C1", actor="an officer", basis="request of the person")
    with pytest.raises(Erased, match="is erased"):
        payload_of(database, gone.sequence)
    assert payload_of(database, stays.sequence)["secret"] == MARKER
    assert (told.kind, told.actor, "C1" in told.body) == ("erasure", "an officer", False)
    settings().vault_key.unlink()
    assert verify(database).faults == []


def test_of_an_erased_person_nothing_is_recorded_any_more(database: Database) -> None:
    about(database, "C1")
    for person in ("C1", "never seen"):
        erase(database, person, actor="t", basis="request")
        with pytest.raises(Erased, match="was erased"):
            about(database, person)
    assert about(database, "C2").position == 4


def test_an_erased_person_does_not_hold_up_others_in_a_batch(database: Database) -> None:
    erase(database, "C1", actor="t", basis="request")
    with audit.committing(database), database.writing():
        waiting = [
            audit.submit(database, kind="answer", actor="t", body={}, payload={}, person=person)
            for person in ("C0", "C1", "C2")
        ]
    assert [type(one.exception()) for one in waiting] == [type(None), Erased, type(None)]
    assert first_broken(database) is None


def test_a_key_at_hand_is_trusted_for_a_minute_and_no_longer(
    database: Database, another: Callable[[], Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    with audit.committing(database):
        about(database, "C1")
        with database.reading() as connection:
            kept = vault(connection)
        name = kept.pseudonym("C1")
        assert kept.at_hand(name)
        erase(another(), "C1", actor="t", basis="request")
        monkeypatch.setattr("data.vault.time.monotonic", lambda: 10.0**9)
        assert kept.at_hand(name) is None
        with pytest.raises(Erased):
            about(database, "C1")


def test_a_key_that_was_made_in_vain_is_not_used(database: Database) -> None:
    with database.engine.connect() as connection:
        audit.enter(connection, kind="book", actor="t", body={}, payload={}, person="C1")
        connection.rollback()
    assert payload_of(database, about(database, "C1").sequence)["secret"] == MARKER


def test_a_lost_or_foreign_master_key_is_told_and_never_replaced(
    database: Database, another: Callable[[], Database]
) -> None:
    record = about(database, "C1")
    path = settings().vault_key
    assert path.stat().st_mode & 0o777 == 0o600
    kept = path.read_text()
    path.unlink()
    with pytest.raises(ConfigurationError, match=r"vault.key is gone"):
        payload_of(another(), record.sequence)
    assert not path.exists()
    for wrong, told in (("00" * 32, "not the master key of this"), ("holiday", "no master key")):
        path.write_text(wrong)
        path.chmod(0o600)
        with pytest.raises(ConfigurationError, match=told):
            about(another(), "C2")
    path.write_text(kept)
    assert payload_of(another(), record.sequence)["secret"] == MARKER


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM audit_payloads WHERE sequence = 1",
        "UPDATE audit_payloads SET person = 'bank' WHERE sequence = 1",
        "UPDATE audit_payloads SET sealed = substr(sealed, 1, 40) WHERE sequence = 1",
    ],
)
def test_f66_a_payload_that_was_tampered_with_is_neither_opened_nor_called_erased(
    database: Database, change: str
) -> None:
    for person in ("C1", "C2", None):
        about(database, person)
    with database.writing() as connection:
        connection.exec_driver_sql(change)
    with pytest.raises(NotReady, match="is not what was sealed"):
        payload_of(database, 1)


def test_the_master_key_may_lie_elsewhere(
    database: Database,
    another: Callable[[], Database],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ZHIKE_VAULT_KEY_FILE", str(tmp_path / "secrets" / "bank.key"))
    about(database, "C1")
    assert (tmp_path / "secrets" / "bank.key").stat().st_mode & 0o777 == 0o600
    (tmp_path / "secrets" / "bank.key").chmod(0o640)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        about(another(), "C1")
