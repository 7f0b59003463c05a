"""With whom a refused customer is compared: all whom the model learnt from, or the barely accepted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow.parquet as pq
import sqlalchemy as sa

from data.database import Database
from data.errors import NotRefusable
from data.schema import PROFILES, PUBLICATIONS
from features.definition import Array
from serving.book import newest_book
from serving.scoring import Model
from training.labels import SCORABLE

Kind = Literal["all", "cut_off"]
NEAR = 200  # customers just within the cut-off, whose medians are taken
FEWEST = 30


@dataclass(frozen=True)
class Baseline:
    """The medians of some customers: feature -> median, None where nobody has a value."""

    kind: Kind
    typical: Mapping[str, float | None]
    customers: int | None = None


def of_all(model: Model) -> Baseline:
    """The medians of all customers the model learnt from."""
    return Baseline("all", model.release.card.typical)


def just_within(database: Database, model: Model, cut_off: float) -> Baseline:
    """The medians of the customers of the newest book who are just within a cut-off.

    They are the 200 with the highest chance of default below it, scored anew by this model.

    Raises:
        NotReady: there is no book.
        NotRefusable: there are too few of them.
    """
    rows = _profiles(database, model, _nearest(database, model, cut_off))
    margins = model.explainer.forest.margin(rows)
    within = rows[[model.value(margin) < cut_off for margin in margins.tolist()]]
    if len(within) < FEWEST:
        raise NotRefusable(
            f"only {len(within)} customers of the book are just within {cut_off:.2%}, too few for a"
            " baseline; take --baseline all."
        )
    medians = [_median(column) for column in within.T]
    typical = dict(zip(model.release.card.features, medians, strict=True))
    return Baseline("cut_off", typical, len(within))


def _median(column: Array) -> float | None:
    known = column[~np.isnan(column)]
    return float(np.median(known)) if len(known) else None


def _nearest(database: Database, model: Model, cut_off: float) -> list[str]:
    path = newest_book(database) / f"{model.release.card.name}.parquet"
    if not path.is_dir():
        raise NotRefusable(
            f"the newest book has no {model.release.card.name}; take --baseline all."
        )
    book = pq.read_table(path, columns=["customer_id", "status", "value"]).to_pandas()
    below = book[(book["status"] == SCORABLE) & (book["value"] < cut_off)]
    ranked = below.sort_values(["value", "customer_id"], ascending=[False, True])
    return [str(who) for who in ranked["customer_id"].head(NEAR)]


def _profiles(database: Database, model: Model, customers: list[str]) -> Array:
    """What the model reads of some customers' published profiles, in a fixed order."""
    asked = (
        sa.select(PUBLICATIONS.c.features, PROFILES.c.vector)
        .join(PROFILES, PROFILES.c.publication_id == PUBLICATIONS.c.publication_id)
        .where(PUBLICATIONS.c.current, PROFILES.c.customer_id.in_(customers))
        .order_by(PROFILES.c.customer_id)
    )
    names = model.release.card.features
    with database.reading() as connection:
        found = connection.execute(asked).all()
    if not found or not set(names) <= set(found[0].features):
        return np.empty((0, len(names)))
    places = [list(found[0].features).index(name) for name in names]
    return np.array([np.frombuffer(one.vector, dtype="<f8")[places] for one in found])
