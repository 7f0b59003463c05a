"""How much of what can be known do the models know, on a bank whose truth is written down?

A bank is simulated, loaded and trained on as the product does it. Then every model is held, on the
very rows it is judged on, against the true chances: each row counts as an event with its chance p
and as a non-event with 1 - p, so that no figure depends on the luck of the draw. The truth's own
Gini is the most that any model could reach, and a model's share is its Gini over that. For money
the expectation stands in for what was realised, and Ginis are over that of perfect foresight. A
plain logistic regression on the same rows shows what trees add. No expectation of five years is
written down: their value is held against what a longer bank realises (see ``five_years``).
"""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from scipy.special import expit

from data.database import migrated
from data.loading import load
from data.simulation import simulate
from data.sources import open_source
from data.terminal import note, progress, show_table
from data.warehouse import CROSSWALK, Warehouse
from experiments import five_years
from experiments._home import home
from features.definition import Array
from features.identity.run import identify
from training.fit import calibrate
from training.judge import auc, concentration, margins, within_date
from training.recipes import Recipe
from training.rivals import plain_logistic
from training.run import Made, NotTrained, train

CUSTOMERS, MONTHS, SEED = 20_000, 60, 1
QUICK_CUSTOMERS, QUICK_MONTHS = 2_000, 48
TRUTH = {
    "churn": "churn_6m",
    "credit_risk": "default_12m",
    "lifetime_value": "contribution_12m",
}
CHURN = {91: "churn_3m", 182: "churn_6m", 365: "churn_12m"}
Figures = dict[str, Any]


@dataclass(frozen=True)
class Truth:
    """The truth of a simulated bank: its folder, and the person behind each customer."""

    folder: Path
    persons: pd.Series

    @classmethod
    def of(cls, warehouse: Warehouse, files: Path) -> "Truth":
        """The truth beside the files that the warehouse holds.

        A customer is the person whom most of its records are about.
        """
        records = pq.read_table(files / "truth" / "records").to_pandas()
        identified = CROSSWALK in warehouse.manifest.tables
        owner = "customer_id FROM owners" if identified else "record_id AS customer_id FROM records"
        behind = warehouse.frame(
            f"SELECT o.customer_id, mode(person_id) AS person_id FROM records"
            f" JOIN (SELECT record_id, {owner}) o USING (record_id) GROUP BY 1",
            records=records,
        )
        return cls(files / "truth", behind.set_index("customer_id")["person_id"])

    @staticmethod
    def tells(name: str) -> bool:
        """Whether there is a truth for a model: of run-off, new credit and five years none is told."""
        return name in TRUTH or name.startswith("propensity.")

    def about(self, rows: pd.DataFrame, name: str, horizon: int | None = None) -> Array:
        """The true chance, or expected money, of each row of (customer_id, as_of).

        NaN where the truth tells none. ``name`` is a model's, such as churn or propensity.fund;
        ``horizon`` one of those of churn, in days.
        """
        column = TRUTH.get(name) or f"take_up_{name.partition('.')[2]}"
        column = column if horizon is None else CHURN[horizon]
        told = pq.read_table(self.folder / "probabilities", columns=["person_id", "as_of", column])
        asked = pd.DataFrame(
            {"person_id": rows["customer_id"].map(self.persons), "as_of": rows["as_of"]}
        )
        found = asked.merge(told.to_pandas(), on=["person_id", "as_of"], how="left")
        return found[column].to_numpy(np.float64)


def chance_figures(margin: Array, chance: Array, dates: pd.Series) -> Figures:
    """Gini, calibration and ranking within dates of a classifier's margins, free of luck."""
    ours, attainable = 2 * auc(margin, chance) - 1, 2 * auc(chance, chance) - 1
    mine, best = (2 * within_date(dates, score, chance) - 1 for score in (margin, chance))
    return {
        "ours": ours,
        "attainable": attainable,
        "share": ours / attainable,
        "share_within_date": mine / best,
        "o_e": float(chance.sum() / expit(margin).sum()),
        "slope": calibrate(margin, chance, "probability").slope,
    }


def money_figures(value: Array, expected: Array, realised: Array) -> Figures:
    """Gini, calibration of an amount, free of luck; Ginis are over that of perfect foresight."""
    foresight = concentration(realised, realised)
    ours = concentration(value, expected) / foresight
    attainable = concentration(expected, expected) / foresight
    return {
        "ours": ours,
        "attainable": attainable,
        "share": ours / attainable,
        "o_e": float(expected.sum() / value.sum()),
        "slope": calibrate(value, expected, "money").slope,
    }


