"""What the bank learns of a customer between two loads: consent, opt-out, and what no table tells."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from data import audit
from data.database import Database
from data.errors import ListError, UnknownCustomer
from data.schema import CUSTOMER_NOTICES
from data.warehouse import Warehouse
from serving.lists.reasons import NOTICES

_MICROSECONDS = 1_000_000


@dataclass(frozen=True)
class Notice:
    """That a reason to leave a customer out holds from a moment on, or holds no more."""

    customer_id: str
    kind: str
    holds: bool
    at: datetime


def take(database: Database, warehouse: Warehouse, given: Sequence[Notice], *, actor: str) -> int:
    """Take notices, durable when this returns; those that stand already are not taken twice.

    Customers may be named as the book knows them or by a source record.

    Returns:
        How many were new.

    Raises:
        UnknownCustomer: nobody has the identifier.
        ListError: a kind that there is not.
    """
    if odd := sorted({one.kind for one in given} - set(NOTICES)):
        raise ListError(f"no such notice: {', '.join(odd)}; there are {', '.join(NOTICES)}.")
    owners = _owners(warehouse, [one.customer_id for one in given])
    now = datetime.now(UTC)
    with database.writing() as connection:
        new = [one for one in given if not _stands(connection, owners[one.customer_id], one)]
        for one in new:
            row = vars(one) | {"customer_id": owners[one.customer_id]}
            connection.execute(
                sa.insert(CUSTOMER_NOTICES).values(**row, actor=actor, received_at=now)
            )
        if new:
            counts = {k: sum(one.kind == k for one in new) for k in {one.kind for one in new}}
            audit.enter(connection, kind="customer_notices", actor=actor, body=counts)
    return len(new)


def enter(connection: Connection, one: Notice, *, actor: str) -> None:
    """Take a notice about a person within a ``writing`` transaction, unless it stands."""
    if not _stands(connection, one.customer_id, one):
        about = {"actor": actor, "received_at": datetime.now(UTC)}
        connection.execute(sa.insert(CUSTOMER_NOTICES).values(**vars(one), **about))


def _stands(connection: Connection, person: str, one: Notice) -> bool:
    c = CUSTOMER_NOTICES.c
    same = (c.customer_id == person) & (c.kind == one.kind) & (c.at == one.at)
    asked = sa.select(sa.func.count()).where(same & (c.holds == one.holds))
    return bool(connection.execute(asked).scalar())


def kept(connection: Connection) -> pd.DataFrame:
    """Every notice: customer_id, kind, holds, and moment in microseconds of the epoch."""
    c = CUSTOMER_NOTICES.c
    rows = connection.execute(sa.select(c.customer_id, c.kind, c.holds, c.at)).all()
    told: dict[str, Any] = {
        "customer_id": pd.Series([row.customer_id for row in rows], dtype="string"),
        "kind": pd.Series([row.kind for row in rows], dtype="string"),
        "holds": pd.Series([row.holds for row in rows], dtype="bool"),
        "moment": pd.Series([microseconds(row.at) for row in rows], dtype="int64"),
    }
    return pd.DataFrame(told)


def microseconds(moment: datetime) -> int:
    """A moment as whole microseconds of the epoch."""
    apart = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (apart.days * 86_400 + apart.seconds) * _MICROSECONDS + apart.microseconds


def person(warehouse: Warehouse, named: str) -> str:
    """The person whom an identifier or a source record names.

    Raises:
        UnknownCustomer: nobody.
    """
    return _owners(warehouse, [named])[named]


def _owners(warehouse: Warehouse, named: Sequence[str]) -> dict[str, str]:
    """Identifier of a person or record -> the person's."""
    asked = pd.DataFrame({"named": pd.Series(sorted(set(named)), dtype="string")})
    owners = "owners" if "crosswalk" in warehouse.manifest.tables else (
        "(SELECT DISTINCT customer_id AS record_id, customer_id FROM customers)"
    )  # fmt: skip
    found = warehouse.frame(
        f"""SELECT n.named, coalesce(any_value(o.customer_id), any_value(p.customer_id)) AS person
        FROM asked n LEFT JOIN {owners} o ON o.record_id = n.named
        LEFT JOIN customers p ON p.customer_id = n.named GROUP BY 1""",
        asked=asked,
    )
    people = {str(n): p for n, p in found.itertuples(index=False, name=None)}
    if unknown := [name for name in named if pd.isna(people.get(name))]:
        raise UnknownCustomer(
            f"{len(unknown)} of {len(named)} identifiers name nobody; check the identifiers."
        )
    return {name: str(person) for name, person in people.items()}
