"""Published profiles: what the service answers from, switched at once to a new snapshot."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime

import numpy as np
import sqlalchemy as sa

from data.database import PROFILES, PUBLICATIONS, Database
from data.errors import NotReady, UnknownCustomer
from data.warehouse import Warehouse
from features.profile import Profiles
from features.snapshot import Snapshot
from serving.scoring import Profile
from training.losses import Exposure, as_json, of_json

CHUNK = 5_000


def publish(
    database: Database,
    profiles: Profiles,
    snapshot: Snapshot,
    as_of: date,
    standing: Sequence[dict[str, str]],
    exposures: Mapping[str, Exposure] | None = None,
) -> None:
    """Make a snapshot of one as-of day the current one; earlier publications are dropped.

    Args:
        standing: for each profile, model -> scorable, or why not.
        exposures: customer -> what they owe or may owe, of those who do.
    """
    vectors = np.ascontiguousarray(profiles.values, dtype="<f8")
    customers = list(profiles.frame["customer_id"])
    owed = exposures or {}
    with database.writing() as connection:
        number = connection.execute(
            sa.insert(PUBLICATIONS)
            .values(
                as_of=as_of,
                snapshot=snapshot.digest,
                manifest=snapshot.manifest,
                features=list(profiles.features),
                published_at=datetime.now(UTC),
                current=True,
            )
            .returning(PUBLICATIONS.c.publication_id)
        ).scalar_one()
        for start in range(0, len(customers), CHUNK):
            rows = [
                {
                    "publication_id": number,
                    "customer_id": customers[i],
                    "vector": vectors[i].tobytes(),
                    "standing": standing[i],
                    "exposure": as_json(owed.get(customers[i])),
                }
                for i in range(start, min(start + CHUNK, len(customers)))
            ]
            connection.execute(sa.insert(PROFILES), rows)
        old = PUBLICATIONS.c.publication_id != number
        connection.execute(sa.delete(PROFILES).where(PROFILES.c.publication_id != number))
        connection.execute(sa.delete(PUBLICATIONS).where(old))


def published(database: Database, customer_id: str, manifest: str) -> tuple[Profile, str]:
    """A customer's current profile and the digest of its snapshot.

    Args:
        manifest: digest of the warehouse as it is now; a profile built on another is stale.

    Raises:
        NotReady: nothing is published.
        UnknownCustomer: the current publication does not have the customer.
    """
    theirs = sa.and_(
        PROFILES.c.publication_id == PUBLICATIONS.c.publication_id,
        PROFILES.c.customer_id == customer_id,
    )
    # One statement: between two, another publication could drop what the first one found.
    found = (
        sa.select(PUBLICATIONS, PROFILES.c.vector, PROFILES.c.standing, PROFILES.c.exposure)
        .outerjoin(PROFILES, theirs)
        .where(PUBLICATIONS.c.current)
    )
    with database.reading() as connection:
        row = connection.execute(found).first()
    if row is None:
        raise NotReady("no profiles are published yet; ./zhike serving score-book does it.")
    if row.vector is None:
        raise UnknownCustomer(
            f"no customer with this identifier as of {row.as_of}; check the identifier."
        )
    profile = Profile(
        customer_id=customer_id,
        as_of=row.as_of,
        features=tuple(row.features),
        vector=np.frombuffer(row.vector, dtype="<f8").astype(np.float64),
        standing=row.standing,
        stale=row.manifest != manifest,
        exposure=of_json(row.exposure),
    )
    return profile, row.snapshot


def manifest_now() -> str:
    """Digest of the warehouse manifest that is visible now."""
    return Warehouse().manifest.digest
