"""Sessions that were ended before their tokens expire."""

from datetime import UTC, datetime
from typing import Literal

import sqlalchemy as sa

from data import audit
from data.database import Database
from data.errors import ConfigurationError
from data.schema import REVOKED_SESSIONS

LONGEST = 200
Kind = Literal["token", "subject"]


def end(database: Database, kind: Kind, value: str, *, actor: str) -> None:
    """End the session of one token, by its ``jti``, or all sessions so far of a subject.

    Raises:
        ConfigurationError: nothing that a token could be called.
    """
    if not 0 < len(value) <= LONGEST or not value.isprintable():
        raise ConfigurationError(f"a {kind} has 1 to {LONGEST} printable characters.")
    which = (REVOKED_SESSIONS.c.kind == kind) & (REVOKED_SESSIONS.c.value == value)
    with database.writing() as connection:
        connection.execute(sa.delete(REVOKED_SESSIONS).where(which))
        connection.execute(
            sa.insert(REVOKED_SESSIONS).values(kind=kind, value=value, revoked_at=datetime.now(UTC))
        )
        audit.enter(connection, kind="session_revoked", actor=actor, body={"by": kind})


def ended(database: Database, token: str, subject: str, issued: float) -> bool:
    """Whether a session was ended: its token by name, or its subject's after it was issued."""
    asked = sa.select(REVOKED_SESSIONS).where(REVOKED_SESSIONS.c.value.in_([token, subject]))
    with database.reading() as connection:
        rows = connection.execute(asked).all()
    return any(
        (row.kind == "token" and row.value == token)
        or (row.kind == "subject" and row.value == subject and issued <= row.revoked_at.timestamp())
        for row in rows
    )
