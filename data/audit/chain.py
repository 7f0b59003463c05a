"""Records in chains: each bound by its digest to the one before, within a transaction."""

import hashlib
import json
import logging
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from sqlalchemy.engine import Connection, Dialect

from data.audit.entries import Entry, entry, refused, seal_all
from data.database import Database
from data.errors import Erased, NotReady, UnknownRecord
from data.schema import AUDIT, AUDIT_NUMBERS, AUDIT_PAYLOADS
from data.vault import Key, vault
from data.warehouse import canonical_json

GENESIS = "0" * 64
MAIN = "main"  # of the commands, which queue
FORM = 2  # how records are hashed; 1 had one chain and no place in it
SKEW = timedelta(seconds=5)
PATIENCE = 15  # seconds to wait for a record to be durable
_LAST = sa.select(sa.func.max(AUDIT.c.sequence))
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Record:
    """A record as it stands in its chain; ``sequence`` is its number among all records."""

    sequence: int
    at: datetime
    kind: str
    actor: str
    body: str
    previous: str
    digest: str
    chain: str = MAIN
    position: int = 0
    form: int = FORM


@dataclass(frozen=True)
class Head:
    """Where a chain ends."""

    position: int = 0
    digest: str = GENESIS
    at: datetime | None = None


def append(
    database: Database,
    *,
    kind: str,
    actor: str,
    body: Mapping[str, Any],
    payload: Any = None,
    person: str | None = None,
    purpose: str = "",
) -> Record:
    """Add a record, durable when this returns.

    Args:
        kind: what happened, such as answer, book or model_promoted.
        body: digests of what it stands on; no personal data.
        payload: the personal part, kept sealed beside the chain, which holds only its digest.
        person: whom the payload is about, if it is one person: it is erased with them.
        purpose: what for, if the act has one.

    Raises:
        NotReady: the database does not answer, or too much waits for it; nothing was recorded
            that an answer could stand on.
        Erased: the person was erased.
    """
    return settled(
        submit(
            database,
            kind=kind,
            actor=actor,
            body=body,
            payload=payload,
            person=person,
            purpose=purpose,
        )
    )


def settled(waiting: "Future[Record]") -> Record:
    """What was submitted, once it is durable.

    Raises:
        NotReady, Erased: as ``append``.
    """
    try:
        return waiting.result(PATIENCE)
    except Late:
        waiting.cancel()
        raise NotReady("the audit cannot be written now; try again soon.") from None


def submit(
    database: Database,
    *,
    kind: str,
    actor: str,
    body: Mapping[str, Any],
    payload: Any = None,
    person: str | None = None,
    purpose: str = "",
) -> "Future[Record]":
    """Like ``append``, without waiting; for coroutines through ``asyncio.wrap_future``.

    A process without a committer of its own has written when this returns.
    """
    wanted = entry(kind, actor, body, payload, person, purpose)
    if database.committer and database.committer.is_here:
        return database.committer.submit(wanted)
    with database.writing() as connection:
        written = write_main(connection, wanted)
    done: Future[Record] = Future()
    done.set_result(written)
    return done


def enter(
    connection: Connection,
    *,
    kind: str,
    actor: str,
    body: Mapping[str, Any],
    payload: Any = None,
    person: str | None = None,
    purpose: str = "",
) -> Record:
    """Add a record within a ``writing`` transaction: it stands if what else is done there does."""
    return write_main(connection, entry(kind, actor, body, payload, person, purpose))


def write_main(connection: Connection, wanted: Entry) -> Record:
    """Add an entry to the chain of the commands.

    Raises:
        Erased: the person was erased.
    """
    seal_all(vault(connection), connection, [wanted])
    if not wanted.written:
        raise refused(wanted)
    before = head(connection, MAIN)
    (record,) = write(connection, MAIN, before, [wanted], datetime.now(UTC))
    told_skew(before, record.at)
    return record


def head(connection: Connection, chain: str) -> Head:
    """Where a chain ends now."""
    asked = sa.select(AUDIT.c.position, AUDIT.c.digest, AUDIT.c.at).where(AUDIT.c.chain == chain)
    last = connection.execute(asked.order_by(AUDIT.c.position.desc()).limit(1)).first()
    return Head(last.position, last.digest, last.at) if last else Head()


