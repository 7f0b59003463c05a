"""What a feature's author works with: dated facts, their columns, and measures over them.

Nothing here is computed: a measure names integer aggregates over chosen rows, which an engine
answers, and the arithmetic that follows in numpy. An aggregate never mentions the as-of day
except through its rows, so any engine may answer it in its own way and with the same integers.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, cast

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from data.errors import FeatureError

Array = NDArray[np.float64]
Aggregate = Literal["sum", "count", "min", "max", "distinct", "day_sum", "as_of"]


@dataclass(frozen=True)
class Cut:
    """Where a state is read: so many days before the last day, or at the end of a past month."""

    days: int = 0
    months: int = 0

    @property
    def name(self) -> str:
        """Name of the engine's marker for the newest row up to the cut."""
        return f"state_{self.months}m" if self.months else f"state_{self.days}d"


@dataclass(frozen=True, eq=False)
class Rows:
    """Which facts are meant.

    Attributes:
        condition: what must hold of the row itself.
        oldest: greatest age in days, None for any.
        youngest: the age in days that must be exceeded.
        state: only the newest row of each entity up to this cut.
    """

    condition: nw.Expr | None = None
    oldest: int | None = None
    youngest: int = 0
    state: Cut | None = None


@dataclass(frozen=True, eq=False)
class Part:
    """One integer aggregate that the engine computes; ``empty`` stands where there is no row."""

    aggregate: Aggregate
    value: nw.Expr | None
    rows: Rows
    empty: float


@dataclass(frozen=True, eq=False)
class Measure:
    """Arithmetic over engine aggregates: a number for each row of a spine."""

    parts: tuple[Part, ...]
    combine: Callable[..., Array]

    def __neg__(self) -> "Measure":
        return Measure(self.parts, lambda *arrays: -self.combine(*arrays))

    def __add__(self, other: "Measure") -> "Measure":
        return self._with(other, np.add)

    def __sub__(self, other: "Measure") -> "Measure":
        return self._with(other, np.subtract)

    def __truediv__(self, other: "Measure") -> "Measure":
        return self._with(other, quotient)

    def _with(self, other: "Measure", operation: Callable[[Array, Array], Array]) -> "Measure":
        return together((self, other), operation)


def together(measures: tuple[Measure, ...], combine: Callable[..., Array]) -> Measure:
    """One measure out of several: ``combine`` gets an array of each."""

    def combined(*arrays: Array) -> Array:
        rest = iter(arrays)
        return combine(*(m.combine(*(next(rest) for _ in m.parts)) for m in measures))

    return Measure(tuple(part for m in measures for part in m.parts), combined)


def quotient(numerator: Array, denominator: Array) -> Array:
    """Division that is missing, not infinite, where the denominator is zero."""
    out = np.full(np.shape(numerator), np.nan)
    np.divide(numerator, denominator, out=out, where=denominator != 0)
    return out


class Column:
    """A column of facts, narrowed to some of the rows."""

    def __init__(self, expr: nw.Expr, rows: Rows) -> None:
        self.expr, self._rows = expr, rows

    def sum(self) -> Measure:
        """Total; 0 where there is no row."""
        return self._part("sum", 0.0)

    def max(self) -> Measure:
        """Largest; missing where there is no row."""
        return self._part("max", np.nan)

    def min(self) -> Measure:
        """Smallest; missing where there is no row."""
        return self._part("min", np.nan)

    def count(self) -> Measure:
        """How many rows with a value; 0 where there is no row."""
        return self._part("count", 0.0)

    def distinct(self) -> Measure:
        """How many different values, nulls aside; 0 where there is no row."""
        return self._part("distinct", 0.0)

    def daily_average(self, days: int) -> Measure:
        """Mean over the last ``days`` days of what the states of the entities add up to."""
        rows = replace(self._rows, oldest=days)
        part = Part("day_sum", self.expr, rows, 0.0)
        return Measure((part,), lambda total: total / days)

    def _part(self, aggregate: Aggregate, empty: float) -> Measure:
        return Measure((Part(aggregate, self.expr, self._rows, empty),), lambda array: array)

    def isin(self, *values: str) -> nw.Expr:
        """Rows whose value is one of these."""
        return self.expr.is_in(list(values))

    def known(self) -> nw.Expr:
        """Rows that have a value."""
        return ~self.expr.is_null()

    def __invert__(self) -> nw.Expr:
        return ~self.expr

    def __eq__(self, other: object) -> nw.Expr:  # type: ignore[override]  # builds a condition
        return self.expr == _bare(other)

    def __ne__(self, other: object) -> nw.Expr:  # type: ignore[override]  # builds a condition
        return self.expr != _bare(other)

    def __lt__(self, other: object) -> nw.Expr:
        return self.expr < _bare(other)

    def __gt__(self, other: object) -> nw.Expr:
        return self.expr > _bare(other)

    def __ge__(self, other: object) -> nw.Expr:
        return self.expr >= _bare(other)

    def __le__(self, other: object) -> nw.Expr:
        return self.expr <= _bare(other)

    def __sub__(self, other: object) -> "Column":
        return Column(self.expr - _bare(other), self._rows)

    def __add__(self, other: object) -> "Column":
        return Column(self.expr + _bare(other), self._rows)

    def __mul__(self, other: object) -> "Column":
        return Column(self.expr * _bare(other), self._rows)

    def __hash__(self) -> int:
        return id(self)


