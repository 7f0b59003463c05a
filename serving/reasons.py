"""Contributions told as reasons, the strongest first."""

import math
from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from features.catalogue import CATALOGUE
from features.definition import Feature, Unit
from training.tables.columns import Column

MOST = 5
FLOOR = 0.02  # of the strongest contribution; below it a reason is noise


class Reason(BaseModel):
    """One reason: what it is about, where the customer stands, which way and how far it pushes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    feature: str
    text: str
    value: float | None
    typical: float | None
    contribution: float
    direction: str


def reasons(
    contributions: Mapping[str, float],
    values: Mapping[str, float],
    typical: Mapping[str, float | None],
) -> list[Reason]:
    """At most five reasons, strongest first, ties by name.

    Args:
        contributions: feature -> contribution on the model's scale.
        values: feature -> the customer's value, NaN where missing.
        typical: feature -> the median of the customers the model learnt from.
    """
    return [
        _reason(CATALOGUE[name], push, values[name], typical.get(name))
        for name, push in _strongest(contributions)
    ]


def column_reasons(
    columns: Sequence[Column],
    contributions: Mapping[str, float],
    values: Mapping[str, float],
    typical: Mapping[str, float | None],
) -> list[Reason]:
    """The same for a table's columns; a category's value is told in the text alone."""
    named = {column.name: column for column in columns}
    found = []
    for name, push in _strongest(contributions):
        column, value, usual = named[name], values[name], typical.get(name)
        told = "" if usual is None else f", typical {column.shown(usual)}"
        number = column.kind != "category"
        found.append(
            Reason(
                feature=name,
                text=f"{column.text}: {column.shown(value)}{told}",
                value=value if number and not math.isnan(value) else None,
                typical=usual if number else None,
                contribution=push,
                direction="raises" if push > 0 else "lowers",
            )
        )
    return found


def _strongest(contributions: Mapping[str, float]) -> list[tuple[str, float]]:
    ranked = sorted(contributions.items(), key=lambda item: (-abs(item[1]), item[0]))
    least = FLOOR * abs(ranked[0][1]) if ranked else 0.0
    return [(name, push) for name, push in ranked[:MOST] if push and abs(push) >= least]


def _reason(feature: Feature, push: float, value: float, typical: float | None) -> Reason:
    direction = "raises" if push > 0 else "lowers"
    usual = "" if typical is None else f", typical {shown(typical, feature.unit)}"
    return Reason(
        feature=feature.name,
        text=f"{feature.reason}: {shown(value, feature.unit)}{usual}",
        value=None if math.isnan(value) else value,
        typical=typical,
        contribution=push,
        direction=direction,
    )


def shown(value: float, unit: Unit) -> str:
    """A value as a person reads it; money is kept in minor units, rates in millionths."""
    if math.isnan(value):
        return "none"
    match unit:
        case "money":
            return f"{value / 100:,.0f}"
        case "share":
            return f"{value:.0%}"
        case "rate":
            return f"{value / 1e6:.1%}"
        case "ratio":
            return f"{value:.2f}"
        case "flag":
            return "yes" if value else "no"
        case "count" | "tier":
            return f"{value:,.0f}"
        case _:
            return f"{value:,.0f} {unit}"
