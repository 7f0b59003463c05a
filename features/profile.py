"""Build profiles: every feature for every row of a spine, reading only what was known before."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import duckdb
import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data.checking import listed
from data.contribution import MADE_OF
from data.errors import FeatureError
from data.warehouse import Day, Manifest, Warehouse
from features.catalogue import CATALOGUE, feature_named
from features.definition import Array, Facts, Feature, Measure, Part, Source, state_column
from features.sources import CONTRIBUTIONS

EPOCH = date(1970, 1, 1)
_KEYS = ("customer_id", "as_of_day")
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Profiles:
    """Profiles of a spine.

    Attributes:
        frame: customer_id, as_of (date) and one float64 column a feature, in spine order.
        absent: feature -> why it could not be built from this warehouse.
        manifest: digest of the warehouse manifest they were built on.
        stale: feature -> the days within its reach for which a file has not come yet; its value
            counts what is there, which is less than what happened.
    """

    frame: pd.DataFrame
    features: tuple[str, ...]
    absent: dict[str, str]
    manifest: str
    stale: dict[str, str] = field(default_factory=dict)

    @property
    def values(self) -> Array:
        """The feature values, shape (rows, features)."""
        return self.frame[list(self.features)].to_numpy(np.float64)


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - EPOCH).days


def build(
    warehouse: Warehouse,
    spine: pd.DataFrame,
    features: Iterable[str] | None = None,
    *,
    progress: Progress | None = None,
) -> Profiles:
    """Profiles for a spine of (customer_id, as_of) rows.

    A row reads only facts that had happened and were known strictly before its as-of day.

    Args:
        spine: columns customer_id (str) and as_of (date); one row per profile wanted.
        features: names; None means the whole catalogue.

    Raises:
        FeatureError: an unknown feature; a spine without its columns, with a row twice, or with
            a row that names no customer or no day.
    """
    wanted = [feature_named(name) for name in (features or CATALOGUE)]
    rows = _spine_table(spine)
    connection, manifest = warehouse.connect(), warehouse.manifest
    needed = _with_inputs(wanted)
    absent = _absent(needed, manifest.tables)
    values: dict[str, Array] = {}
    sources = {f.source.name: f.source for f in needed if f.source and f.name not in absent}
    for number, source in enumerate(sources.values()):
        if progress:
            progress(source.name, number, len(sources))
        mine = [f for f in needed if f.source is source and f.name not in absent]
        values |= _aggregate(connection, rows, source, mine)
    for feature in needed:
        if feature.combine and feature.name not in absent:
            values[feature.name] = feature.combine(*(values[i.name] for i in feature.inputs)) + 0.0
    present = [f.name for f in wanted if f.name in values]
    frame = pd.concat(
        [
            spine[["customer_id", "as_of"]].reset_index(drop=True),
            pd.DataFrame({name: values[name] for name in present}, index=range(len(spine))),
        ],
        axis=1,
    )
    days = sorted({_as_of_day(day) for day in spine["as_of"]})
    stale = _stale([f for f in wanted if f.name in values], manifest, days)
    return Profiles(frame, tuple(present), absent, manifest.digest, stale)


def _spine_table(spine: pd.DataFrame) -> pa.Table:
    if not {"customer_id", "as_of"} <= set(spine.columns):
        raise FeatureError(
            f"a spine has the columns customer_id and as_of; this one has {list(spine.columns)}."
        )
    if spine.duplicated(["customer_id", "as_of"]).any():
        twice = spine[spine.duplicated(["customer_id", "as_of"])].iloc[0]
        raise FeatureError(
            f"the spine holds {twice.customer_id} at {twice.as_of} twice; keep one row each."
        )
    if spine["customer_id"].isna().any():
        raise FeatureError(f"{spine['customer_id'].isna().sum()} spine rows without a customer_id.")
    days = [_as_of_day(day) for day in spine["as_of"]]
    return pa.table(
        {
            "customer_id": pa.array(spine["customer_id"], pa.string()),
            "as_of_day": pa.array(days, pa.int32()),
            "place": pa.array(range(len(spine)), pa.int64()),
        }
    )


def _as_of_day(day: object) -> int:
    if not isinstance(day, date) or pd.isna(day):
        raise FeatureError(f"as-of {day!r} in the spine is no day; give a date.")
    return day_number(day.date() if isinstance(day, datetime) else day)


def _with_inputs(features: Sequence[Feature]) -> list[Feature]:
    """The features and what they are computed from, inputs first."""
    ordered: dict[str, Feature] = {}

    def visit(feature: Feature) -> None:
        for needed in feature.inputs:
            visit(needed)
        ordered.setdefault(feature.name, feature)

    for feature in features:
        visit(feature)
    return list(ordered.values())


def _absent(features: Sequence[Feature], tables: tuple[str, ...]) -> dict[str, str]:
    absent = {}
    for feature in features:
        missing = sorted({t for s in feature.sources for t in s.tables if t not in tables})
        if missing:
            absent[feature.name] = f"no rows in {', '.join(missing)}"
    return absent


def _stale(features: Sequence[Feature], manifest: Manifest, days: Sequence[int]) -> dict[str, str]:
    stale = {}
    for feature in features:
        reached = {gap for f in _with_inputs([feature]) for gap in _gaps(f, manifest, days)}
        tables = sorted({gap.table for gap in reached})
        named = (listed(sorted(str(g.day) for g in reached if g.table == t)) for t in tables)
        if tables:
            stale[feature.name] = "; ".join(map("{} lack {}".format, tables, named))
    return stale


def _gaps(feature: Feature, manifest: Manifest, as_of: Sequence[int]) -> list[Day]:
    """The missing days that the feature would read for one of the as-of days."""
    read, reach = feature.source.tables if feature.source else (), feature.days
    if feature.source is CONTRIBUTIONS:
        read, reach = MADE_OF, None  # a month's position is the last before its end, however old
    found = []
    for gap in manifest.gaps:
        after = bisect_right(as_of, day_number(gap.day))  # the first as-of that lies behind the gap
        near = after < len(as_of) and (reach is None or as_of[after] - day_number(gap.day) <= reach)
        if gap.table in read and near:
            found.append(gap)
    return found


def _measured(features: Sequence[Feature], source: Source) -> tuple[dict[str, Measure], set[int]]:
    states: set[int] = set()
    measures = {}
    for feature in features:
        facts = Facts(source.entity, None, states)
        within = facts if feature.days is None else facts.last(feature.days)
        measure = feature.measure(within) if feature.measure else None
        if not isinstance(measure, Measure):
            raise FeatureError(
                f"feature '{feature.name}' must return one number a customer (a sum, count,"
                f" minimum, maximum or their arithmetic), not {type(measure).__name__}."
            )
        measures[feature.name] = measure
    if states and source.entity is None:
        raise FeatureError(f"source '{source.name}' has no entity whose latest row is a state.")
    return measures, states


def _aggregate(
    connection: duckdb.DuckDBPyConnection, spine: pa.Table, source: Source, features: list[Feature]
) -> dict[str, Array]:
    measures, states = _measured(features, source)
    windows = [feature.days for feature in features]
    known = _trimmed(connection, spine, source, None if None in windows else windows)
    for before in sorted(states):
        known = known.with_columns(_is_latest(source.entity or "", before))
    parts = [part for measure in measures.values() for part in measure.parts]
    named = {f"p{i}": part for i, part in enumerate(parts)}
    grouped = known.group_by("place").agg(
        *(part.aggregate.alias(name) for name, part in named.items())
    )
    table = grouped.collect("pyarrow").to_native()
    columns = iter(_filled(table, named, spine.num_rows))
    return {
        # Adding zero turns -0.0 into 0.0, so that equal numbers have equal bits.
        name: measure.combine(*(next(columns) for _ in measure.parts)) + 0.0
        for name, measure in measures.items()
    }


def _trimmed(
    connection: duckdb.DuckDBPyConnection,
    spine: pa.Table,
    source: Source,
    windows: list[Any] | None,
) -> nw.LazyFrame[Any]:
    """Facts joined to the spine, both clocks strictly before the as-of day."""
    connection.register("spine", spine)
    facts = nw.from_native(connection.sql(source.query)).lazy()
    rows = nw.from_native(connection.sql("SELECT * FROM spine")).lazy()
    event, known, as_of = nw.col("event_day"), nw.col("known_day"), nw.col("as_of_day")
    seen = rows.join(facts, on="customer_id", how="inner").filter(event < as_of, known < as_of)
    return seen if windows is None else seen.filter(as_of - event <= max(windows))


def _is_latest(entity: str, before: int) -> nw.Expr:
    # Days fit 16 bits until 2149, so one integer orders rows by event, then by knowledge; the
    # second of the event tells the last of two rows of one day.
    stamp = nw.col("moment") * 65536 + nw.col("known_day")
    old = nw.col("as_of_day") - nw.col("event_day") > before
    newest = nw.when(old).then(stamp).max().over("place", entity)
    return (old & (stamp == newest)).fill_null(False).alias(state_column(before))


def _filled(table: pa.Table, parts: dict[str, Part], rows: int) -> list[Array]:
    place = table["place"].to_numpy()
    filled = []
    for name, part in parts.items():
        column = np.full(rows, part.empty)
        found = pc.cast(table[name], pa.float64()).to_numpy(zero_copy_only=False)
        column[place] = np.where(np.isnan(found), part.empty, found)
        filled.append(column)
    return filled
