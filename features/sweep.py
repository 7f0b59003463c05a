"""Aggregates of dated facts for every row of a spine, in compiled passes over sorted facts.

A join of facts and spine holds every fact once for each as-of day that sees it: at 24 month-ends,
24 times. Here each fact is read once, sorted by customer, and every aggregate is a pass over each
customer's facts, with a binary search for the window. The integers are those of the join.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache
from threading import Lock

import narwhals as nw
import numpy as np
import polars as pl
import pyarrow as pa

from data.errors import FeatureError
from data.settings import settings
from features import kernels
from features.calendar import day_number, months_before, numbered_day
from features.definition import Source
from features.engines import DuckEngine
from features.facts import Array, Cut, Measure, Part
from features.kernels import FOREVER, Flags, Ints, Longs

_AGGREGATES = {
    "sum": kernels.SUM, "count": kernels.COUNT, "min": kernels.MIN, "max": kernels.MAX,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Spine:
    """The rows wanted, by customer and day, so that a pass finds a customer's facts at hand.

    Attributes:
        customer: the customer's number.
        place: where each row stands in the spine that was given.
        identifiers: the customers' identifiers and numbers.
        in_order: whether the spine given is in this order already.
    """

    customer: Ints
    as_of: Ints
    place: Longs
    identifiers: pa.Table
    in_order: bool

    @classmethod
    def of(cls, rows: pa.Table) -> "Spine":
        """Number the customers of a spine."""
        names = rows["customer_id"].combine_chunks().dictionary_encode()
        numbers = np.arange(len(names.dictionary), dtype=np.int32)
        customer = names.indices.to_numpy(zero_copy_only=False).astype(np.int32)
        as_of = rows["as_of_day"].to_numpy().astype(np.int32)
        place = np.lexsort((as_of, customer))
        return cls(
            customer[place],
            as_of[place],
            place,
            pa.table({"customer_id": names.dictionary, "customer": pa.array(numbers)}),
            bool((np.diff(place) == 1).all()),
        )

    def as_given(self, found: Array) -> Array:
        """Numbers of the rows in the order in which they were given."""
        if np.shape(found) != self.place.shape:
            return found  # the caller tells whose fault it is
        if self.in_order:
            return found
        given = np.empty(len(found))
        given[self.place] = found
        return given

    def month_ends(self, months: int) -> Ints:
        """The end of the n-th last complete month before each row's day."""
        days, place = np.unique(self.as_of, return_inverse=True)
        ends = [day_number(months_before(numbered_day(int(day)), months)) for day in days]
        return np.array(ends, np.int32)[place]


class Sorted:
    """The facts of a source about the customers of a spine, by customer, entity and day."""

    def __init__(self, engine: DuckEngine, source: Source, spine: Spine) -> None:
        self._customers = spine.identifiers.num_rows
        self.entity = "customer" if source.entity == "customer_id" else source.entity
        self.frame = _read(engine, source, spine)
        self.customer = self._column("customer")
        self.event, self.known = self._column("event_day"), self._column("known_day")
        self.kept_of = lru_cache(maxsize=4)(self._kept_of)
        self._lock = Lock()

    def _column(self, name: str) -> Ints:
        return self.frame[name].to_numpy().astype(np.int32)

    def starts(self, customer: Ints) -> Longs:
        """Where each customer's facts begin, and where the last one's end."""
        counts = np.bincount(customer, minlength=self._customers)
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    def values(self, part: Part) -> tuple[pl.Series, Flags]:
        """A part's value for each fact, and which facts it is to be taken of."""
        value = nw.col("event_day") if part.value is None else part.value
        condition = nw.lit(True) if part.rows.condition is None else part.rows.condition
        frame = nw.from_native(self.frame)
        found = frame.select(value.alias("value"), condition.alias("kept")).to_native()
        kept = found["kept"].fill_null(False) & found["value"].is_not_null()
        return found["value"], kept.to_numpy()

    def kept(self, part: Part) -> "Kept":
        """The facts a part is to be taken of, by customer and day; kept for the next window."""
        with self._lock:
            return self.kept_of(Asked(part))

    def _kept_of(self, asked: "Asked") -> "Kept":
        value, kept = self.values(asked.part)
        some = np.flatnonzero(kept)
        if self.entity:
            some = some[np.lexsort((self.event[some], self.customer[some]))]
        return Kept(
            self.starts(self.customer[some]), self.event[some], self.known[some], value.gather(some)
        )

    @cached_property
    def stamp(self) -> Longs:
        """What orders the facts of an entity: the second they happened, then the day known."""
        return self.frame["moment"].to_numpy().astype(np.int64) * 65536 + self.known

    @cached_property
    def by_entity(self) -> tuple[Longs, Longs]:
        """Where each entity's facts begin, and where each customer's entities do."""
        names = self.frame[self.entity or "customer"].to_physical().rle_id().to_numpy()
        new = np.ones(len(names), np.bool_)
        new[1:] = (names[1:] != names[:-1]) | (self.customer[1:] != self.customer[:-1])
        starts = np.flatnonzero(new)
        return np.append(starts, len(names)).astype(np.int64), self.starts(self.customer[starts])


@dataclass(frozen=True, eq=False)
class Kept:
    """Some of the facts, by customer and day."""

    starts: Longs
    event: Ints
    known: Ints
    value: pl.Series


class Asked:
    """A part as far as it chooses facts and their value: windows of one function are equal."""

    def __init__(self, part: Part) -> None:
        self.part, self._text = part, f"{part.value!r} {part.rows.condition!r}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Asked) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


