"""Pairs of records that a person decides upon: the queue, and decisions that bind later runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import sqlalchemy as sa

from data import audit
from data.database import Database
from data.errors import IdentityError
from data.schema import IDENTITY_REVIEWS
from data.warehouse import Warehouse
from features.identity.numbers import proven_type
from features.identity.writing import identity_number

Verdict = Literal["same", "different"]
OPEN = "open"
BY_HAND = "decided without being asked"


@dataclass(frozen=True)
class Review:
    """Two records that may be one person, and why nobody but a person may say so."""

    record_a: str
    record_b: str
    probability: float
    reason: str


@dataclass(frozen=True)
class Decision:
    """What somebody decided about two records."""

    record_a: str
    record_b: str
    verdict: Verdict
    decided_by: str
    decided_at: datetime


def decisions(database: Database) -> list[Decision]:
    """All decisions, the oldest first."""
    table = IDENTITY_REVIEWS
    query = (
        sa.select(table)
        .where(table.c.state != OPEN)
        .order_by(table.c.decided_at, table.c.record_a, table.c.record_b)
    )
    with database.reading() as connection:
        return [
            Decision(row.record_a, row.record_b, row.state, row.decided_by, row.decided_at)
            for row in connection.execute(query)
        ]


def queue(database: Database) -> list[Review]:
    """The open pairs, the most probable first."""
    table = IDENTITY_REVIEWS
    query = (
        sa.select(table)
        .where(table.c.state == OPEN)
        .order_by(table.c.probability.desc(), table.c.record_a, table.c.record_b)
    )
    with database.reading() as connection:
        return [
            Review(row.record_a, row.record_b, row.probability, row.reason)
            for row in connection.execute(query)
        ]


def replace_queue(database: Database, reviews: Sequence[Review]) -> None:
    """Make these the open pairs; what is decided stays decided."""
    table, now = IDENTITY_REVIEWS, datetime.now(UTC)
    with database.writing() as connection:
        since = {
            (row.record_a, row.record_b): row.opened_at
            for row in connection.execute(sa.select(table).where(table.c.state == OPEN))
        }
        connection.execute(sa.delete(table).where(table.c.state == OPEN))
        decided = {
            (row.record_a, row.record_b)
            for row in connection.execute(sa.select(table.c.record_a, table.c.record_b))
        }
        rows = [
            vars(review) | {"state": OPEN, "opened_at": since.get(pair, now)}
            for review in reviews
            if (pair := (review.record_a, review.record_b)) not in decided
        ]
        if rows:
            connection.execute(sa.insert(table), rows)


def decide(
    warehouse: Warehouse, database: Database, one: str, other: str, verdict: Verdict, by: str
) -> Decision:
    """Settle whether two records are one person, from the next run on.

    Raises:
        IdentityError: a record is not known, the pair is no pair or decided otherwise, or both
            records have valid identity numbers that differ.
    """
    if not by.strip():
        raise IdentityError("a decision needs the name of who took it; give it with --by.")
    first, second = sorted((one, other))
    if first == second:
        raise IdentityError(f"{first} is one record; name two.")
    _check(warehouse, first, second, verdict)
    decision = Decision(first, second, verdict, by.strip(), datetime.now(UTC))
    if _keep(database, decision):
        audit.append(
            database,
            kind="identity_review",
            actor=decision.decided_by,
            body={"verdict": verdict},
            payload={"records": [first, second]},
        )
    return decision


def _check(warehouse: Warehouse, first: str, second: str, verdict: Verdict) -> None:
    told = sides(warehouse, [first, second])
    unknown = [record for record in (first, second) if record not in told]
    if unknown:
        raise IdentityError(
            f"there is no record {' and no record '.join(unknown)}. `./zhike features review`"
            " lists the pairs that are open."
        )
    proofs = [_proof(told[record]) for record in (first, second)]
    if verdict == "same" and None not in proofs and proofs[0] != proofs[1]:
        ours, theirs = proofs[0], proofs[1]
        if ours is not None and theirs is not None and ours[0] == theirs[0]:
            raise IdentityError(
                f"{first} and {second} have different valid identity numbers of one type; they"
                " cannot be one person. Correct the wrong number in its system and load it."
            )


def _proof(record: dict[str, Any]) -> tuple[str, str] | None:
    number = identity_number(record["identity_number"] or "")
    kind = proven_type(record["identity_type"], number) if number else None
    return (kind, number) if kind and number else None


def _keep(database: Database, decision: Decision) -> bool:
    """Store a decision; False when the very same stands already."""
    table = IDENTITY_REVIEWS
    pair = (table.c.record_a == decision.record_a) & (table.c.record_b == decision.record_b)
    values = {
        "state": decision.verdict,
        "decided_by": decision.decided_by,
        "decided_at": decision.decided_at,
    }
    with database.writing() as connection:
        found = connection.execute(sa.select(table).where(pair)).first()
        if found is None:
            ids = {"record_a": decision.record_a, "record_b": decision.record_b}
            asked = {"probability": 0.0, "reason": BY_HAND, "opened_at": decision.decided_at}
            connection.execute(sa.insert(table).values(ids | asked | values))
        elif found.state == OPEN:
            connection.execute(sa.update(table).where(pair).values(values))
        elif found.state != decision.verdict:
            raise IdentityError(
                f"{decision.record_a} and {decision.record_b} were decided '{found.state}' by"
                f" {found.decided_by} on {found.decided_at:%Y-%m-%d}; a decision is not reversed"
                " by another one."
            )
        else:
            return False
    return True


def sides(warehouse: Warehouse, records: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The newest version of each record that there is."""
    connection = warehouse.connect(resolved=False)
    rows = connection.execute(
        "SELECT * EXCLUDE (event_at, known_at) FROM customers WHERE list_contains(?, customer_id)"
        " QUALIFY row_number() OVER (PARTITION BY customer_id ORDER BY event_at DESC) = 1"
        " ORDER BY customer_id",
        [list(records)],
    )
    names = [column[0] for column in rows.description]
    found = [dict(zip(names, row, strict=True)) for row in rows.fetchall()]
    return {row["customer_id"]: row for row in found}
