"""The audit chain: an altered, missing or moved record is found, wherever it stands."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from data.audit import GENESIS, MAIN, Broken, Record, append, first_broken, payload_of
from data.audit.entries import digest_of_sealed
from data.database import Database
from data.schema import AUDIT, AUDIT_PAYLOADS


def write(database: Database, count: int = 5) -> list[Record]:
    return [
        append(
            database, kind="answer", actor="test", body={"n": n}, payload={"customer_id": f"客{n}"}
        )
        for n in range(1, count + 1)
    ]


def tamper(database: Database, *statements: str) -> None:
    """What the owner of the database could do behind our back."""
    with database.writing() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def test_an_untouched_chain_is_whole(database: Database) -> None:
    assert first_broken(database) is None
    written = write(database)
    append(database, kind="book", actor="test", body={"no": "payload"})
    assert first_broken(database) is None
    assert [record.sequence for record in written] == [1, 2, 3, 4, 5]
    assert [record.previous for record in written] == [GENESIS, *(r.digest for r in written[:-1])]


def test_a_record_reads_back_as_it_was_written(database: Database) -> None:
    written = write(database, 3)[-1]
    with database.reading() as connection:
        kept = connection.execute(sa.select(AUDIT).where(AUDIT.c.sequence == 3)).one()
    assert Record(**kept._mapping) == written


def test_the_chain_holds_the_digest_of_a_payload_and_nothing_of_its_person(
    database: Database,
) -> None:
    record = write(database, 1)[0]
    with database.reading() as connection:
        row = connection.execute(sa.select(AUDIT_PAYLOADS)).one()
    assert payload_of(database, record.sequence) == {"customer_id": "客1"}
    stated = json.loads(record.body)["payload_sha256"]
    assert stated == digest_of_sealed(row.person, row.sealed)
    assert "客" not in record.body
    assert "客".encode() not in row.sealed
    assert row.payload is None


@pytest.mark.parametrize(
    "change,found",
    [
        ("UPDATE audit SET body = replace(body, '\"n\":3', '\"n\":4') WHERE sequence = 3", 3),
        ("UPDATE audit SET body = 'not json' WHERE sequence = 5", 5),
        ("UPDATE audit SET body = '[]' WHERE sequence = 1", 1),
        ("UPDATE audit SET actor = 'somebody else' WHERE sequence = 2", 2),
        ("UPDATE audit SET kind = 'book' WHERE sequence = 4", 4),
        ("UPDATE audit SET at = '2020-01-01 00:00:00' WHERE sequence = 4", 4),
        ("UPDATE audit SET digest = 'f' WHERE sequence = 5", 5),
        ("UPDATE audit SET previous = 'f' WHERE sequence = 3", 3),
        ("UPDATE audit SET position = 99 WHERE sequence = 3", 3),
        ("UPDATE audit SET form = 1 WHERE sequence = 2", 2),
        ("UPDATE audit_payloads SET payload = '{}', sealed = NULL WHERE sequence = 2", 2),
        ("UPDATE audit_payloads SET person = 'somebody else' WHERE sequence = 2", 2),
        ("DELETE FROM audit_payloads WHERE sequence = 4", 4),
    ],
)
def test_an_altered_record_is_found_where_it_stands(
    database: Database, change: str, found: int
) -> None:
    write(database)
    tamper(database, change)
    assert first_broken(database) == Broken(MAIN, found)


@pytest.mark.parametrize("gone", [1, 3])
def test_a_deleted_record_is_found_where_it_stood(database: Database, gone: int) -> None:
    write(database)
    tamper(
        database,
        f"DELETE FROM audit_payloads WHERE sequence = {gone}",
        f"DELETE FROM audit WHERE sequence = {gone}",
    )
    assert first_broken(database) == Broken(MAIN, gone)


def test_a_gap_closed_by_moving_the_rest_up_is_found(database: Database) -> None:
    append(database, kind="book", actor="test", body={"n": 1})
    append(database, kind="book", actor="test", body={"n": 2})
    append(database, kind="book", actor="test", body={"n": 3})
    tamper(
        database,
        "DELETE FROM audit WHERE sequence = 2",
        "UPDATE audit SET sequence = 2 WHERE sequence = 3",
    )
    assert first_broken(database) == Broken(MAIN, 2)


def test_two_records_that_changed_places_are_found_at_the_first(database: Database) -> None:
    for n in range(5):
        append(database, kind="book", actor="test", body={"n": n})
    move = "UPDATE audit SET sequence = {} WHERE sequence = {}"
    tamper(database, move.format(99, 2), move.format(2, 4), move.format(4, 99))
    assert first_broken(database) == Broken(MAIN, 2)


def test_a_payload_hung_on_a_record_that_had_none_is_found(database: Database) -> None:
    append(database, kind="book", actor="test", body={})
    tamper(database, "INSERT INTO audit_payloads (sequence, payload) VALUES (1, '{}')")
    assert first_broken(database) == Broken(MAIN, 1)


def test_a_forger_who_works_out_one_digest_anew_breaks_the_next_record(database: Database) -> None:
    written = write(database)
    with database.writing() as connection:
        connection.execute(sa.delete(AUDIT_PAYLOADS).where(AUDIT_PAYLOADS.c.sequence >= 3))
        connection.execute(sa.delete(AUDIT).where(AUDIT.c.sequence >= 3))
    append(database, kind="answer", actor="forger", body={"n": 3})
    with database.writing() as connection:
        connection.execute(sa.insert(AUDIT).values(**vars(written[3])))
    assert first_broken(database) == Broken(MAIN, 4)


def test_many_who_append_at_once_leave_no_gap_and_no_fork(database: Database) -> None:
    others = [Database(database.address) for _ in range(4)]  # as many processes would have

    def write_ten(other: Database) -> list[int]:
        return [append(other, kind="book", actor="test", body={}).sequence for _ in range(10)]

    with ThreadPoolExecutor(8) as pool:
        written = [n for numbers in pool.map(write_ten, [*others, *others]) for n in numbers]
    for other in others:
        other.engine.dispose()
    assert sorted(written) == list(range(1, 81))
    assert first_broken(database) is None
