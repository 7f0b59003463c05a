"""Does the extrapolated value of five years come out? On a simulated bank, five years later.

A bank of nine years is simulated and known as it was after five. The model is made of that, as the
product does it, and its test rows are held against the discounted contribution that the bank then
realises. Customers are known for who they are, so that identification has no part in it. What is
realised has the luck of the draw in it: shares of what is attainable cannot be told.
"""

import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data.errors import TrainingError
from data.loading import load
from data.simulation import simulate
from data.sources import open_source
from data.terminal import note, progress, show_table
from data.warehouse import Warehouse
from experiments._home import home
from experiments._known_by import known_by
from experiments._true_bank import truly_identified
from features.calendar import months_before
from features.definition import Array
from features.spine import extent
from training.card import reliability
from training.judge import bootstrap, money_metrics
from training.labels import FIVE_YEARS
from training.labels.five_years import extrapolated
from training.labels.labelling import spine_query
from training.recipes import Recipe
from training.run import Made, NotTrained, train

CUSTOMERS, MONTHS, SEED = 7_000, 108, 1
QUICK_CUSTOMERS = 1_500
LATER = 48  # months: the test rows lie 13 to 15 months before the day the bank is known on
NAME = "lifetime_value.five_years"
Figures = dict[str, Any]


def realised(warehouse: Warehouse, rows: pd.DataFrame) -> Array:
    """The discounted contribution of five years of rows (customer_id, as_of), all observed."""
    how = FIVE_YEARS.extrapolation
    assert how is not None
    lived = replace(how, observed=how.months)
    return extrapolated(warehouse, lived, spine_query(rows), FIVE_YEARS.lag_days)


@dataclass
class Watcher:
    """Holds the model and its label against what the whole bank realised."""

    bank: Warehouse
    found: Figures = field(default_factory=dict)

    def __call__(self, recipe: Recipe, made: Made) -> None:
        rows, value = made.test_rows, made.said.calibrated
        label = rows["target"].to_numpy(np.float64)
        lived = realised(self.bank, rows)
        taught = realised(self.bank, made.train_rows)
        self.found = {
            "rows": len(rows),
            "model": against(rows, value, lived),
            "label": against(rows, label, lived),
            "model_on_label": against(rows, value, label),
            "label_taught_o_e": float(taught.sum() / made.train_rows["target"].sum()),
            "tenths": reliability(value, lived, "money"),
        }


def against(rows: pd.DataFrame, value: Array, lived: Array) -> Figures:
    """Gini over that of perfect foresight, slope, and O/E with its 95 % interval."""
    found = money_metrics(value, lived)
    span = bootstrap(rows, {"": lambda w: float((w @ lived) / (w @ value))})[""]
    return {
        "gini": found["normalised_gini"],
        "slope": found["calibration_slope"],
        "o_e": found["o_e"],
        "o_e_interval": list(span),
    }


def hold(files: Path, folder: Path, months: int) -> Figures:
    """The figures of the bank of ``files``, made under an empty folder.

    Raises:
        TrainingError: the bank is too small or too short for the model.
    """
    with home(folder / "home"):
        with progress("loading") as report:
            load(open_source("simulated", files), Warehouse(), progress=report)
        bank = truly_identified(Warehouse(), files, folder / "whole")
    with home(folder / "then"):
        day = months_before(extent(bank)[1], LATER)
        watcher = Watcher(bank)
        then = known_by(bank, day, Warehouse().folder)
        with progress("training") as report:
            (outcome,) = train(then, NAME, report=report, watch=watcher)
    if isinstance(outcome, NotTrained):
        raise TrainingError(f"{NAME} on {months} months: {outcome.reason}")
    return watcher.found


def show(found: Figures) -> None:
    """Print the figures, and by tenth of the model's value what was expected and what came."""
    names = {"model": "model", "label": "its label", "model_on_label": "model on its label"}
    rows = [
        (
            told,
            f"{f['gini']:.3f}",
            f"{f['slope']:.2f}",
            f"{f['o_e']:.2f}",
            "{:.2f} to {:.2f}".format(*f["o_e_interval"]),
        )
        for key, told in names.items()
        for f in [found[key]]
    ]
    title = f"Five years, held against what {found['rows']:,} rows realised"
    show_table(title, ("", "Gini", "slope", "O/E", "95 %"), rows)
    tenths = [
        (
            n,
            f"{t['expected']:,.0f}",
            f"{t['observed']:,.0f}",
            f"{t['low']:,.0f} to {t['high']:,.0f}",
        )
        for n, t in enumerate(found["tenths"], 1)
    ]
    show_table("By tenth of the value", ("tenth", "expected", "realised", "95 %"), tenths)


def run(quick: bool = False, customers: int | None = None, seed: int | None = None) -> Figures:
    """Simulate nine years, train on the first five, hold against the rest."""
    customers = customers or (QUICK_CUSTOMERS if quick else CUSTOMERS)
    seed = SEED if seed is None else seed
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder) / "bank"
        simulate(files, customers=customers, months=MONTHS, seed=seed)
        found = hold(files, Path(folder), MONTHS)
    show(found)
    note("Realised, so with the luck of the draw; on a bank of one's own nothing is held yet.")
    return {**found, "customers": customers, "months": MONTHS, "seed": seed}
