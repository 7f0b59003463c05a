"""Published profiles and scores: what the service answers from, switched at once to the new."""

import fcntl
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from data import audit
from data.database import Database
from data.errors import NotReady, UnknownCustomer
from data.schema import BOOK_SCORES, PROFILES, PUBLICATIONS
from data.settings import settings
from data.warehouse import Warehouse
from features.definition import Array
from features.profile import Profiles
from features.snapshot import Snapshot
from serving.scoring import Profile
from training.losses import Exposure, as_json, of_json

CHUNK = 5_000


@dataclass(frozen=True)
class Entry:
    """The audit record of a publication; it stands if the publication does."""

    kind: str
    actor: str
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Chunk:
    """Some customers to publish.

    Attributes:
        vectors: shape (customers, features).
        standing: for each, model -> scorable, or why not.
        exposures: for each, what they owe or may owe as plain values.
        scores: of a book run: customer_id, model, value, grade and reasons.
    """

    customers: Sequence[str]
    vectors: Array
    standing: Sequence[Mapping[str, str]]
    exposures: Sequence[Mapping[str, Any] | None]
    scores: Sequence[Mapping[str, Any]] = ()


def chunks(
    profiles: Profiles,
    standing: Sequence[Mapping[str, str]],
    exposures: Mapping[str, Exposure] | None = None,
) -> Iterator[Chunk]:
    """Profiles that are not scored, some at a time.

    Args:
        standing: for each profile, model -> scorable, or why not.
        exposures: customer -> what they owe or may owe, of those who do.
    """
    customers, vectors = list(profiles.frame["customer_id"]), profiles.values
    owed = exposures or {}
    for start in range(0, len(customers), CHUNK):
        these = slice(start, start + CHUNK)
        parts = [as_json(owed.get(customer)) for customer in customers[these]]
        yield Chunk(customers[these], vectors[these], standing[these], parts)


def publish(
    database: Database,
    snapshot: Snapshot,
    as_of: date,
    found: Iterable[Chunk],
    entry: Entry,
    releases: Mapping[str, str] | None = None,
) -> audit.Record:
    """Make the profiles and scores of one as-of day the current ones, and drop the earlier.

    Chunks are written one by one, so that an answer never waits long for its audit record; nobody
    reads them before the switch, which happens in one transaction with the audit record.

    Args:
        releases: of a book run: model -> digest of the release that scored.
    """
    with alone(settings().home / "publication.lock"):
        number = _announced(database, snapshot, as_of, releases)
        try:
            for chunk in found:
                _add(database, number, chunk)
            record = _switched(database, number, entry)
        except BaseException:
            _dropped(database, PUBLICATIONS.c.publication_id == number)
            raise
        _dropped(database, PUBLICATIONS.c.publication_id != number)
    return record


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold a lock file: who does the same in this home queues."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _announced(
    database: Database, snapshot: Snapshot, as_of: date, releases: Mapping[str, str] | None
) -> int:
    about = {
        "as_of": as_of,
        "snapshot": snapshot.digest,
        "manifest": snapshot.manifest,
        "features": list(snapshot.features),
        "published_at": datetime.now(UTC),
        "current": False,
        "releases": dict(releases) if releases is not None else None,
    }
    asked = sa.insert(PUBLICATIONS).values(about).returning(PUBLICATIONS.c.publication_id)
    with database.writing() as connection:
        return int(connection.execute(asked).scalar_one())


def _add(database: Database, number: int, chunk: Chunk) -> None:
    vectors = np.ascontiguousarray(chunk.vectors, dtype="<f8")
    told = zip(chunk.customers, vectors, chunk.standing, chunk.exposures, strict=True)
    profiles = [
        {
            "publication_id": number,
            "customer_id": customer,
            "vector": vector.tobytes(),
            "standing": dict(standing),
            "exposure": exposure,
        }
        for customer, vector, standing, exposure in told
    ]
    scores = [{"publication_id": number, **score} for score in chunk.scores]
    with database.writing() as connection:
        for table, rows in ((PROFILES, profiles), (BOOK_SCORES, scores)):
            if rows:
                connection.execute(sa.insert(table), rows)


def _switched(database: Database, number: int, entry: Entry) -> audit.Record:
    current = PUBLICATIONS.c.publication_id == number
    with database.writing() as connection:
        connection.execute(sa.update(PUBLICATIONS).values(current=current))
        return audit.enter(connection, kind=entry.kind, actor=entry.actor, body=entry.body)


