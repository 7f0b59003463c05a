"""Do what a request asks once, however often it is sent: the effect and its answer stand together."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from data.database import Database
from data.errors import IdempotencyMismatch
from data.schema import IDEMPOTENT_ANSWERS
from data.warehouse import canonical_json

KEPT_FOR = timedelta(hours=24)
_HELD = (IDEMPOTENT_ANSWERS.c.client, IDEMPOTENT_ANSWERS.c.route, IDEMPOTENT_ANSWERS.c.key)


@dataclass(frozen=True)
class Request:
    """Who asks what; without a key it is done as often as it is sent."""

    client: str
    route: str
    key: str | None
    asked: Any

    @property
    def sha256(self) -> str:
        """Digest of what is asked, as read: blanks and order of names do not matter."""
        return hashlib.sha256(canonical_json(self.asked).encode()).hexdigest()


@dataclass(frozen=True)
class Done:
    """An HTTP status and an answer; it holds identifiers, and no personal data."""

    status: int
    answer: dict[str, Any]
    replayed: bool = False


Effect = Callable[[Connection], Done]


def once(database: Database, request: Request, effect: Effect) -> Done:
    """What ``effect`` did for this key, now or before; an effect that raises leaves nothing.

    All is one ``writing`` transaction: of requests with one key that come together the first has
    the effect and the others wait for its answer, and a crash leaves both or neither.

    Raises:
        IdempotencyMismatch: the key came in the last 24 hours with another request.
    """
    with database.writing() as connection:
        if request.key is None:
            return effect(connection)
        _forget(connection)
        if before := _before(connection, request):
            return before
        done = effect(connection)
        kept = {
            "client": request.client,
            "route": request.route,
            "key": request.key,
            "asked_sha256": request.sha256,
            "status": done.status,
            "answer": done.answer,
            "created_at": datetime.now(UTC),
        }
        connection.execute(sa.insert(IDEMPOTENT_ANSWERS).values(kept))
        return done


def _forget(connection: Connection) -> None:
    old = IDEMPOTENT_ANSWERS.c.created_at < datetime.now(UTC) - KEPT_FOR
    connection.execute(sa.delete(IDEMPOTENT_ANSWERS).where(old))


def _before(connection: Connection, request: Request) -> Done | None:
    wanted = (request.client, request.route, request.key)
    theirs = [column == value for column, value in zip(_HELD, wanted, strict=True)]
    row = connection.execute(sa.select(IDEMPOTENT_ANSWERS).where(*theirs)).first()
    if row is None:
        return None
    if row.asked_sha256 != request.sha256:
        raise IdempotencyMismatch(
            "this Idempotency-Key came before with another request; send a new key."
        )
    return Done(row.status, row.answer, replayed=True)
