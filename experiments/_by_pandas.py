"""The additive features as a notebook reckons them: for each as-of day, pandas group-bys."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from features.calendar import day_number
from features.catalogue import CATALOGUE
from features.definition import Feature, Source
from features.engines import DuckEngine
from features.facts import Array, Facts, Measure, Part, Rows

ADDITIVE = frozenset({"sum", "count", "min", "max"})


def measure_of(feature: Feature, columns: Iterable[str]) -> Measure:
    """What a feature over one source asks for."""
    assert feature.source
    assert feature.measure
    rows = Rows(oldest=feature.days)
    return feature.measure(Facts(feature.name, feature.source.name, frozenset(columns), rows))


def additive(engine: DuckEngine) -> list[Feature]:
    """The features that are sums, counts, minima and maxima of facts, and their arithmetic."""
    found, tables = [], set(engine.manifest.tables)
    for feature in CATALOGUE.values():
        if feature.source and tables.issuperset(feature.source.tables):
            parts = measure_of(feature, engine.rows(feature.source).columns).parts
            if all(p.aggregate in ADDITIVE and p.rows.state is None for p in parts):
                found.append(feature)
    return found


def facts_of(engine: DuckEngine, sources: Sequence[Source], customers: pd.Index) -> dict[str, Any]:
    """Source -> its facts about some customers, as a frame."""
    found = {}
    for source in sources:
        frame = engine.rows(source).to_arrow_table().to_pandas()
        found[source.name] = frame[frame["customer_id"].isin(customers)].reset_index(drop=True)
    return found


def by_pandas(
    facts: dict[str, Any], spine: pd.DataFrame, features: Sequence[Feature]
) -> pd.DataFrame:
    """The features of a spine, as of one day after the other."""
    days = [(day, spine.loc[spine["as_of"] == day, "customer_id"]) for day in _days(spine)]
    return pd.concat([_as_of(facts, *day, features) for day in days], ignore_index=True)


def _days(spine: pd.DataFrame) -> list[date]:
    return sorted(set(spine["as_of"]))


def _as_of(
    facts: dict[str, Any], day: date, customers: "pd.Series[str]", features: Sequence[Feature]
) -> pd.DataFrame:
    number = day_number(day)
    known = {
        name: rows[(rows["event_day"] < number) & (rows["known_day"] < number)]
        for name, rows in facts.items()
    }
    columns: dict[str, Any] = {"customer_id": customers, "as_of": day}
    for feature in features:
        assert feature.source
        rows = known[feature.source.name]
        measure = measure_of(feature, rows.columns)
        parts = (_aggregated(rows, part, number, customers) for part in measure.parts)
        columns[feature.name] = measure.combine(*parts) + 0.0
    return pd.DataFrame(columns)


def _aggregated(rows: Any, part: Part, day: int, customers: "pd.Series[str]") -> Array:
    age = day - rows["event_day"]
    kept = age > part.rows.youngest
    if part.rows.oldest is not None:
        kept &= age <= part.rows.oldest
    seen = nw.from_native(rows[kept], eager_only=True)
    if part.rows.condition is not None:
        seen = seen.filter(part.rows.condition)
    value = nw.col("event_day") if part.value is None else part.value
    found = seen.select("customer_id", value.alias("value")).to_native().dropna()
    answer = found.groupby("customer_id")["value"].agg(part.aggregate)
    told = answer.reindex(customers).to_numpy(np.float64, na_value=np.nan)
    return np.where(np.isnan(told), part.empty, told)
