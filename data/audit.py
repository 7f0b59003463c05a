"""The audit chain: what was answered, on what grounds, each record bound to the one before."""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from data.database import Database
from data.schema import AUDIT, AUDIT_PAYLOADS
from data.warehouse import canonical_json

GENESIS = "0" * 64


@dataclass(frozen=True)
class Record:
    """A record as it stands in the chain."""

    sequence: int
    at: datetime
    kind: str
    actor: str
    body: str
    previous: str
    digest: str


def append(
    database: Database, *, kind: str, actor: str, body: Mapping[str, Any], payload: Any = None
) -> Record:
    """Add a record, durable when this returns.

    Args:
        kind: what happened, such as answer, book or model_promoted.
        body: digests of what it stands on; no personal data.
        payload: the personal part, kept beside the chain, which holds only its digest.
    """
    with database.writing() as connection:
        return enter(connection, kind=kind, actor=actor, body=body, payload=payload)


def enter(
    connection: Connection, *, kind: str, actor: str, body: Mapping[str, Any], payload: Any = None
) -> Record:
    """Add a record within a ``writing`` transaction: it stands if what else is done there does."""
    text = canonical_json(payload) if payload is not None else None
    facts = dict(body) | ({"payload_sha256": _sha256(text)} if text is not None else {})
    last = connection.execute(
        sa.select(AUDIT.c.sequence, AUDIT.c.digest).order_by(AUDIT.c.sequence.desc()).limit(1)
    ).first()
    sequence, previous = (last.sequence + 1, last.digest) if last else (1, GENESIS)
    at = datetime.now(UTC)
    written = canonical_json(facts)
    digest = _digest(sequence, at, kind, actor, written, previous)
    record = Record(sequence, at, kind, actor, written, previous, digest)
    connection.execute(sa.insert(AUDIT).values(**vars(record)))
    if text is not None:
        connection.execute(sa.insert(AUDIT_PAYLOADS).values(sequence=sequence, payload=text))
    return record


def records(database: Database, kinds: Collection[str]) -> list[Record]:
    """The records of some kinds, oldest first."""
    asked = sa.select(AUDIT).where(AUDIT.c.kind.in_(kinds)).order_by(AUDIT.c.sequence)
    with database.reading() as connection:
        return [Record(**row._mapping) for row in connection.execute(asked)]


def first_broken(database: Database) -> int | None:
    """Sequence of the first record that is altered, missing or out of order; None if none is."""
    rows = sa.select(AUDIT, AUDIT_PAYLOADS.c.payload).outerjoin(AUDIT_PAYLOADS)
    expected, previous = 1, GENESIS
    with database.reading() as connection:
        for row in connection.execute(rows.order_by(AUDIT.c.sequence)):
            fields = (row.sequence, row.at, row.kind, row.actor, row.body, previous)
            if (row.sequence, row.previous, row.digest) != (expected, previous, _digest(*fields)):
                return expected
            kept = _sha256(row.payload) if row.payload is not None else None
            if json.loads(row.body).get("payload_sha256") != kept:
                return expected
            expected, previous = expected + 1, row.digest
    return None


def _digest(sequence: int, at: datetime, kind: str, actor: str, body: str, previous: str) -> str:
    moment = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return _sha256(canonical_json([sequence, moment, kind, actor, body, previous]))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
