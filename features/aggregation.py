"""Aggregates of dated facts for every row of a spine, by one query an engine and source."""

from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa

from features.calendar import day_number, months_before, numbered_day
from features.definition import Source
from features.engines import Engine
from features.facts import Array, Cut, Measure, Part

_EVENT, _KNOWN, _AS_OF = nw.col("event_day"), nw.col("known_day"), nw.col("as_of_day")
_AGE = _AS_OF - _EVENT
# Days fit 16 bits until 2149, so one integer orders rows by event, then by knowledge; the second
# of the event tells the last of two rows of one day.
_STAMP = nw.col("moment") * 65536 + _KNOWN


def joined(
    engine: Engine, spine: pa.Table, source: Source, measures: dict[str, Measure]
) -> dict[str, Array]:
    """An array for each measure of a source, with a number for each row of the spine.

    Args:
        spine: customer_id, as_of_day, and place: the row's number.
    """
    parts = [part for measure in measures.values() for part in measure.parts]
    arrays = iter(_aggregated(engine, spine, source, parts))
    return {
        name: measure.combine(*(next(arrays) for _ in measure.parts))
        for name, measure in measures.items()
    }


def _aggregated(engine: Engine, spine: pa.Table, source: Source, parts: list[Part]) -> list[Array]:
    cuts = sorted({p.rows.state for p in parts if p.rows.state}, key=lambda cut: cut.name)
    known = _trimmed(engine, _with_month_ends(spine, cuts), source, _longest(parts))
    for cut in cuts:
        known = known.with_columns(_is_state(source.entity or "", cut))
    if any(part.aggregate == "day_sum" for part in parts):
        columns = sorted(engine.facts(source).collect_schema().names())
        known = known.with_columns(_until(source.entity or "", columns))
    asked = {f"p{i}": p for i, p in enumerate(parts) if p.aggregate != "as_of"}
    rows = {} if not asked else _answers(known, asked)
    as_of = spine["as_of_day"].to_numpy().astype(np.float64)
    return [
        as_of if part.aggregate == "as_of" else _filled(rows, f"p{i}", part, spine.num_rows)
        for i, part in enumerate(parts)
    ]


def _answers(known: nw.LazyFrame[Any], asked: dict[str, Part]) -> dict[str, Array]:
    wanted = [_aggregate(part).alias(name) for name, part in asked.items()]
    table = known.group_by("place").agg(*wanted).collect("pyarrow").to_native()
    # Through 64 bits: DuckDB's wider sums would be rounded twice on their way to a float.
    return {
        name: table[name].cast(pa.int64()).cast(pa.float64(), safe=False).to_numpy()
        if name != "place"
        else table[name].to_numpy()
        for name in table.column_names
    }


def _filled(found: dict[str, Array], name: str, part: Part, rows: int) -> Array:
    column = np.full(rows, part.empty)
    column[found["place"].astype(np.int64)] = np.where(
        np.isnan(found[name]), part.empty, found[name]
    )
    return column


def _trimmed(
    engine: Engine, spine: pa.Table, source: Source, longest: int | None
) -> nw.LazyFrame[Any]:
    """Facts joined to the spine, both clocks strictly before the as-of day."""
    # In 64 bits, since Polars would add 32 bits up to 32.
    days = nw.col("event_day", "known_day").cast(nw.Int64)
    facts = engine.facts(source).with_columns(days)
    rows = engine.spine(spine).join(facts, on="customer_id", how="inner")
    seen = rows.filter(_EVENT < _AS_OF, _KNOWN < _AS_OF)
    return seen if longest is None else seen.filter(longest >= _AGE)


def _longest(parts: list[Part]) -> int | None:
    """The oldest age that any part looks at; None where one looks at everything."""
    ages = [
        None if p.aggregate == "day_sum" else p.rows.oldest for p in parts if p.aggregate != "as_of"
    ]
    bounded = [age for age in ages if age is not None]
    return max(bounded, default=0) if len(bounded) == len(ages) else None


def _with_month_ends(spine: pa.Table, cuts: list[Cut]) -> pa.Table:
    days, place = np.unique(spine["as_of_day"].to_numpy(), return_inverse=True)
    for months in [cut.months for cut in cuts if cut.months]:
        ends = [day_number(months_before(numbered_day(int(day)), months)) for day in days]
        column = np.array(ends, np.int64)[place]
        spine = spine.append_column(f"month_end_{months}", pa.array(column))
    return spine


def _is_state(entity: str, cut: Cut) -> nw.Expr:
    old = nw.col(f"month_end_{cut.months}") >= _EVENT if cut.months else cut.days < _AGE
    newest = nw.when(old).then(_STAMP).max().over("place", entity)
    return (old & (newest == _STAMP)).fill_null(False).alias(cut.name)


def _until(entity: str, columns: list[str]) -> nw.Expr:
    """The day on which the next state begins: the as-of day for the last one.

    Of states of one second and day the last is the one whose columns, by name, are the greatest.
    """
    order = dict.fromkeys(["moment", "known_day", *columns])
    following = _EVENT.shift(-1).over("place", entity, order_by=list(order))
    return nw.coalesce(following, _AS_OF).alias("until_day")


def _aggregate(part: Part) -> nw.Expr:
    value = part.value if part.value is not None else _EVENT
    if part.aggregate == "day_sum":
        return _day_sum(value, part)
    kept = _kept(value, part)
    match part.aggregate:
        case "sum":
            return kept.sum()
        case "count":
            return kept.count()
        case "min":
            return kept.min()
        case "max":
            return kept.max()
        case _:
            return kept.n_unique() - kept.is_null().cast(nw.Int64).max()


def _kept(value: nw.Expr, part: Part) -> nw.Expr:
    rows = part.rows
    conditions = [] if rows.condition is None else [rows.condition]
    if rows.oldest is not None:
        conditions.append(rows.oldest >= _AGE)
    if rows.youngest:
        conditions.append(rows.youngest < _AGE)
    if rows.state:
        conditions.append(nw.col(rows.state.name))
    return nw.when(*conditions).then(value) if conditions else value


def _day_sum(value: nw.Expr, part: Part) -> nw.Expr:
    """Each state's value times the days of the window on which it held."""
    opening = _AS_OF - (part.rows.oldest or 0)
    since = nw.when(opening < _EVENT).then(_EVENT).otherwise(opening)
    days = nw.col("until_day") - since
    held = days > 0 if part.rows.condition is None else (days > 0) & part.rows.condition
    return nw.when(held).then(value * days).sum()
