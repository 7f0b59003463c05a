"""Build profiles: every feature for every row of a spine, reading only what was known before."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import numpy as np
import pandas as pd
import pyarrow as pa

from data.checking import listed
from data.contribution import MADE_OF
from data.errors import FeatureError
from data.warehouse import CONTRIBUTIONS, Day, Manifest, Warehouse
from features.aggregation import joined
from features.calendar import day_number as day_number
from features.catalogue import CATALOGUE, feature_named
from features.definition import Array, Feature, Source
from features.engines import DuckEngine, Engine
from features.facts import Facts, Measure, Rows

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


def build(
    store: Warehouse | Engine,
    spine: pd.DataFrame,
    features: Iterable[str] | None = None,
    *,
    progress: Progress | None = None,
) -> Profiles:
    """Profiles for a spine of (customer_id, as_of) rows.

    A row reads only facts that had happened and were known strictly before its as-of day.

    Args:
        store: a warehouse, read with DuckDB, or an engine.
        spine: columns customer_id (str) and as_of (date); one row per profile wanted.
        features: names; None means the whole catalogue.

    Raises:
        FeatureError: an unknown feature; a spine without its columns, with a row twice, or with
            a row that names no customer or no day; a feature that is not one number a customer.
    """
    engine = DuckEngine(store) if isinstance(store, Warehouse) else store
    plan = planned(engine.manifest, features)
    rows = spine_table(spine)
    values = reckoned(engine, rows, plan, progress)
    stale = stale_on(engine.manifest, plan.present, spine["as_of"].unique())
    frame = _frame(spine, plan.present, values)
    return Profiles(frame, plan.present, plan.absent, engine.manifest.digest, stale)


@dataclass(frozen=True)
class Plan:
    """What is to be computed.

    Attributes:
        needed: the features and what they are computed from, inputs first.
        present: names of the features wanted that can be built.
        absent: feature -> why it cannot be.
    """

    needed: tuple[Feature, ...]
    present: tuple[str, ...]
    absent: dict[str, str]


def planned(manifest: Manifest, features: Iterable[str] | None) -> Plan:
    """Which features can be built from a state of the warehouse; None means the whole catalogue.

    Raises:
        FeatureError: an unknown feature.
    """
    wanted = [feature_named(name) for name in (features or CATALOGUE)]
    needed = _with_inputs(wanted)
    absent = _absent(needed, manifest.tables)
    names = dict.fromkeys(f.name for f in wanted if f.name not in absent)
    possible = tuple(f for f in needed if f.name not in absent)
    return Plan(possible, tuple(names), absent)


def reckoned(
    engine: Engine, rows: pa.Table, plan: Plan, progress: Progress | None = None
) -> dict[str, Array]:
    """A number for each row of a spine table and each feature of a plan, its inputs too.

    Raises:
        FeatureError: a feature that is not one number a customer, or whose source lacks a column.
    """
    values: dict[str, Array] = {}
    sources = {f.source.name: f.source for f in plan.needed if f.source}
    for number, source in enumerate(sources.values()):
        if progress:
            progress(source.name, number, len(sources))
        mine = [f for f in plan.needed if f.source is source]
        values |= _measured(engine, rows, source, mine)
    for feature in plan.needed:
        if feature.combine:
            found = feature.combine(*(values[i.name] for i in feature.inputs))
            values[feature.name] = _numbers(feature, found, rows.num_rows)
    return values


def _frame(
    spine: pd.DataFrame, features: tuple[str, ...], values: dict[str, Array]
) -> pd.DataFrame:
    """The profiles as one frame; takes the values out, so that they are not held twice."""
    matrix = np.empty((len(features), len(spine)))
    for place, name in enumerate(features):
        matrix[place] = values.pop(name)
    frame = pd.DataFrame(matrix.T, columns=list(features), copy=False)
    for key in ("as_of", "customer_id"):
        frame.insert(0, key, spine[key].reset_index(drop=True))
    return frame


def spine_table(spine: pd.DataFrame) -> pa.Table:
    """A spine as the engines take it: customer_id, as_of_day and place, the row's number.

    Raises:
        FeatureError: a column is missing, a row stands twice, or names no customer or no day.
    """
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
    days = spine["as_of"].map({day: _as_of_day(day) for day in spine["as_of"].unique()})
    return pa.table(
        {
            "customer_id": pa.array(spine["customer_id"], pa.string()),
            "as_of_day": pa.array(days, pa.int64()),
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


def stale_on(manifest: Manifest, names: Iterable[str], as_of: Iterable[object]) -> dict[str, str]:
    """Feature -> the days without a file that it would read for one of the as-of days."""
    stale = {}
    days = sorted({_as_of_day(day) for day in as_of})
    for feature in [CATALOGUE[name] for name in names]:
        reached = {gap for f in _with_inputs([feature]) for gap in _gaps(f, manifest, days)}
        tables = sorted({gap.table for gap in reached})
        named = (listed(sorted(str(g.day) for g in reached if g.table == t)) for t in tables)
        if tables:
            stale[feature.name] = "; ".join(map("{} lack {}".format, tables, named))
    return stale


def _gaps(feature: Feature, manifest: Manifest, as_of: Sequence[int]) -> list[Day]:
    """The missing days that the feature would read for one of the as-of days."""
    read, reach = feature.source.tables if feature.source else (), feature.days
    if CONTRIBUTIONS in read:
        read, reach = MADE_OF, None  # a month's position is the last before its end, however old
    found = []
    for gap in manifest.gaps:
        after = bisect_right(as_of, day_number(gap.day))  # the first as-of that lies behind the gap
        near = after < len(as_of) and (reach is None or as_of[after] - day_number(gap.day) <= reach)
        if gap.table in read and near:
            found.append(gap)
    return found


def _measured(
    engine: Engine, rows: pa.Table, source: Source, features: list[Feature]
) -> dict[str, Array]:
    columns = _readable(engine, source, features)
    measures = {f.name: _asked(f, source, columns) for f in features}
    found = _answered(engine, rows, source, measures)
    return {f.name: _numbers(f, found[f.name], rows.num_rows) for f in features}


def _answered(
    engine: Engine, rows: pa.Table, source: Source, measures: dict[str, Measure]
) -> dict[str, Array]:
    if not isinstance(engine, DuckEngine):
        return joined(engine, rows, source, measures)
    # Only here: numba takes a second to import, and most who import this module build nothing.
    from features.sweep import swept

    return swept(engine, rows, source, measures)


def _readable(engine: Engine, source: Source, features: list[Feature]) -> frozenset[str]:
    """The columns of a source, or an error that names who needs it."""
    try:
        return frozenset(engine.facts(source).collect_schema().names())
    except FeatureError as error:
        others = f" (and {len(features) - 1} more)" if len(features) > 1 else ""
        raise FeatureError(
            f"feature '{features[0].name}'{others} cannot be built: {error}"
        ) from None


def _asked(feature: Feature, source: Source, columns: frozenset[str]) -> Measure:
    facts = Facts(feature.name, source.name, columns, Rows(oldest=feature.days))
    measure = feature.measure(facts) if feature.measure else None
    if not isinstance(measure, Measure):
        raise FeatureError(
            f"feature '{feature.name}' must return one number a customer (a sum, count,"
            f" minimum, maximum or their arithmetic), not {type(measure).__name__}."
        )
    stateful = any(p.rows.state or p.aggregate == "day_sum" for p in measure.parts)
    if stateful and source.entity is None:
        raise FeatureError(
            f"feature '{feature.name}' asks for a state, but the source '{source.name}' has no"
            " entity whose latest row is one."
        )
    return measure


def _numbers(feature: Feature, found: object, rows: int) -> Array:
    if not isinstance(found, np.ndarray) or found.shape != (rows,):
        shape = getattr(found, "shape", type(found).__name__)
        raise FeatureError(
            f"feature '{feature.name}' must give one number a customer: for {rows} rows it gave"
            f" {shape}."
        )
    # Adding zero turns -0.0 into 0.0, so that equal numbers have equal bits.
    numbers: Array = found + 0.0
    return numbers