def _dropped(database: Database, which: sa.ColumnElement[bool]) -> None:
    """Drop publications with all they hold, also what a process that was killed left behind."""
    theirs = sa.select(PUBLICATIONS.c.publication_id).where(which)
    with database.writing() as connection:
        for table in (BOOK_SCORES, PROFILES, PUBLICATIONS):
            connection.execute(sa.delete(table).where(table.c.publication_id.in_(theirs)))


def published(database: Database, customer_id: str, manifest: str) -> tuple[Profile, str]:
    """A customer's current profile and the digest of its snapshot.

    Args:
        manifest: digest of the warehouse as it is now; a profile built on another is stale.

    Raises:
        NotReady: nothing is published.
        UnknownCustomer: the current publication does not have the customer.
    """
    with database.reading() as connection:
        row = connection.execute(_FOUND, {"customer": customer_id}).first()
    if row is None:
        raise NotReady("no profiles are published yet; ./zhike serving score-book does it.")
    if row.vector is None:
        raise UnknownCustomer(
            f"no customer with this identifier as of {row.as_of}; check the identifier."
        )
    return _profile(customer_id, row, _features(row.features), manifest), row.snapshot


def anyone(database: Database) -> str | None:
    """Some customer of the current publication; nobody where nothing is published."""
    asked = sa.select(PROFILES.c.customer_id).join_from(PUBLICATIONS, PROFILES)
    with database.reading() as connection:
        return connection.execute(asked.where(PUBLICATIONS.c.current).limit(1)).scalar()


# Made once: to make a statement takes longer than to execute it. One statement, not two: between
# two, another publication could drop what the first one found.
_FOUND = (
    sa.select(
        PUBLICATIONS.c.as_of,
        PUBLICATIONS.c.snapshot,
        PUBLICATIONS.c.manifest,
        sa.cast(PUBLICATIONS.c.features, sa.Text).label("features"),
        PROFILES.c.vector,
        PROFILES.c.standing,
        PROFILES.c.exposure,
    )
    .outerjoin(
        PROFILES,
        sa.and_(
            PROFILES.c.publication_id == PUBLICATIONS.c.publication_id,
            PROFILES.c.customer_id == sa.bindparam("customer"),
        ),
    )
    .where(PUBLICATIONS.c.current)
)


@lru_cache(maxsize=8)
def _features(told: str) -> tuple[str, ...]:
    """The features of a publication, which are the same for every customer."""
    return tuple(json.loads(told))


def manifest_now() -> str:
    """Digest of the warehouse manifest that is visible now."""
    return Warehouse().digest


@dataclass(frozen=True)
class Published:
    """What the current publication has of some customers."""

    as_of: date
    snapshot: str
    profiles: Mapping[str, Profile]

    def profile(self, customer_id: str) -> Profile:
        """A customer's profile.

        Raises:
            UnknownCustomer: the publication does not have the customer.
        """
        if customer_id not in self.profiles:
            raise UnknownCustomer(
                f"no customer with this identifier as of {self.as_of}; check the identifier."
            )
        return self.profiles[customer_id]


def published_of(database: Database, customers: Sequence[str], manifest: str) -> Published:
    """The current profiles of some customers, at most some thousands; unknown ones are left out.

    Args:
        manifest: digest of the warehouse as it is now; a profile built on another is stale.

    Raises:
        NotReady: nothing is published.
    """
    theirs = sa.and_(
        PROFILES.c.publication_id == PUBLICATIONS.c.publication_id,
        PROFILES.c.customer_id.in_(customers),
    )
    columns = (PROFILES.c.customer_id, PROFILES.c.vector, PROFILES.c.standing, PROFILES.c.exposure)
    # One statement: between two, another publication could drop what the first one found.
    asked = sa.select(PUBLICATIONS, *columns).outerjoin(PROFILES, theirs)
    with database.reading() as connection:
        rows = connection.execute(asked.where(PUBLICATIONS.c.current)).all()
    if not rows:
        raise NotReady("no profiles are published yet; ./zhike serving score-book does it.")
    first, features = rows[0], tuple(rows[0].features)
    profiles = {
        row.customer_id: _profile(row.customer_id, row, features, manifest)
        for row in rows
        if row.vector is not None
    }
    return Published(first.as_of, first.snapshot, profiles)


def _profile(
    customer_id: str, row: sa.Row[Any], features: tuple[str, ...], manifest: str
) -> Profile:
    return Profile(
        customer_id=customer_id,
        as_of=row.as_of,
        features=features,
        vector=np.frombuffer(row.vector, dtype="<f8").astype(np.float64),
        standing=row.standing,
        stale=row.manifest != manifest,
        exposure=of_json(row.exposure),
    )