@dataclass
class Watcher:
    """Holds every model that is made against the truth."""

    truth: Truth
    found: dict[str, Figures] = field(default_factory=dict)

    def __call__(self, recipe: Recipe, made: Made) -> None:
        if not self.truth.tells(recipe.name):
            return
        chance = self.truth.about(made.test_rows, recipe.name)
        known = ~np.isnan(chance)
        test, chance = made.test_rows[known].reset_index(drop=True), chance[known]
        margin, target = margins(made.fitted, test).calibrated, test["target"].to_numpy(np.float64)
        metrics = made.judgement.metrics
        if recipe.label.answer == "money":
            figures = money_figures(margin, chance, target)
            luck = {
                "normalised_gini": metrics["normalised_gini"],
                "o_e": metrics["o_e"],
                "slope": calibrate(margin, target, "money").slope,
            }
        else:
            figures = chance_figures(margin, chance, test["as_of"])
            logistic = plain_logistic(made.train_rows, test, list(made.fitted.features))
            figures["logistic_share"] = (2 * auc(logistic, chance) - 1) / figures["attainable"]
            luck = {
                "auc": metrics["auc"],
                "auc_within_date": metrics.get("auc_within_date", float("nan")),
                "o_e": metrics["o_e"],
                "slope": metrics["calibration_slope"],
            }
        taught = self.truth.about(made.train_rows, recipe.name)
        self.found[recipe.name] = {
            **figures,
            # How far the level moved from the training dates to the test dates: what no model
            # that looks at customers only can foresee.
            "shift": float(chance.mean() / np.nanmean(taught)),
            "true_over_drawn": float(chance.sum() / target.sum()),
            "rows": len(test),
            "rows_without_truth": int((~known).sum()),
            "train_rows": len(made.train_rows),
            "events": int(made.judgement.events),
            "realised": luck,
            **self._horizons(made),
        }

    def _horizons(self, made: Made) -> Figures:
        """The figures of each horizon where a model answers several."""
        if len(made.horizons) == 1:
            return {}
        found = {}
        for days, rows in made.horizons.items():
            chance = self.truth.about(rows, "churn", days)
            known = ~np.isnan(chance)
            test = rows[known].reset_index(drop=True)
            margin = margins(made.fitted, test).calibrated
            found[f"{days}d"] = chance_figures(margin, chance[known], test["as_of"])
        return {"horizons": found}


def examine(warehouse: Warehouse, truth: Truth) -> tuple[dict[str, Figures], dict[str, str]]:
    """Train every question; figures by model, and why others were not trained."""
    watcher = Watcher(truth)
    with progress("training") as report:
        outcomes = train(warehouse, report=report, watch=watcher)
    refused = {o.name: o.reason for o in outcomes if isinstance(o, NotTrained)}
    return watcher.found, refused


def show(found: dict[str, Figures]) -> None:
    """Print a table of the shares and one of what was drawn."""
    found = found | {
        f"{name}, {days}": {**one, "rows": found[name]["rows"]}
        for name, figures in found.items()
        for days, one in figures.get("horizons", {}).items()
    }
    some = ("ours", "attainable", "share", "share_within_date", "logistic_share", "o_e", "slope")
    columns = ("model", "rows", *(name.replace("_", " ") for name in some), "shift")
    rows = [
        (name, f["rows"], *(_shown(f.get(key)) for key in some), _shown(f.get("shift")))
        for name, f in found.items()
    ]
    show_table("Held against the truth, free of luck", columns, rows)
    keys = ("auc", "auc_within_date", "o_e", "slope")
    drawn = [
        (
            name,
            f["events"],
            f["rows_without_truth"],
            _shown(f["true_over_drawn"]),
            *(_shown(f["realised"].get(key)) for key in keys),
        )
        for name, f in found.items()
        if "realised" in f
    ]
    columns = ("model", "events", "without truth", "true / drawn", "AUC", "within date", "O/E")
    show_table("On the outcomes that were drawn", (*columns, "slope"), drawn)


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def gathered(found: dict[str, Figures]) -> Figures:
    """Figures by question; those of propensity by product, with the mean share."""
    rounded = {name: _rounded(figures) for name, figures in found.items()}
    offers = "propensity."
    products = {n.removeprefix(offers): f for n, f in rounded.items() if n.startswith(offers)}
    questions: Figures = {n: f for n, f in rounded.items() if not n.startswith(offers)}
    if products:
        mean = {
            key: round(float(np.mean([f[key] for f in products.values()])), 4)
            for key in ("share", "logistic_share")
        }
        questions["propensity"] = {**mean, **products}
    return questions


def _rounded(figures: Figures) -> Figures:
    return {
        key: _rounded(value)
        if isinstance(value, dict)
        else round(value, 4)
        if isinstance(value, float)
        else value
        for key, value in figures.items()
    }


def run(quick: bool = False, customers: int | None = None, months: int | None = None) -> Figures:
    """Simulate, load, train; shares of what is attainable by question."""
    customers = customers or (QUICK_CUSTOMERS if quick else CUSTOMERS)
    months = months or (QUICK_MONTHS if quick else MONTHS)
    with tempfile.TemporaryDirectory() as folder, home(Path(folder) / "home"):
        files = Path(folder) / "bank"
        simulate(files, customers=customers, months=months, seed=SEED)
        with progress("loading") as report:
            load(open_source("simulated", files), Warehouse(), progress=report)
        with progress("identifying") as report:
            identify(Warehouse(), migrated(), actor="experiment", report=report)
        found, refused = examine(Warehouse(), Truth.of(Warehouse(), files))
    show(found)
    for name, reason in refused.items():
        note(f"not trained: {name}: {reason}")
    found |= {five_years.NAME: five_years.run(quick)}
    about = {"customers": customers, "months": months, "seed": SEED, "not_trained": refused}
    return {**gathered(found), **about}
