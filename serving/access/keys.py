"""API keys: made by a command, kept as digests, good until they expire or are revoked."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from data import audit
from data.database import Database
from data.errors import ConfigurationError, Unauthorised
from data.schema import API_KEYS
from serving.access.roles import Caller, Role
from serving.access.rules import BOUND

PREFIX = "zhike"
LONGEST_NAME = 100
REFUSAL = (
    "no valid API key or token: send 'Authorization: Bearer KEY'; ./zhike serving key makes one."
)
_KEY = re.compile(PREFIX + r"\.([0-9a-f]{16})\.([\w-]{43})", re.ASCII)


@dataclass(frozen=True)
class Verified:
    """A caller, and until when what they showed is good."""

    caller: Caller
    until: datetime


@dataclass(frozen=True)
class Key:
    """A key as it is kept, without its secret."""

    key_id: str
    name: str
    client: str
    roles: tuple[str, ...]
    scopes: tuple[str, ...]
    employee: str
    expires_at: datetime
    revoked_at: datetime | None
    replaced_by: str | None

    @property
    def state(self) -> str:
        """Whether it counts."""
        if self.revoked_at:
            return "revoked"
        return "good" if self.expires_at > datetime.now(UTC) else "expired"


def make_key(
    database: Database,
    name: str,
    days: int = 90,
    *,
    roles: Collection[Role] = (Role.SYSTEM,),
    scopes: Collection[str] = (),
    client: str = "",
    employee: str = "",
    actor: str = "",
) -> str:
    """Make a key and return it, for the only time; the database keeps its digest.

    Args:
        scopes: routes and questions that the key is cut down to; none cuts nothing.
        client: whom its requests count for; the name by default.
        actor: who made it; then the audit log says so.

    Raises:
        ConfigurationError: a name that no record could show, or a manager who is not named.
    """
    for given in (name, client or name):
        if not given.strip() or not given.isprintable() or len(given) > LONGEST_NAME:
            raise ConfigurationError(
                f"a key's name has 1 to {LONGEST_NAME} printable characters; say who will hold it."
            )
    if set(roles) & BOUND and not employee:
        raise ConfigurationError(
            "a relationship manager's key says whose customers it is for; give --employee."
        )
    about = {
        "name": name,
        "roles": sorted(roles),
        "scopes": sorted(scopes),
        "client": client or name,
        "employee": employee,
    }
    with database.writing() as connection:
        key_id, key = _new(connection, about, datetime.now(UTC) + timedelta(days))
        _entered(connection, actor, "key_made", key_id, roles=about["roles"])
    return key


def rotate(database: Database, key_id: str, grace: timedelta, *, actor: str = "") -> str:
    """Make a key like another, which lives on until the grace ends; returns the new one.

    Raises:
        ConfigurationError: the key does not count any more, or has its successor.
    """
    now = datetime.now(UTC)
    with database.writing() as connection:
        old = _kept(connection, key_id)
        if old.revoked_at or old.expires_at <= now or old.replaced_by:
            raise ConfigurationError(
                f"key {key_id} is revoked, expired or replaced; make another with"
                " ./zhike serving key NAME."
            )
        lived = old.expires_at - old.created_at
        about = {n: getattr(old, n) for n in ("name", "roles", "scopes", "client", "employee")}
        new_id, key = _new(connection, about, now + lived)
        _set(connection, key_id, replaced_by=new_id, expires_at=min(old.expires_at, now + grace))
        _entered(connection, actor, "key_rotated", key_id, successor=new_id)
    return key


def revoke(database: Database, key_id: str, *, actor: str = "") -> None:
    """Have a key count no more; every worker knows within half a minute.

    Raises:
        ConfigurationError: there is no such key.
    """
    with database.writing() as connection:
        if not _kept(connection, key_id).revoked_at:
            _set(connection, key_id, revoked_at=datetime.now(UTC))
            _entered(connection, actor, "key_revoked", key_id)


def all_keys(database: Database) -> list[Key]:
    """Every key, the newest first; no secrets."""
    asked = sa.select(API_KEYS).order_by(API_KEYS.c.created_at.desc(), API_KEYS.c.key_id)
    with database.reading() as connection:
        rows = connection.execute(asked).all()
    return [
        Key(
            row.key_id,
            row.name,
            row.client,
            tuple(row.roles),
            tuple(row.scopes),
            row.employee,
            row.expires_at,
            row.revoked_at,
            row.replaced_by,
        )
        for row in rows
    ]


def parts_of(credentials: str) -> tuple[str, str] | None:
    """Id and secret of what has the form of a key."""
    found = _KEY.fullmatch(credentials)
    return (found[1], found[2]) if found else None


def verified(database: Database, key_id: str, secret: str) -> Verified:
    """Who holds a key. It takes as long, and says the same, whatever is wrong with it.

    Raises:
        Unauthorised: an unknown, wrong, expired or revoked key.
    """
    with database.reading() as connection:
        row = connection.execute(sa.select(API_KEYS).where(API_KEYS.c.key_id == key_id)).first()
    right = hmac.compare_digest(row.secret_sha256 if row else _sha256(""), _sha256(secret))
    if not row or not right or row.revoked_at or row.expires_at <= datetime.now(UTC):
        raise Unauthorised(REFUSAL)
    known = {role.value for role in Role}
    caller = Caller(
        key_id=row.key_id,
        name=row.name,
        roles=frozenset(Role(name) for name in row.roles if name in known),
        client=row.client,
        scopes=frozenset(row.scopes),
        employee=row.employee,
    )
    return Verified(caller, row.expires_at)


def _new(connection: Connection, about: dict[str, Any], expires_at: datetime) -> tuple[str, str]:
    key_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    connection.execute(
        sa.insert(API_KEYS).values(
            key_id=key_id,
            secret_sha256=_sha256(secret),
            created_at=datetime.now(UTC),
            expires_at=expires_at,
            **about,
        )
    )
    return key_id, f"{PREFIX}.{key_id}.{secret}"


def _kept(connection: Connection, key_id: str) -> sa.Row[Any]:
    row = connection.execute(sa.select(API_KEYS).where(API_KEYS.c.key_id == key_id)).first()
    if row is None:
        raise ConfigurationError(f"there is no key {key_id}; ./zhike serving key list shows all.")
    return row


def _set(connection: Connection, key_id: str, **values: Any) -> None:
    connection.execute(sa.update(API_KEYS).where(API_KEYS.c.key_id == key_id).values(values))


def _entered(connection: Connection, actor: str, kind: str, key_id: str, **more: Any) -> None:
    if actor:
        audit.enter(connection, kind=kind, actor=actor, body={"key": key_id, **more})


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