def _read(engine: DuckEngine, source: Source, spine: Spine) -> pl.DataFrame:
    engine.connection.register("identifiers", spine.identifiers)
    columns = sorted(engine.rows(source).columns)
    # Tied states stand in the order of all that they say, so that the last one is always the same.
    order = ["event_day", "known_day"]
    if source.entity:
        order = list(dict.fromkeys([source.entity, "event_day", "moment", "known_day", *columns]))
        order.remove("customer_id")
    last = int(spine.as_of.max(initial=0))
    rows = engine.connection.sql(
        f"SELECT f.* EXCLUDE (customer_id), i.customer FROM ({engine.query(source)}) f"
        " JOIN identifiers i ON f.customer_id = i.customer_id"
        f" WHERE f.event_day < {last} AND f.known_day < {last}"
        f" ORDER BY {', '.join(['i.customer', *(f'f.{name}' for name in order)])}"
    ).to_arrow_table()
    frame = pl.from_arrow(rows)
    assert isinstance(frame, pl.DataFrame)
    return frame.with_columns(
        pl.col("event_day", "known_day").cast(pl.Int64), pl.col(pl.String).cast(pl.Categorical)
    )


def swept(
    engine: DuckEngine, rows: pa.Table, source: Source, measures: dict[str, Measure]
) -> dict[str, Array]:
    """An array for each measure of a source, with a number for each row of the spine."""
    spine = Spine.of(rows)
    facts = Sorted(engine, source, spine)
    cuts = {p.rows.state: None for m in measures.values() for p in m.parts if p.rows.state}
    standing = {cut: _states(facts, spine, cut) for cut in cuts}

    def answer(name: str) -> Array:
        parts = measures[name].parts
        try:
            found = measures[name].combine(*(_answer(facts, spine, standing, p) for p in parts))
        except (FeatureError, pl.exceptions.PolarsError) as error:
            raise FeatureError(f"feature '{name}' cannot be reckoned: {error}") from None
        return spine.as_given(found)

    with ThreadPoolExecutor(settings().threads) as pool:
        return dict(zip(measures, pool.map(answer, measures), strict=True))


States = tuple[Longs, Ints]


def _states(facts: Sorted, spine: Spine, cut: Cut) -> States:
    last = spine.month_ends(cut.months) if cut.months else spine.as_of - np.int32(cut.days + 1)
    offsets, places = np.zeros(len(spine.customer) + 1, np.int64), np.zeros(0, np.int32)
    starts, entities = facts.by_entity
    for _ in ("count", "write"):
        count = kernels.states(
            starts, entities, facts.event, facts.known, facts.stamp,
            spine.customer, spine.as_of, last, offsets, places,
        )  # fmt: skip
        places = places if len(places) else np.zeros(count, np.int32)
    return offsets, places


def _answer(facts: Sorted, spine: Spine, standing: dict[Cut, States], part: Part) -> Array:
    if part.aggregate == "as_of":
        return spine.as_of.astype(np.float64)
    out = np.empty(len(spine.customer))
    oldest = FOREVER if part.rows.oldest is None else part.rows.oldest
    if part.aggregate == "day_sum" or part.rows.state:
        _over_entities(facts, spine, standing, part, oldest, out)
    else:
        _over_window(facts, spine, part, oldest, out)
    return out


def _over_entities(
    facts: Sorted, spine: Spine, standing: dict[Cut, States], part: Part, oldest: int,
    out: Array,
) -> None:  # fmt: skip
    value, kept = facts.values(part)
    if part.rows.state and part.aggregate == "distinct":
        out[:] = _distinct_states(*standing[part.rows.state], _codes(value), kept, len(out))
        return
    numbers = _numbers(value)
    if part.rows.state:
        kernels.over_states(
            _AGGREGATES[part.aggregate], *standing[part.rows.state], facts.event, numbers, kept,
            spine.as_of, oldest, part.rows.youngest, part.empty, out,
        )  # fmt: skip
        return
    kernels.day_sums(
        *facts.by_entity, facts.event, facts.known, numbers, kept,
        spine.customer, spine.as_of, oldest, out,
    )  # fmt: skip


def _over_window(facts: Sorted, spine: Spine, part: Part, oldest: int, out: Array) -> None:
    some, ages = facts.kept(part), (oldest, part.rows.youngest)
    if part.aggregate == "distinct":
        code = _codes(some.value)
        kernels.window_distinct(
            some.starts, some.event, some.known, code, int(code.max(initial=-1)) + 1,
            spine.customer, spine.as_of, *ages, out,
        )  # fmt: skip
        return
    kernels.window(
        _AGGREGATES[part.aggregate], some.starts, some.event, some.known, _numbers(some.value),
        spine.customer, spine.as_of, *ages, part.empty, out,
    )  # fmt: skip


def _distinct_states(offsets: Longs, places: Ints, code: Longs, kept: Flags, rows: int) -> Longs:
    row = np.repeat(np.arange(rows), np.diff(offsets))[kept[places]]
    codes = int(code.max(initial=0)) + 1
    pairs = np.unique(row * codes + code[places[kept[places]]])
    return np.bincount(pairs // codes, minlength=rows)


def _codes(value: pl.Series) -> Longs:
    return value.to_physical().rank("dense").fill_null(0).cast(pl.Int64).to_numpy() - 1


def _numbers(value: pl.Series) -> Longs:
    """Whole numbers; of text, which can only be counted, the presence is enough."""
    if value.dtype in (pl.String, pl.Categorical):
        return np.zeros(len(value), np.int64)
    if not (value.dtype.is_integer() or value.dtype == pl.Boolean):
        raise FeatureError(f"{value.dtype} is added up; engines add whole numbers only.")
    return value.cast(pl.Int64).fill_null(0).to_numpy()
