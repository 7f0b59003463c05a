"""Persons who train and approve: each holds an Ed25519 key, the database knows its public half."""

import os
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from data.database import Database
from data.errors import Unauthorised
from data.schema import ACTORS
from data.settings import settings

NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")


@dataclass(frozen=True)
class Actor:
    """Somebody whose key is at hand here."""

    name: str
    key: Ed25519PrivateKey = field(repr=False)

    @property
    def public_key(self) -> str:
        """The public half, in hexadecimal."""
        return self.key.public_key().public_bytes_raw().hex()

    def sign(self, message: bytes) -> str:
        """The signature, in hexadecimal."""
        return self.key.sign(message).hex()


def key_file(name: str) -> Path:
    """Where an actor's private key is kept."""
    return settings().home / "actors" / f"{name}.pem"


def make_actor(database: Database, name: str) -> Path:
    """Make a key pair: the private half in a file that only its owner reads, the public registered.

    Raises:
        Unauthorised: the name cannot be used, or is taken.
    """
    if not NAME.fullmatch(name):
        raise Unauthorised(
            f"{name!r} cannot name an actor: small letters, digits and hyphens, at most 40."
        )
    path = key_file(name)
    if path.exists() or public_key(database, name):
        raise Unauthorised(f"there is an actor {name} already; a key is never replaced.")
    key = Ed25519PrivateKey.generate()
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(text)
    with database.writing() as connection:
        connection.execute(
            sa.insert(ACTORS).values(
                name=name,
                public_key=key.public_key().public_bytes_raw().hex(),
                created_at=datetime.now(UTC),
            )
        )
    return path


def actor(database: Database, name: str) -> Actor:
    """The actor whose private key is under the home.

    Raises:
        Unauthorised: there is no such key, others may read it, or it is not the registered one.
    """
    path = key_file(name) if NAME.fullmatch(name) else Path()
    if not path.is_file():
        raise Unauthorised(f"there is no key of {name!r} here; ./zhike training actor makes one.")
    if path.stat().st_mode & 0o077:
        raise Unauthorised(f"{path} may be read by others; chmod 600 it.")
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except ValueError:
        raise Unauthorised(f"{path} is no private key.") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise Unauthorised(f"{path} is no Ed25519 key.")
    found = Actor(name, key)
    if found.public_key != public_key(database, name):
        raise Unauthorised(f"{path} is not the key that is registered for {name}.")
    return found


def available(database: Database, name: str) -> Actor:
    """The actor of that name, or of the first numbered one like it that can be made here."""
    for number in range(1, 1_000):
        called = name if number == 1 else f"{name}-{number}"
        if not key_file(called).exists() and not public_key(database, called):
            make_actor(database, called)
        try:
            return actor(database, called)
        except Unauthorised:
            continue
    raise Unauthorised(f"no actor like {name} can be made here.")


def public_key(database: Database, name: str) -> str | None:
    """The registered public key in hexadecimal."""
    with database.reading() as connection:
        found: str | None = connection.scalar(
            sa.select(ACTORS.c.public_key).where(ACTORS.c.name == name)
        )
    return found


def registered(database: Database) -> dict[str, str]:
    """Name -> public key in hexadecimal, of every actor."""
    with database.reading() as connection:
        rows = connection.execute(sa.select(ACTORS.c.name, ACTORS.c.public_key)).all()
    return {row.name: row.public_key for row in rows}
