"""Where each customer stands on the day of a book: to each question, and what they owe."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pandas as pd
import pyarrow as pa

from data.terminal import Report
from data.warehouse import Warehouse, canonical_json
from features.profile import Profiles
from serving.scoring import Model
from training.labels import SCORABLE, LabelContract, statuses
from training.losses import Exposure, as_json, exposures, loss_rates, of_json
from training.recipes import recipes

EXPOSURE = "exposure"


def standing_of(
    warehouse: Warehouse,
    models: Mapping[str, Model],
    customers: Sequence[str],
    as_of: date,
    features: tuple[str, ...],
    report: Report,
) -> pa.Table:
    """A row a customer: customer_id, exposure (JSON or null), and a column a model.

    A model's column says scorable, or why not. The labels are asked once for the whole bank; what is
    kept are a few bytes a customer and question.
    """
    owed = _owed(warehouse, as_of, customers)
    columns: dict[str, Any] = {"customer_id": pa.array(customers, pa.string()), EXPOSURE: owed}
    spine = pd.DataFrame({"customer_id": customers, "as_of": as_of})
    labels = {r.name: r.label for r in recipes(warehouse.manifest.tables)}
    for number, (name, model) in enumerate(models.items()):
        report("standing", number, len(models))
        told = standing(warehouse, labels.get(name), model, spine, features)
        columns[name] = pa.array(told, pa.string()).dictionary_encode()
    return pa.table(columns)


def standing(
    warehouse: Warehouse,
    label: LabelContract | None,
    model: Model,
    spine: pd.DataFrame,
    features: tuple[str, ...],
) -> list[str]:
    """For each row of a spine: scorable, or why the model does not score it."""
    if label is None:
        return ["these data are not asked this"] * len(spine)
    if lacking := model.lacks(features):
        return [lacking] * len(spine)
    return statuses(warehouse, label, spine)


def standing_of_profiles(
    warehouse: Warehouse, models: Mapping[str, Model], profiles: Profiles
) -> list[dict[str, str]]:
    """For each profile: model -> scorable, or why not."""
    labels = {r.name: r.label for r in recipes(warehouse.manifest.tables)}
    told = {
        name: standing(warehouse, labels.get(name), model, profiles.frame, profiles.features)
        for name, model in models.items()
    }
    return [
        {name: words[place] for name, words in told.items()} for place in range(len(profiles.frame))
    ]


def _owed(warehouse: Warehouse, as_of: date, customers: Sequence[str]) -> pa.StringArray:
    found = exposures(warehouse, as_of, loss_rates(warehouse, as_of))
    texts = {customer: canonical_json(as_json(owed)) for customer, owed in found.items()}
    return pa.array([texts.get(customer) for customer in customers], pa.string())


def exposures_in(rows: pa.Table) -> dict[str, Exposure]:
    """Customer -> exposure, of the customers in some rows of a standing who have one."""
    pairs = zip(texts(rows["customer_id"]), texts(rows[EXPOSURE]), strict=True)
    found = {customer: of_json(json.loads(text)) for customer, text in pairs if text}
    return {customer: owed for customer, owed in found.items() if owed}


def counted(rows: pa.Table, model: str) -> tuple[int, dict[str, int]]:
    """How many a model scores, and how many not, by reason."""
    told = Counter(texts(rows[model]))
    return told.pop(SCORABLE, 0), dict(sorted(told.items()))


def texts(column: Any) -> list[Any]:
    """A column of texts, plain or dictionary, as a list; None where there is none."""
    return list(column.cast(pa.string()).to_pylist())
