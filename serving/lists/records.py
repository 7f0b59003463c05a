"""The lists there are: their rows in the database, and who is in those that are sealed."""

import json
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from data.database import Database
from data.errors import ListError
from data.schema import LISTS
from serving.book.standing import texts
from serving.lists.counts import Counts, of_json
from serving.lists.folder import Folder
from serving.lists.placing import Power
from serving.lists.request import ListRequest

STATES = ("draft", "sealed", "exported", "returned", "closed")
OPEN = ("sealed", "exported", "returned")


@dataclass(frozen=True)
class MadeList:
    """A list as it stands.

    Attributes:
        digest: of the draft, or of the seal once there is one.
        unchecked: codes of reasons that nothing delivered can tell.
    """

    list_id: str
    state: str
    request: ListRequest
    book: str
    policy_version: int
    digest: str
    counts: Counts
    power: Power
    unchecked: tuple[str, ...]
    incremental: tuple[str, ...]

    @property
    def folder(self) -> Folder:
        """Where its files are."""
        return Folder(self.list_id)


def find(database: Database, list_id: str) -> MadeList:
    """A list as it stands.

    Raises:
        ListError: there is none.
    """
    if made := look_up(database, list_id):
        return made
    raise ListError(f"there is no list {list_id}; ./zhike serving list show names those there are.")


def all_lists(database: Database) -> list[MadeList]:
    """Every list, the newest first."""
    with database.reading() as connection:
        rows = connection.execute(sa.select(LISTS).order_by(LISTS.c.made_at.desc())).all()
    return [as_made(row) for row in rows]


def look_up(database: Database, list_id: str) -> MadeList | None:
    """A list as it stands, if there is one."""
    with database.reading() as connection:
        row = connection.execute(sa.select(LISTS).where(LISTS.c.list_id == list_id)).first()
    return as_made(row) if row is not None else None


def locked(connection: Connection, list_id: str) -> sa.Row[Any]:
    """A list's row within a ``writing`` transaction.

    Raises:
        ListError: there is none.
    """
    row = connection.execute(sa.select(LISTS).where(LISTS.c.list_id == list_id)).first()
    if row is None:
        raise ListError(f"there is no list {list_id}; ./zhike serving list show names them.")
    return row


def move(connection: Connection, list_id: str, state: str) -> None:
    """Put a list into a state."""
    connection.execute(sa.update(LISTS).where(LISTS.c.list_id == list_id).values(state=state))


def members(connection: Connection) -> list[str]:
    """Customers listed or control in lists that are sealed and not closed."""
    asked = sa.select(LISTS.c.list_id, LISTS.c.digest).where(LISTS.c.state.in_(OPEN))
    names: list[str] = []
    for row in connection.execute(asked.order_by(LISTS.c.list_id)):
        names += texts(Folder(row.list_id).members(row.digest, ["customer_id"])["customer_id"])
    return names


def read(row: sa.Row[Any]) -> ListRequest:
    """The request of a list's row."""
    return ListRequest.model_validate_json(json.dumps(row.request))


def as_made(row: sa.Row[Any]) -> MadeList:
    """A list's row as it stands."""
    told = row.counts
    return MadeList(
        list_id=row.list_id,
        state=row.state,
        request=read(row),
        book=row.book,
        policy_version=row.policy_version,
        digest=row.digest,
        counts=of_json(told["counts"]),
        power=Power(**told["power"]),
        unchecked=tuple(told["unchecked"]),
        incremental=tuple(told["incremental"]),
    )
