"""Whom a request means: an identifier or a source key, resolved as the bank knows its customers now."""

from dataclasses import dataclass
from typing import Any

from data import audit
from data.database import Database
from data.warehouse import Warehouse
from features.identity.directory import Directory, Found, directory
from serving.publication import manifest_now


@dataclass(frozen=True)
class SourceKey:
    """A record of a source system."""

    source_system: str
    source_key: str


def directory_now() -> Directory:
    """Who is named how in the warehouse that is visible now.

    Raises:
        NotReady: the warehouse cannot be read.
    """
    return directory(Warehouse(), manifest_now())


def resolved(named: str | SourceKey) -> Found:
    """The customer of an identifier or of a source key.

    Raises:
        SplitCustomer: the identifier has stood for several customers.
        UnknownCustomer: no record has the source key.
        NotReady: the warehouse cannot be read.
    """
    known = directory_now()
    if isinstance(named, str):
        return known.named(named)
    return known.at_source(named.source_system, named.source_key)


def called(database: Database, digest: str, *, actor: str) -> tuple[list[str], int]:
    """The customers whose telephone has a digest, and the number of the look-up's audit record.

    Raises:
        NotOffered: the bank has set no key for telephones.
        NotReady: the warehouse or the database cannot be read.
    """
    known = directory_now()
    found = known.called(digest)
    body: dict[str, Any] = {"manifest": known.digest, "found": len(found)}
    # Several are not told apart, so the record names none: an erasure could not take one out.
    person = found[0] if len(found) == 1 else None
    payload = {"telephone_digest": digest, "customers": found} if person else None
    record = audit.append(
        database, kind="lookup", actor=actor, body=body, payload=payload, person=person
    )
    return found, record.sequence