def _bare(value: object) -> nw.Expr:
    return value.expr if isinstance(value, Column) else nw.lit(cast("int | str", value))


class Age:
    """Whole days from the event to the as-of day."""

    def __init__(self, event_day: Column, as_of: Measure) -> None:
        self._event_day, self._as_of = event_day, as_of

    def min(self) -> Measure:
        """Days since the newest row; missing where there is no row."""
        return self._as_of - self._event_day.max()

    def max(self) -> Measure:
        """Days since the oldest row; missing where there is no row."""
        return self._as_of - self._event_day.min()


class Facts:
    """The rows a feature may see: known, past, and inside its window."""

    def __init__(self, reader: str, source: str, columns: frozenset[str], rows: Rows) -> None:
        self._reader, self._source, self._columns, self._rows = reader, source, columns, rows

    def __getattr__(self, name: str) -> Column:
        if name.startswith("__"):
            raise AttributeError(name)
        if name not in self._columns:
            raise FeatureError(
                f"feature '{self._reader}' reads '{name}', which the source '{self._source}' does"
                f" not give. It gives {', '.join(sorted(self._columns))}."
            )
        return Column(nw.col(name), self._rows)

    @property
    def age(self) -> Age:
        """Whole days from the event to the as-of day."""
        return Age(self.event_day, self.as_of)

    @property
    def as_of(self) -> Measure:
        """The as-of day itself, in days since 1970-01-01."""
        return Measure((Part("as_of", None, self._rows, np.nan),), lambda day: day)

    def where(self, condition: nw.Expr | Column) -> "Facts":
        """Only the rows for which the condition holds."""
        told = condition.expr if isinstance(condition, Column) else condition
        before = self._rows.condition
        return self._with(condition=told if before is None else before & told)

    def last(self, days: int) -> "Facts":
        """Only the rows of the last ``days`` days."""
        before = self._rows.oldest
        return self._with(oldest=days if before is None else min(before, days))

    def before(self, days: int) -> "Facts":
        """Only the rows older than ``days`` days."""
        return self._with(youngest=max(self._rows.youngest, days))

    def latest(self, before: int = 0, *, month_end: int = 0) -> "Facts":
        """For each entity only the newest row.

        Args:
            before: the newest that is older than these days.
            month_end: the newest up to the end of the n-th last complete month.
        """
        return self._with(state=Cut(before, month_end))

    def count(self) -> Measure:
        """How many rows; 0 where there is none."""
        return self.event_day.count()

    def monthly(
        self, months: int, measured: Callable[["Facts"], Measure], combine: Callable[..., Array]
    ) -> Measure:
        """A measure of each of the last ``months`` times 30 days, oldest first, made into one."""
        slices = [self.last(30 * (n + 1)).before(30 * n) for n in reversed(range(months))]
        return together(tuple(measured(month) for month in slices), combine)

    def _with(self, **changes: object) -> "Facts":
        rows = replace(self._rows, **changes)  # type: ignore[arg-type]  # fields of Rows
        return Facts(self._reader, self._source, self._columns, rows)


def total(*arrays: Array) -> Array:
    """Sum in the order given: numpy's own sum adds one row and many rows in different orders."""
    added = arrays[0]
    for array in arrays[1:]:
        added = added + array
    return added


def mean(*arrays: Array) -> Array:
    """Mean of each place over the arrays."""
    return total(*arrays) / len(arrays)


def slope(*arrays: Array) -> Array:
    """Least-squares change from one array to the next, at each place."""
    middle = (len(arrays) - 1) / 2
    weights = [step - middle for step in range(len(arrays))]
    leaning = total(*(w * array for w, array in zip(weights, arrays, strict=True)))
    return leaning / sum(w * w for w in weights)


def spread(*arrays: Array) -> Array:
    """Standard deviation of each place over the arrays, over the size of their mean."""
    centre = mean(*arrays)
    deviation = np.sqrt(mean(*((array - centre) ** 2 for array in arrays)))
    return quotient(deviation, np.abs(centre))


def deviation(count: Array, first: Array, second: Array) -> Array:
    """Standard deviation from count, sum and sum of squares; missing below two values."""
    variance = quotient(second - quotient(first * first, count), count)
    return np.where(count < 2, np.nan, np.sqrt(np.maximum(variance, 0.0)))


def trend(count: Array, x: Array, y: Array, xx: Array, xy: Array) -> Array:
    """Least-squares slope of y on x from their power sums; missing where x does not vary."""
    return quotient(count * xy - x * y, count * xx - x * x)
