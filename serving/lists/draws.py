"""Draws that depend on the customer and a key alone, so that they are the same on every run."""

import hashlib
import secrets
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from data.schema import LIST_SALTS
from features.definition import Array

Draws = npt.NDArray[np.uint64]
_HOLD_OUT = "hold_out"


def salt(connection: Connection) -> bytes:
    """The bank's own key of the hold-out, made at first need within a ``writing`` transaction."""
    asked = sa.select(LIST_SALTS.c.salt).where(LIST_SALTS.c.name == _HOLD_OUT)
    kept = connection.execute(asked).scalar()
    if kept is None:
        kept = secrets.token_hex(32)
        connection.execute(sa.insert(LIST_SALTS).values(name=_HOLD_OUT, salt=kept))
    return bytes.fromhex(kept)


def drawn(customers: Sequence[str], key: bytes) -> Draws:
    """A number of 64 bits a customer: the keyed hash of the identifier, shape (n,)."""
    found = b"".join(
        hashlib.blake2b(name.encode(), key=key, digest_size=8).digest() for name in customers
    )
    return np.frombuffer(found, "<u8").astype(np.uint64)


def mixed(draws: Draws, purpose: str) -> Draws:
    """Other draws of the same customers for another purpose (SplitMix64's finaliser)."""
    word = np.frombuffer(hashlib.sha256(purpose.encode()).digest()[:8], "<u8")[0]
    with np.errstate(over="ignore"):
        x = draws + word
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(x ^ (x >> np.uint64(31)), np.uint64)


def uniform(draws: Draws) -> Array:
    """Draws as numbers from 0 up to 1, shape (n,)."""
    return np.asarray((draws >> np.uint64(11)).astype(np.float64) * 2.0**-53, np.float64)
