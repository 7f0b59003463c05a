"""One model's answers for some customers as a table: what a part of a book is made of."""

import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from features.definition import Array
from serving.book.ranking import codes
from serving.credit import with_credit
from serving.scoring import Model
from training.labels import SCORABLE
from training.losses import Exposure

Column: TypeAlias = pa.StringArray | pa.DoubleArray


def scored(
    model: Model,
    customers: Sequence[str],
    rows: Array,
    standing: Sequence[str],
    owed: Mapping[str, Exposure],
) -> pa.Table:
    """The answers of one model, one row a customer, the same whoever else is in the part.

    Args:
        rows: what the model reads of each profile, shape (customers, profiled features).
        standing: for each customer scorable, or why not: without a number.
    """
    card = model.release.card
    fits = np.array([told == SCORABLE for told in standing], dtype=np.bool_)
    asked = np.ascontiguousarray(rows[fits])
    columns: dict[str, Column] = {
        "customer_id": pa.array(customers, pa.string()),
        "status": pa.array(standing, pa.string()),
        "base_value": _placed(np.full(len(asked), model.explainer.base_value), fits),
    }
    for horizon in (card.horizon_days, *(h for h in card.horizons if h != card.horizon_days)):
        main = horizon == card.horizon_days
        found = _explained(model, asked, horizon, fits, with_reasons=main)
        columns |= {name if main else f"{name}@{horizon}": told for name, told in found.items()}
    return with_credit(card, pa.table(columns), owed)


def _explained(
    model: Model, asked: Array, horizon: int, fits: NDArray[np.bool_], *, with_reasons: bool
) -> dict[str, Column]:
    card = model.release.card
    # One thread: the models of a part take turns on the processors.
    margins, contributions = model.explainer.explain(model.inputs(asked, horizon), threads=1)
    values = np.array([model.value(m) for m in margins.tolist()], dtype=np.float64)
    found = {"margin": margins, "value": values}
    if card.spread:
        found |= dict(zip(("low", "high"), card.spread.intervals(margins), strict=True))
    told = {name: _placed(column, fits) for name, column in found.items()}
    if with_reasons:
        told["reasons"] = _named(codes(contributions, card.features), fits)
    by_feature = np.ascontiguousarray(contributions.T)
    return told | {f: _placed(by_feature[at], fits) for at, f in enumerate(card.features)}


def _placed(values: Array, fits: NDArray[np.bool_]) -> Column:
    """A column with a number for whom the question fits, and NaN for the others."""
    column = np.full(len(fits), math.nan)
    column[fits] = values
    return pa.array(column, pa.float64())


def _named(told: list[str], fits: NDArray[np.bool_]) -> Column:
    column = np.full(len(fits), None, dtype=object)
    column[fits] = told
    return pa.array(column, pa.string())
