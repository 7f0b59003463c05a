"""A service over the small trained bank, and one over an empty bank that answers at once."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from data.database import Database, migrated
from data.schema import PROFILES, PUBLICATIONS
from serving.access.keys import make_key
from serving.access.roles import ROLES, Role
from serving.api.app import application
from serving.scoring import Profile, Scorer
from training.labels import SCORABLE


@pytest.fixture(scope="session")
def scorer(trained_home: Path) -> Scorer:
    """Every champion of the small trained bank."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ZHIKE_HOME", str(trained_home))
        return Scorer.load()


@pytest.fixture
def client(served: Database, scorer: Scorer) -> TestClient:
    """Somebody with a key to the small trained bank."""
    return knocking(scorer, served, key_of_all(served))


@pytest.fixture
def standings(served: Database) -> dict[str, dict[str, str]]:
    """Published customer -> model -> scorable, or why not."""
    with served.reading() as connection:
        rows = connection.execute(sa.select(PROFILES.c.customer_id, PROFILES.c.standing))
        return {row.customer_id: row.standing for row in rows}


@pytest.fixture
def published_profiles(served: Database) -> list[Profile]:
    """Every published profile, by customer."""
    asked = sa.select(PUBLICATIONS, PROFILES).join_from(PUBLICATIONS, PROFILES)
    with served.reading() as connection:
        rows = connection.execute(asked.order_by(PROFILES.c.customer_id)).all()
    return [
        Profile(
            row.customer_id,
            row.as_of,
            tuple(row.features),
            np.frombuffer(row.vector, "<f8").copy(),
            row.standing,
            stale=False,
        )
        for row in rows
    ]


@pytest.fixture
def customer(standings: dict[str, dict[str, str]]) -> str:
    """The customer whom the most questions fit."""
    return max(sorted(standings), key=lambda who: [*standings[who].values()].count(SCORABLE))


@pytest.fixture
def store(home: Path) -> Iterator[Database]:
    """An empty bank's database."""
    database = migrated()
    yield database
    database.engine.dispose()


@pytest.fixture
def quick_client(store: Database) -> TestClient:
    """Somebody with a key to an empty bank: no models, nothing published."""
    return knocking(Scorer({}, {}), store, key_of_all(store))


def key_of_all(database: Database) -> str:
    """A key that no rule stops and from which nothing is hidden."""
    return make_key(database, "a test", roles=ROLES, employee="S0000")


def key_of(database: Database, name: str) -> str:
    """Somebody's key that no rule stops, but who has no customers of their own."""
    return make_key(database, name, roles=ROLES - {Role.RELATIONSHIP_MANAGER})


def knocking(scorer: Scorer, database: Database, key: str = "") -> TestClient:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return TestClient(application(scorer, database), headers=headers, raise_server_exceptions=False)
