"""What a feature is: one function over dated facts, whose body is one expression.

The engine trims the facts on both clocks before the function sees them, and it only counts,
compares, picks and adds integers; what divides is done once, here, in numpy, so that every
engine, thread count and batch size gives the same bits.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
DataClass = Literal["ordinary", "personal", "sensitive", "protected"]
Unit = Literal["money", "count", "days", "months", "years", "share", "ratio", "flag", "rate"]


@dataclass(frozen=True)
class Source:
    """Dated facts about customers.

    Attributes:
        tables: warehouse tables the facts are made of; all must have rows.
        query: SQL giving customer_id, event_day, known_day and the fact's columns.
        entity: the column whose latest row is a state (an account's balance), if any.
    """

    name: str
    about: str
    tables: tuple[str, ...]
    query: str
    entity: str | None = None


@dataclass(frozen=True, eq=False)
class Part:
    """One integer aggregate that the engine computes; ``empty`` stands where there is no row."""

    aggregate: nw.Expr
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
        split = len(self.parts)
        return Measure(
            self.parts + other.parts,
            lambda *arrays: operation(
                self.combine(*arrays[:split]), other.combine(*arrays[split:])
            ),
        )


def quotient(numerator: Array, denominator: Array) -> Array:
    """Division that is missing, not infinite, where the denominator is zero."""
    out = np.full(np.shape(numerator), np.nan)
    np.divide(numerator, denominator, out=out, where=denominator != 0)
    return out


class Column:
    """A column of facts, narrowed to some of the rows."""

    def __init__(self, expr: nw.Expr, guard: nw.Expr | None) -> None:
        self.expr, self.guard = expr, guard

    def sum(self) -> Measure:
        """Total; 0 where there is no row."""
        return self._part(self._kept().sum(), 0.0)

    def max(self) -> Measure:
        """Largest; missing where there is no row."""
        return self._part(self._kept().max(), np.nan)

    def min(self) -> Measure:
        """Smallest; missing where there is no row."""
        return self._part(self._kept().min(), np.nan)

    def count(self) -> Measure:
        """How many rows with a value; 0 where there is no row."""
        return self._part(self._kept().count(), 0.0)

    def distinct(self) -> Measure:
        """How many different values, nulls aside; 0 where there is no row."""
        kept = self._kept()
        nulls = Part(kept.is_null().cast(nw.Int64).sum(), 0.0)
        return Measure(
            (Part(kept.n_unique(), 0.0), nulls), lambda n, null: n - np.minimum(null, 1.0)
        )

    def _kept(self) -> nw.Expr:
        return self.expr if self.guard is None else nw.when(self.guard).then(self.expr)

    @staticmethod
    def _part(aggregate: nw.Expr, empty: float) -> Measure:
        return Measure((Part(aggregate, empty),), lambda array: array)

    def isin(self, *values: str) -> nw.Expr:
        """Rows whose value is one of these."""
        return self.expr.is_in(list(values))

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
        return Column(self.expr - _bare(other), self.guard)

    def __add__(self, other: object) -> "Column":
        return Column(self.expr + _bare(other), self.guard)

    def __hash__(self) -> int:
        return id(self)


def _bare(value: object) -> nw.Expr:
    return value.expr if isinstance(value, Column) else nw.lit(cast("int | str", value))


class Facts:
    """The rows a feature may see: known, past, and inside its window."""

    def __init__(self, entity: str | None, guard: nw.Expr | None, states: set[int]) -> None:
        self._entity, self._guard, self._states = entity, guard, states

    def __getattr__(self, name: str) -> Column:
        if name.startswith("_"):
            raise AttributeError(name)
        return Column(nw.col(name), self._guard)

    @property
    def age(self) -> Column:
        """Whole days from the event to the as-of day."""
        return self.as_of_day - self.event_day

    def where(self, condition: nw.Expr) -> "Facts":
        """Only the rows for which the condition holds."""
        guard = condition if self._guard is None else self._guard & condition
        return Facts(self._entity, guard, self._states)

    def last(self, days: int) -> "Facts":
        """Only the rows of the last ``days`` days."""
        return self.where(self.age <= days)

    def latest(self, before: int = 0) -> "Facts":
        """For each entity only the newest row that is older than ``before`` days."""
        self._states.add(before)
        return self.where(nw.col(state_column(before)))

    def count(self) -> Measure:
        """How many rows; 0 where there is none."""
        return self.event_day.count()


def state_column(before: int) -> str:
    """Name of the engine's marker for the newest row older than ``before`` days."""
    return f"latest_{before}"


@dataclass(frozen=True)
class Feature:
    """One column of a profile, as its author declared it."""

    name: str
    sentence: str
    unit: Unit
    data_class: DataClass
    subject: str
    reason: str
    source: Source | None = None
    days: int | None = None
    measure: Callable[[Facts], Measure] | None = None
    inputs: tuple["Feature", ...] = ()
    combine: Callable[..., Array] | None = None
    code: str = field(default="", repr=False)

    @property
    def sources(self) -> tuple[Source, ...]:
        """Every source the feature reads, through its inputs too."""
        own = (self.source,) if self.source else ()
        return own + tuple(s for feature in self.inputs for s in feature.sources)


def feature(
    source: Source,
    *,
    unit: Unit,
    days: int | None = None,
    reason: str = "",
    data_class: DataClass = "ordinary",
) -> Callable[[Callable[[Facts], Measure]], Feature]:
    """Declare a feature over one source.

    Args:
        source: the facts it reads.
        unit: what a person reads its value in.
        days: window; None reads everything ever known.
        reason: how a reason names it; the docstring's sentence where empty.
        data_class: protected attributes may stand in no recipe.
    """

    def declare(function: Callable[[Facts], Measure]) -> Feature:
        return Feature(
            source=source,
            days=days,
            measure=function,
            **_described(function, unit, data_class, reason),
        )

    return declare


def derived(
    *inputs: Feature,
    unit: Unit,
    reason: str = "",
    data_class: DataClass = "ordinary",
) -> Callable[[Callable[..., Array]], Feature]:
    """Declare a feature computed from other features' values."""

    def declare(function: Callable[..., Array]) -> Feature:
        return Feature(
            inputs=inputs, combine=function, **_described(function, unit, data_class, reason)
        )

    return declare


def _described(
    function: Callable[..., Any], unit: Unit, data_class: DataClass, reason: str
) -> dict[str, Any]:
    sentence = inspect.getdoc(function) or ""
    return {
        "name": function.__name__,
        "sentence": sentence,
        "unit": unit,
        "data_class": data_class,
        "subject": function.__module__.rsplit(".", 1)[-1],
        "reason": reason or sentence.rstrip("."),
        "code": inspect.getsource(function),
    }
