"""What is to be recorded, made ready: its payload sealed, its facts as text."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Connection

from data.errors import Erased
from data.vault import Key, Vault
from data.warehouse import canonical_json


@dataclass
class Entry:
    """A record before it has its place in a chain.

    Attributes:
        text: the payload before it is sealed; None where there is none.
        sealed: the payload as it is kept.
        written: the body as it is kept; empty until the payload is sealed.
    """

    kind: str
    actor: str
    facts: dict[str, Any]
    text: bytes | None
    person: str | None
    pseudonym: str = ""
    sealed: bytes | None = None
    written: str = ""

    def seal(self, key: Key) -> None:
        """Seal the payload; the body vouches for it as sealed, which no guess can confirm."""
        assert self.text is not None
        self.sealed, self.pseudonym = key.seal(self.text), key.person
        digest = digest_of_sealed(key.person, self.sealed)
        self.written = canonical_json(self.facts | {"payload_sha256": digest})


def entry(
    kind: str,
    actor: str,
    body: Mapping[str, Any],
    payload: Any = None,
    person: str | None = None,
    purpose: str = "",
) -> Entry:
    """Something to record, see ``append``."""
    facts = dict(body) | ({"purpose": purpose} if purpose else {})
    if payload is None:
        return Entry(kind, actor, facts, None, person, written=canonical_json(facts))
    return Entry(kind, actor, facts, canonical_json(payload).encode(), person)


def seal_at_hand(kept: Vault, one: Entry) -> None:
    """Seal a payload if the key is at hand."""
    if one.text is not None and (key := kept.at_hand(kept.pseudonym(one.person))):
        one.seal(key)


def seal_all(kept: Vault, connection: Connection, entries: Collection[Entry]) -> list[Key]:
    """Seal the payloads that are not sealed, but those of persons who are erased.

    Returns:
        Keys that were used; they count once the transaction is committed.
    """
    waiting = [one for one in entries if one.text is not None and one.sealed is None]
    if not waiting:
        return []
    for one in waiting:
        one.pseudonym = kept.pseudonym(one.person)
    keys = kept.keys(connection, {one.pseudonym for one in waiting})
    for one in waiting:
        if key := keys.get(one.pseudonym):
            one.seal(key)
    return list(keys.values())


def digest_of_sealed(pseudonym: str, sealed: bytes) -> str:
    """What a body says of a payload: whose it is, and what it is as sealed."""
    return hashlib.sha256(pseudonym.encode() + b":" + sealed).hexdigest()


def refused(one: Entry) -> Erased:
    """Why an entry was not sealed: its person is erased, and is not to be known again."""
    return Erased("this person was erased; nothing about them is answered or recorded any more.")