def write(
    connection: Connection, chain: str, before: Head, entries: Sequence[Entry], at: datetime
) -> list[Record]:
    """Add sealed entries behind a chain's head."""
    made, previous = [], before.digest
    numbers = _numbers(connection, len(entries))
    moment = _moment(at)
    for position, (number, one) in enumerate(
        zip(numbers, entries, strict=True), before.position + 1
    ):
        bound = [chain, position, number, moment, one.kind, one.actor, one.written, previous]
        digest = _sha256(canonical_json(bound))
        made.append(
            Record(number, at, one.kind, one.actor, one.written, previous, digest, chain, position)
        )
        previous = digest
    process = AUDIT.c.at.type.dialect_impl(connection.dialect).bind_processor(connection.dialect)
    kept_at = process(at) if process else at
    _add(connection, AUDIT, [vars(record) | {"at": kept_at} for record in made])
    payloads = [
        {"sequence": number, "person": one.pseudonym, "sealed": one.sealed}
        for number, one in zip(numbers, entries, strict=True)
        if one.sealed is not None
    ]
    if payloads:
        _add(connection, AUDIT_PAYLOADS, payloads)
    return made


def _add(connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that all have the same columns; the driver gets them as they are.

    SQLAlchemy would look at every value of every row, which takes longer than writing it.
    """
    statement, places = _insertion(table, tuple(rows[0]), connection.dialect)
    if places is None:
        connection.exec_driver_sql(statement, list(rows))
    else:
        connection.exec_driver_sql(statement, [tuple(row[p] for p in places) for row in rows])


@cache
def _insertion(
    table: sa.Table, names: tuple[str, ...], dialect: Dialect
) -> tuple[str, tuple[str, ...] | None]:
    """The text of an insertion, and the order of its values if they have no names."""
    made = sa.insert(table).compile(dialect=dialect, column_keys=list(names))
    return str(made), tuple(made.positiontup) if made.positiontup else None


def _numbers(connection: Connection, count: int) -> list[int]:
    """Numbers that no record has: on SQLite nobody else writes, PostgreSQL counts for all."""
    if connection.dialect.name == "postgresql":
        series = sa.func.generate_series(1, count).table_valued("n")
        taken = sa.select(AUDIT_NUMBERS.next_value()).select_from(series)
        return sorted(connection.execute(taken).scalars())
    last = connection.execute(_LAST).scalar() or 0
    return list(range(last + 1, last + 1 + count))


def told_skew(before: Head, at: datetime) -> bool:
    """Whether the clock stepped back behind a chain's last record; told in the log if so."""
    if before.at is None or before.at - at <= SKEW:
        return False
    _log.warning(
        "the clock stands %.0f s before the last audit record; records keep their order by"
        " position, but their times do not: check the clock.",
        (before.at - at).total_seconds(),
    )
    return True


def digest_of(row: Any, previous: str) -> str:
    """The digest that a record must have behind the one with the digest ``previous``."""
    moment = _moment(row.at)
    if row.form == 1:
        return _sha256(
            canonical_json([row.sequence, moment, row.kind, row.actor, row.body, previous])
        )
    place = [row.chain, row.position, row.sequence]
    return _sha256(canonical_json([*place, moment, row.kind, row.actor, row.body, previous]))


def records(database: Database, kinds: Collection[str]) -> list[Record]:
    """The records of some kinds, in the order of their numbers."""
    asked = sa.select(AUDIT).where(AUDIT.c.kind.in_(kinds)).order_by(AUDIT.c.sequence)
    with database.reading() as connection:
        return [Record(**row._mapping) for row in connection.execute(asked)]


def record_of(database: Database, number: int) -> Record:
    """The record with a number.

    Raises:
        UnknownRecord: there is none.
    """
    with database.reading() as connection:
        row = connection.execute(sa.select(AUDIT).where(AUDIT.c.sequence == number)).first()
    if row is None:
        raise UnknownRecord(f"there is no audit record {number}.")
    return Record(**row._mapping)


def payload_of(database: Database, number: int) -> Any:
    """The payload of a record, opened; None where it has none.

    Raises:
        UnknownRecord: there is no such record.
        Erased: its person was erased.
        NotReady: it was tampered with.
        ConfigurationError: the master key is missing or another one.
    """
    record = record_of(database, number)
    asked = sa.select(AUDIT_PAYLOADS).where(AUDIT_PAYLOADS.c.sequence == number)
    with database.reading() as connection:
        row = connection.execute(asked).first()
        if row is not None and row.sealed is not None:
            key = vault(connection).key(connection, row.person)
            return json.loads(_opened(key, row.sealed, number))
    if row is not None:
        return json.loads(row.payload)
    if "payload_sha256" not in json.loads(record.body):
        return None
    if record.form == 1:  # never sealed, so an erasure removed it
        raise Erased(f"the payload of record {number} is erased.")
    raise NotReady(_tampered(number))


def _opened(key: Key, sealed: bytes, number: int) -> bytes:
    try:
        return key.open(sealed)
    except InvalidTag:
        raise NotReady(_tampered(number)) from None


def _tampered(number: int) -> str:
    return (
        f"the payload of record {number} is not what was sealed; ./zhike serving verify-audit"
        " tells what was altered."
    )


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
