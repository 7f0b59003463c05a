"""Erase what is recorded of a person: their key is destroyed, the audit chains stay whole."""

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from data import audit
from data.database import Database
from data.schema import AUDIT_PAYLOADS, PERSON_KEYS
from data.vault import vault
from data.warehouse import canonical_json


def erase(database: Database, person: str, *, actor: str, basis: str) -> audit.Record:
    """Destroy a person's key, and refuse to know them from now on; an audited act.

    Payloads from before there was a vault, which no key seals, are removed, and the record of the
    erasure names them. Other processes may use a key that they have at hand for a minute more:
    what they seal with it can never be opened.

    Args:
        basis: why, such as the law or the request; no personal data.

    Raises:
        NotReady: the database does not answer.
    """
    with database.writing() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA secure_delete=ON")
        kept = vault(connection)
        pseudonym = kept.pseudonym(person)
        _destroy(connection, pseudonym)
        removed = _remove_unsealed(connection, person)
        body = {"person": pseudonym, "basis": basis, "removed": removed}
        record = audit.enter(connection, kind="erasure", actor=actor, body=body)
    kept.forget(pseudonym)
    if database.engine.dialect.name == "sqlite":
        _overwrite_log(database)
    return record


def _destroy(connection: Connection, pseudonym: str) -> None:
    now = datetime.now(UTC)
    gone = sa.update(PERSON_KEYS).where(PERSON_KEYS.c.person == pseudonym)
    done = connection.execute(gone.values(wrapped=None, erased_at=now))
    if not done.rowcount:
        row = {"person": pseudonym, "created_at": now, "erased_at": now}
        connection.execute(sa.insert(PERSON_KEYS).values(row))


def _remove_unsealed(connection: Connection, person: str) -> list[int]:
    named = canonical_json({"customer_id": person})[1:-1]
    theirs = AUDIT_PAYLOADS.c.payload.contains(named, autoescape=True)
    numbers = sorted(
        connection.execute(sa.select(AUDIT_PAYLOADS.c.sequence).where(theirs)).scalars()
    )
    connection.execute(sa.delete(AUDIT_PAYLOADS).where(AUDIT_PAYLOADS.c.sequence.in_(numbers)))
    return list(numbers)


def _overwrite_log(database: Database) -> None:
    """SQLite: what its log still holds of the key goes into the file, and the log is emptied."""
    raw = database.engine.raw_connection()
    try:
        raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        raw.close()
