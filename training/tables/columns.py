"""What a table's release knows of its columns, and how a value becomes what the trees read."""

import math
from collections.abc import Mapping
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from data.errors import BadFeatures
from features.definition import Array

Kind = Literal["number", "flag", "category"]
Value = float | int | bool | str | None
MOST_NAMED = 5
_LONGEST = 64


class Column(BaseModel):
    """One column that a model reads, with its code book.

    A category's code is its place in ``categories``, the commonest first; whatever else it holds
    has the code after the last. ``low`` and ``high`` are the smallest and largest number that the
    training saw, ``common`` the commonest category, ``missing`` whether it ever saw none.
    ``direction`` is +1 where a higher value may only raise the score, -1 where it may only lower it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: Kind
    about: str = ""
    categories: tuple[str, ...] = ()
    direction: Literal[-1, 0, 1] = 0
    data_class: Literal["ordinary", "protected"] = "ordinary"
    low: float | None = None
    high: float | None = None
    missing: bool = False

    @property
    def text(self) -> str:
        """What people call it: what it was declared to be about, else its name."""
        return self.about or self.name

    def code(self, category: str) -> float:
        """The code of a category."""
        place = self._places.get(category)
        return float(len(self.categories) if place is None else place)

    @property
    def _places(self) -> dict[str, int]:
        return {category: place for place, category in enumerate(self.categories)}

    def shown(self, value: float) -> str:
        """A coded value as a person reads it."""
        if math.isnan(value):
            return "none"
        if self.kind == "flag":
            return "yes" if value else "no"
        if self.kind == "number":
            return f"{value:,.0f}" if value == round(value) else f"{value:,.4g}"
        return self.categories[int(value)] if value < len(self.categories) else "another"


def coded(columns: tuple[Column, ...], given: Mapping[str, Value]) -> tuple[Array, list[str]]:
    """A row of the trees (features,) from values by name, and what is remarkable about them.

    A number beyond what the training saw counts as the trees count it: like the farthest they
    know. A category that the code book does not name is read as the rare ones are. Both are
    remarked on.

    Raises:
        BadFeatures: values that are absent, unknown, of another kind, or missing where the
            training never saw one missing; all faults at once.
    """
    faults = _absent(columns, given)
    row, remarks = np.full(len(columns), np.nan), []
    for place, column in enumerate(columns):
        if column.name not in given:
            continue
        value = given[column.name]
        fault = _fault(column, value)
        if fault:
            faults.append(f"{column.name} {fault}")
        elif value is not None:
            row[place] = _coded(column, value)
            remarks += _remark(column, row[place])
    if faults:
        more = f"; and {len(faults) - MOST_NAMED} more" if len(faults) > MOST_NAMED else ""
        raise BadFeatures(f"features: {'; '.join(faults[:MOST_NAMED])}{more}.")
    return row, remarks


def _absent(columns: tuple[Column, ...], given: Mapping[str, Value]) -> list[str]:
    known = {column.name for column in columns}
    return [
        *(f"{_named(name)} is not a feature of this model" for name in given if name not in known),
        *(f"{one.name} is missing{_hint(one)}" for one in columns if one.name not in given),
    ]


def _hint(column: Column) -> str:
    return " (send null where it is not known)" if column.missing else ""


def _named(name: str) -> str:
    return name if name.isprintable() and len(name) <= _LONGEST else "one with an impossible name"


def _fault(column: Column, value: Value) -> str:
    if value is None:
        never = "is null, and the training never saw it missing; send its value"
        return "" if column.missing else never
    match column.kind:
        case "flag":
            return "" if isinstance(value, bool) else "must be true or false"
        case "category":
            text = isinstance(value, str) or (
                isinstance(value, int) and not isinstance(value, bool)
            )
            return "" if text else "is a category: send its text"
        case _:
            number = isinstance(value, int | float) and not isinstance(value, bool)
            return "" if number and _finite(value) else "must be a finite number"


def _finite(value: Value) -> bool:
    try:
        return math.isfinite(float(value or 0))
    except OverflowError:
        return False


def _coded(column: Column, value: float | int | bool | str) -> float:
    return column.code(str(value).strip()) if column.kind == "category" else float(value)


def _remark(column: Column, value: float) -> list[str]:
    if column.kind == "category" and value >= len(column.categories):
        return [f"{column.name}: not among the categories the model knows, read as a rare one"]
    if column.low is None or column.high is None or column.low <= value <= column.high:
        return []
    low, high = column.shown(column.low), column.shown(column.high)
    return [f"{column.name}: beyond the {low} to {high} that the training saw"]
