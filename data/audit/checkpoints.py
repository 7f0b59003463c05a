"""Signed statements of where every chain ends, each bound to the one before; also in a file.

A checkpoint names the heads that are new since the one before; every thousandth names all. The
signing key and the file lie outside the database: who rules the database alone can change neither.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import IO, Any

import sqlalchemy as sa
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from sqlalchemy.engine import Connection

from data.audit.chain import GENESIS
from data.database import Database
from data.errors import ConfigurationError
from data.schema import AUDIT, AUDIT_CHECKPOINTS
from data.settings import settings
from data.vault import new_secret
from data.warehouse import canonical_json

WHOLE = 1_000  # a checkpoint in so many names all heads
Place = tuple[int, str]  # position and digest of a chain's head


@dataclass(frozen=True)
class Checkpoint:
    """A signed statement; ``digest`` is of its text, for paper or a medium written once."""

    number: int
    statement: str
    signature: str
    key: str

    @property
    def digest(self) -> str:
        """SHA-256 of the statement."""
        return hashlib.sha256(self.statement.encode()).hexdigest()

    @property
    def told(self) -> dict[str, Any]:
        """What it states: number, at, previous, whole, heads."""
        found: dict[str, Any] = json.loads(self.statement)
        return found

    @property
    def heads(self) -> dict[str, Place]:
        """Chain -> head, of the chains that it names."""
        return {chain: (place[0], place[1]) for chain, place in self.told["heads"].items()}

    def signed(self, trusted: frozenset[str]) -> bool:
        """Whether a trusted key signed it."""
        if self.key not in trusted:
            return False
        try:
            public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.key))
            public.verify(bytes.fromhex(self.signature), self.statement.encode())
        except (InvalidSignature, ValueError):
            return False
        return True


def checkpoint(database: Database) -> Checkpoint:
    """State and sign where every chain ends now; in the database and in the file, durable.

    Raises:
        NotReady: the database does not answer.
        ConfigurationError: the signing key cannot be used.
        OSError: the file cannot be written.
    """
    key = _signing_key()
    with database.writing() as connection:
        before = _newest(connection)
        number = before.number + 1 if before else 1
        whole = number % WHOLE == 1
        known = {} if whole else covered(connection)
        statement = canonical_json(
            {
                "number": number,
                "at": datetime.now(UTC).isoformat(),
                "previous": before.digest if before else GENESIS,
                "whole": whole,
                "heads": {c: p for c, p in heads(connection).items() if known.get(c) != p},
            }
        )
        public = key.public_key().public_bytes_raw().hex()
        made = Checkpoint(number, statement, key.sign(statement.encode()).hex(), public)
        connection.execute(sa.insert(AUDIT_CHECKPOINTS).values(**vars(made)))
    _copy(database)
    return made


def checkpoints(connection: Connection, after: int = 0) -> Iterator[Checkpoint]:
    """Those with higher numbers than ``after``, in order."""
    page = sa.select(AUDIT_CHECKPOINTS).order_by(AUDIT_CHECKPOINTS.c.number).limit(100)
    while rows := connection.execute(page.where(AUDIT_CHECKPOINTS.c.number > after)).all():
        yield from (Checkpoint(**row._mapping) for row in rows)
        after = rows[-1].number


def copied(path: Path, size: int) -> Iterator[Checkpoint]:
    """Those in the first bytes of the file, in order; a last line that broke off is none.

    Raises:
        ValueError, TypeError: a line is no checkpoint.
    """
    if not size:
        return
    with path.open("rb") as file:
        for line in file:
            if file.tell() > size or not line.endswith(b"\n"):
                return
            yield Checkpoint(**json.loads(line))


def covered(connection: Connection) -> dict[str, Place]:
    """Chain -> the head that the checkpoints know, since the last that names all."""
    newest = _newest(connection)
    if newest is None:
        return {}
    start = (newest.number - 1) // WHOLE * WHOLE
    return {c: p for one in checkpoints(connection, start) for c, p in one.heads.items()}


def heads(connection: Connection) -> dict[str, Place]:
    """Chain -> where it ends; jumps from chain to chain, however long they are."""
    found: dict[str, Place] = {}
    names = sa.select(sa.func.min(AUDIT.c.chain))
    last = sa.select(AUDIT.c.position, AUDIT.c.digest).order_by(AUDIT.c.position.desc()).limit(1)
    chain = connection.execute(names).scalar()
    while chain is not None:
        row = connection.execute(last.where(AUDIT.c.chain == chain)).one()
        found[chain] = (row.position, row.digest)
        chain = connection.execute(names.where(AUDIT.c.chain > chain)).scalar()
    return found


def trusted_keys() -> frozenset[str]:
    """Public keys whose signatures count, in hexadecimal: the lines of ``keys/audit.pub``."""
    path = _key_file().with_suffix(".pub")
    return frozenset(path.read_text().split()) if path.exists() else frozenset()


def _newest(connection: Connection) -> Checkpoint | None:
    asked = sa.select(AUDIT_CHECKPOINTS).order_by(AUDIT_CHECKPOINTS.c.number.desc()).limit(1)
    row = connection.execute(asked).first()
    return Checkpoint(**row._mapping) if row else None


def _copy(database: Database) -> None:
    """Bring the file up to date; also with what another process or machine has stated."""
    path = settings().checkpoints_file
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        flock(file, LOCK_EX)
        last = _last_number(file, path)
        with database.reading() as connection:
            for one in checkpoints(connection, last):
                file.write((canonical_json(vars(one)) + "\n").encode())
        file.flush()
        os.fsync(file.fileno())


def _last_number(file: IO[bytes], path: Path) -> int:
    """Number of the file's last whole line; what broke off behind it is cut away."""
    size, span = file.seek(0, os.SEEK_END), 0
    lines: list[bytes] = []
    while len(lines) < 3 and span < size:
        span = min(size, max(2 * span, 65_536))
        file.seek(size - span)
        lines = file.read(span).split(b"\n")
    if not lines:
        return 0
    file.truncate(size - len(lines[-1]))
    try:
        return int(json.loads(lines[-2])["number"]) if lines[:-1] else 0
    except (ValueError, KeyError, TypeError):
        raise ConfigurationError(
            f"{path} does not end with a checkpoint; ./zhike serving verify-audit tells more."
        ) from None


def _key_file() -> Path:
    return settings().home / "keys" / "audit.key"


def _signing_key() -> Ed25519PrivateKey:
    path = _key_file()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        flock(folder, LOCK_EX)  # somebody else may be making it
        if not path.exists():
            _make_key(path)
        return _read_key(path)
    finally:
        os.close(folder)


def _make_key(path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    with path.with_suffix(".pub").open("a") as file:
        file.write(key.public_key().public_bytes_raw().hex() + "\n")
    new_secret(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _read_key(path: Path) -> Ed25519PrivateKey:
    if path.stat().st_mode & 0o077:
        raise ConfigurationError(f"{path} may be read by others; chmod 600 it.")
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(f"{path} is no Ed25519 key; restore it.")
    if key.public_key().public_bytes_raw().hex() not in trusted_keys():
        raise ConfigurationError(
            f"{path} is not among the keys of audit.pub beside it; restore it."
        )
    return key
