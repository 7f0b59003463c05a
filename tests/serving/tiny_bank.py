"""A bank of a few published customers and no models: every answer says why there is no score."""

from datetime import UTC, date, datetime

import numpy as np
import sqlalchemy as sa

from data.database import Database
from data.schema import PROFILES, PUBLICATIONS


def customers(count: int) -> list[str]:
    return [f"C{number:03d}" for number in range(count)]


def publish(database: Database, count: int) -> list[str]:
    about = {
        "as_of": date(2026, 6, 30),
        "snapshot": "5" * 64,
        "manifest": "m" * 64,
        "features": ["age"],
        "published_at": datetime.now(UTC),
        "current": True,
    }
    with database.writing() as connection:
        made = sa.insert(PUBLICATIONS).values(about).returning(PUBLICATIONS.c.publication_id)
        number = connection.execute(made).scalar_one()
        rows = [
            {
                "publication_id": number,
                "customer_id": customer,
                "vector": np.array([40.0]).tobytes(),
                "standing": {},
            }
            for customer in customers(count)
        ]
        connection.execute(sa.insert(PROFILES), rows)
    return customers(count)
