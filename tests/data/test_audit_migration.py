"""What earlier code recorded, in one chain and with plain payloads, verifies and is erased."""

import json
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from data.audit import MAIN, Broken, append, first_broken, payload_of, record_of, verify
from data.database import MIGRATIONS, Database
from data.erasure import erase
from data.errors import Erased
from data.schema import AUDIT_PAYLOADS, metadata

GENESIS = "0" * 64
FIRST = "4cfade6707dc3b7ed580a2f66e26fe0ed0260eda61d8ba7a5d08b4a0aa381dd7"
SECOND = "98e254ac1100cc05d8d4c34ab7c60208e87ee69cd687ee31ce540d19edcd134d"
THIRD = "180fddd8e014788d1f2f63fc14309cfc6f581d93b9b2d7950a358a3e97a3f5b9"
BODIES = (
    '{"n":1,"payload_sha256":"9dd7ed1e1374f06d74f14fd52e047c27720c98742a783b630c2f1239653f91cd"}',
    '{"n":2}',
    '{"n":3,"payload_sha256":"afd424c2d9282f35bf8e598affc11c5a2ff69d14f2b08086d5637c502a067b41"}',
)
# As the code before this migration wrote them.
RECORDS = [
    (1, "2026-11-28 23:01:22.914077", "answer", BODIES[0], GENESIS, FIRST),
    (2, "2026-11-28 23:01:22.920537", "book", BODIES[1], FIRST, SECOND),
    (3, "2026-11-28 23:01:22.924553", "answer", BODIES[2], SECOND, THIRD),
]
PAYLOADS = [
    (1, '{"customer_id":"C1","secret":"MARKER-7f3a"}'),
    (3, '{"customer_id":"C10","secret":"客"}'),
]


@pytest.fixture
def earlier(database: Database, home: Path) -> Database:
    """A database as earlier code left it, migrated since."""
    with database.writing() as connection:
        metadata.drop_all(connection)
        connection.exec_driver_sql("DROP TABLE alembic_version")
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0005")
        _write(connection)
    database.migrate()
    return database


def _write(connection: sa.Connection) -> None:
    zone = "+00" if connection.dialect.name == "postgresql" else ""
    record = sa.text("INSERT INTO audit VALUES (:n, :at, :kind, 'ann', :body, :previous, :digest)")
    payload = sa.text("INSERT INTO audit_payloads VALUES (:n, :payload)")
    names = ("n", "at", "kind", "body", "previous", "digest")
    for row in RECORDS:
        told = dict(zip(names, row, strict=True))
        connection.execute(record, told | {"at": f"{told['at']}{zone}"})
    for number, text in PAYLOADS:
        connection.execute(payload, {"n": number, "payload": text})


def test_records_of_earlier_code_verify_and_the_chain_goes_on(earlier: Database) -> None:
    assert first_broken(earlier) is None
    assert payload_of(earlier, 3) == {"customer_id": "C10", "secret": "客"}
    after = append(earlier, kind="answer", actor="t", body={}, payload={"n": 4})
    assert (after.chain, after.position, after.sequence) == (MAIN, 4, 4)
    assert (after.previous, record_of(earlier, 3).form, after.form) == (THIRD, 1, 2)
    assert (verify(earlier).faults, verify(earlier).records) == ([], 4)


@pytest.mark.parametrize(
    "change,found",
    [
        ("UPDATE audit SET body = '{\"n\":4}' WHERE sequence = 2", 2),
        ("UPDATE audit_payloads SET payload = '{}' WHERE sequence = 3", 3),
        ("UPDATE audit SET form = 2 WHERE sequence = 3", 3),
        ("DELETE FROM audit_payloads WHERE sequence = 1", 1),
    ],
)
def test_an_altered_record_of_earlier_code_is_found(
    earlier: Database, change: str, found: int
) -> None:
    with earlier.writing() as connection:
        connection.exec_driver_sql(change)
    assert first_broken(earlier) == Broken(MAIN, found)


def test_what_earlier_code_left_unsealed_is_removed_by_an_erasure(earlier: Database) -> None:
    told = erase(earlier, "C1", actor="t", basis="request")
    assert json.loads(told.body)["removed"] == [1]
    with earlier.reading() as connection:
        left = connection.execute(sa.select(AUDIT_PAYLOADS.c.sequence)).scalars().all()
    assert list(left) == [3]  # C10 is somebody else
    with pytest.raises(Erased):
        payload_of(earlier, 1)
    assert verify(earlier).faults == []
