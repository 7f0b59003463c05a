"""API keys: made by a command, kept as digests, good until they expire."""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from data.database import Database
from data.errors import ConfigurationError, Unauthorised
from data.schema import API_KEYS

PREFIX = "zhike"
LONGEST_NAME = 100
_KEY = re.compile(PREFIX + r"\.([0-9a-f]{16})\.([\w-]{43})", re.ASCII)
_REFUSAL = "no valid API key: send 'Authorization: Bearer KEY'; ./zhike serving key makes one."


@dataclass(frozen=True)
class Caller:
    """Whoever holds a valid key."""

    key_id: str
    name: str


def make_key(database: Database, name: str, days: int = 90) -> str:
    """Make a key and return it, for the only time; the database keeps its digest.

    Raises:
        ConfigurationError: a name that no record could show.
    """
    if not name.strip() or not name.isprintable() or len(name) > LONGEST_NAME:
        raise ConfigurationError(
            f"a key's name has 1 to {LONGEST_NAME} printable characters; say who will hold it."
        )
    key_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    now = datetime.now(UTC)
    with database.writing() as connection:
        connection.execute(
            sa.insert(API_KEYS).values(
                key_id=key_id,
                name=name,
                secret_sha256=_sha256(secret),
                created_at=now,
                expires_at=now + timedelta(days),
            )
        )
    return f"{PREFIX}.{key_id}.{secret}"


def caller(database: Database, authorization: str | None) -> Caller:
    """Who sends this Authorization header.

    Raises:
        Unauthorised: no key, a malformed, unknown or expired one; always the same words.
    """
    scheme, _, key = (authorization or "").partition(" ")
    parts = _KEY.fullmatch(key)
    if scheme.lower() != "bearer" or not parts:
        raise Unauthorised(_REFUSAL)
    with database.reading() as connection:
        row = connection.execute(sa.select(API_KEYS).where(API_KEYS.c.key_id == parts[1])).first()
    kept = row.secret_sha256 if row else _sha256("")
    right = hmac.compare_digest(kept, _sha256(parts[2]))
    if not row or not right or row.expires_at <= datetime.now(UTC):
        raise Unauthorised(_REFUSAL)
    return Caller(row.key_id, row.name)


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
