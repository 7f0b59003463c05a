"""Personal payloads sealed under a key per person: destroying the key erases what it sealed.

A key is random and kept wrapped by the master key, a file outside the database. The table of keys
knows a person by a keyed digest only. What concerns nobody in particular is sealed under a key of
the bank's.
"""

import hashlib
import hmac
import os
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine

from data.errors import ConfigurationError, Erased
from data.schema import PERSON_KEYS
from data.settings import settings

BANK = "bank"
TRUSTED = 60.0  # seconds for which a process may go on using a key that another has destroyed
_NONCE = 12  # bytes, as NIST SP 800-38D has it
_MOST = 20_000  # keys in memory


@dataclass(frozen=True)
class Key:
    """The data key of a person, by the person's pseudonym."""

    person: str
    cipher: AESGCM = field(repr=False)

    def seal(self, text: bytes) -> bytes:
        """The text encrypted, behind its nonce."""
        nonce = os.urandom(_NONCE)
        return nonce + self.cipher.encrypt(nonce, text, self.person.encode())

    def open(self, sealed: bytes) -> bytes:
        """The text of what was sealed."""
        return self.cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], self.person.encode())


class Vault:
    """The keys of persons under one master key; knows some of them for a minute."""

    def __init__(self, master: bytes, named: Path) -> None:
        self._wrapping = AESGCM(_derived(master, b"zhike: wrapping of persons' keys"))
        self._naming = _derived(master, b"zhike: names of persons")
        self._named = named
        self._known: dict[str, tuple[Key, float]] = {}
        self._lock = threading.Lock()

    def pseudonym(self, person: str | None) -> str:
        """How the tables call a person; the bank where nobody is meant."""
        if person is None:
            return BANK
        return hmac.new(self._naming, person.encode(), hashlib.sha256).hexdigest()

    def at_hand(self, pseudonym: str) -> Key | None:
        """A key that was read or committed within the last minute."""
        known = self._known.get(pseudonym)
        return known[0] if known and known[1] > time.monotonic() else None

    def remember(self, keys: Collection[Key]) -> None:
        """Keep keys at hand; only such as are committed."""
        until = time.monotonic() + TRUSTED
        with self._lock:
            if len(self._known) + len(keys) > _MOST:
                self._known.clear()
            self._known.update({key.person: (key, until) for key in keys})

    def forget(self, pseudonym: str) -> None:
        """Keep a key at hand no longer."""
        with self._lock:
            self._known.pop(pseudonym, None)

    def keys(self, connection: Connection, persons: Collection[str]) -> dict[str, Key]:
        """The keys of pseudonyms, made where there are none; without those of erased persons.

        Raises:
            ConfigurationError: the master key is not the one of this database.
        """
        # In one order, so that two who make the same keys never wait for one another.
        wanted = sorted({BANK, *persons})
        found = self._read(connection, wanted)
        if missing := [person for person in wanted if person not in found]:
            self._make(connection, missing)
            found |= self._read(connection, missing)
        return {person: key for person, key in found.items() if key is not None}

    def key(self, connection: Connection, pseudonym: str) -> Key:
        """The key of a pseudonym that has one.

        Raises:
            Erased: it was destroyed.
        """
        found = self._read(connection, [pseudonym]).get(pseudonym)
        if found is None:
            raise Erased("what was recorded of this person is erased.")
        return found

    def _read(self, connection: Connection, persons: Collection[str]) -> dict[str, Key | None]:
        asked = sa.select(PERSON_KEYS.c.person, PERSON_KEYS.c.wrapped)
        rows = connection.execute(asked.where(PERSON_KEYS.c.person.in_(persons)))
        return {row.person: self._unwrapped(row.person, row.wrapped) for row in rows}

    def _make(self, connection: Connection, persons: Collection[str]) -> None:
        now = datetime.now(UTC)
        made = [
            {"person": person, "wrapped": self._wrapped(person), "created_at": now}
            for person in persons
        ]
        insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        connection.execute(insert(PERSON_KEYS).on_conflict_do_nothing(), made)

    def _wrapped(self, person: str) -> bytes:
        nonce, key = os.urandom(_NONCE), AESGCM.generate_key(256)
        return nonce + self._wrapping.encrypt(nonce, key, person.encode())

    def _unwrapped(self, person: str, wrapped: bytes | None) -> Key | None:
        if wrapped is None:
            return None
        nonce, rest = wrapped[:_NONCE], wrapped[_NONCE:]
        try:
            return Key(person, AESGCM(self._wrapping.decrypt(nonce, rest, person.encode())))
        except InvalidTag:
            raise ConfigurationError(
                f"{self._named} is not the master key of this database; restore that one, or name"
                " its file in ZHIKE_VAULT_KEY_FILE."
            ) from None


_VAULTS: WeakKeyDictionary[Engine, Vault] = WeakKeyDictionary()


def vault(connection: Connection) -> Vault:
    """The vault of the database that a connection leads to.

    Raises:
        ConfigurationError: the master key is missing, open to others, or no key.
    """
    found = _VAULTS.get(connection.engine)
    if found is None:
        path = settings().vault_key
        found = _VAULTS[connection.engine] = Vault(_master(connection, path), path)
    return found


def _master(connection: Connection, path: Path) -> bytes:
    if not path.exists():
        if connection.execute(sa.select(PERSON_KEYS.c.person).limit(1)).first():
            raise ConfigurationError(
                f"{path} is gone, and with it every payload of this database; restore it, or name"
                " its file in ZHIKE_VAULT_KEY_FILE."
            )
        new_secret(path, os.urandom(32).hex().encode())
    if path.stat().st_mode & 0o077:
        raise ConfigurationError(f"{path} may be read by others; chmod 600 it.")
    try:
        key = bytes.fromhex(path.read_text().strip())
    except ValueError:
        key = b""
    if len(key) != 32:
        raise ConfigurationError(f"{path} is no master key: 64 hexadecimal digits.")
    return key


def new_secret(path: Path, content: bytes) -> None:
    """Write a secret for its owner only, whole or not at all; one that stands already stays."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink(missing_ok=True)


def _derived(master: bytes, purpose: bytes) -> bytes:
    """A key for one purpose: one step of HKDF's expansion (RFC 5869) of a uniformly random key."""
    return hmac.new(master, purpose + b"\x01", hashlib.sha256).digest()
