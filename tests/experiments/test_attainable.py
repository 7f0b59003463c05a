"""A model is held against the truth, whatever luck drew; the truth is hard for a simple model."""

import os
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.special import logit

from data.database import migrated
from data.loading import load
from data.simulation import simulate
from data.sources import open_source
from data.warehouse import Warehouse
from experiments._home import home as within
from experiments.attainable import (
    Figures,
    Truth,
    chance_figures,
    examine,
    gathered,
    money_figures,
)
from features.definition import Array
from features.identity.run import identify
from features.profile import build
from training.judge import auc
from training.labels import HORIZON, label
from training.recipes import Recipe, recipes
from training.rivals import plain_logistic
from training.run import spine_of
from training.split import split

JUNE, JULY = date(2024, 6, 30), date(2024, 7, 31)


@pytest.fixture
def chance() -> Array:
    draws: Array = np.random.default_rng(0).beta(1, 9, 4_000)
    return draws


def on_one_day(rows: int) -> pd.Series:
    return pd.Series([JUNE] * rows)


def test_a_model_that_knows_the_truth_has_all_of_it(chance: Array) -> None:
    found = chance_figures(np.asarray(logit(chance)), chance, on_one_day(len(chance)))
    assert found["ours"] == found["attainable"]
    for figure in ("share", "share_within_date", "o_e", "slope"):
        assert found[figure] == pytest.approx(1, abs=1e-4), figure


def test_a_model_that_says_twice_the_odds_ranks_as_well_and_expects_too_much(
    chance: Array,
) -> None:
    bold = np.asarray(logit(chance)) * 2 + 1
    found = chance_figures(bold, chance, on_one_day(len(chance)))
    assert found["share"] == pytest.approx(1)
    assert found["slope"] == pytest.approx(0.5, abs=1e-3)
    assert found["o_e"] == pytest.approx(chance.sum() / (1 / (1 + np.exp(-bold))).sum())


def test_gini_of_chances_reckoned_by_hand() -> None:
    found = chance_figures(np.array([1.0, 2.0, 3.0]), np.array([0.1, 0.8, 0.5]), on_one_day(3))
    # Events over others in order: 0.5 x (0.9 + 0.2) + 0.8 x 0.9, each row with itself by half.
    area = (0.5 * 1.1 + 0.8 * 0.9 + (0.25 + 0.16 + 0.09) / 2) / (1.4 * 1.6)
    assert found["ours"] == pytest.approx(2 * area - 1)
    assert found["share"] == pytest.approx((2 * area - 1) / (2 * 0.8125 - 1))


def test_a_date_with_more_events_does_not_flatter_the_ranking_within_dates() -> None:
    dates = pd.Series([JUNE, JUNE, JULY, JULY])
    chance = np.array([0.1, 0.2, 0.6, 0.7])
    knows_the_dates_only = np.array([-2.0, -2.0, 1.0, 1.0])
    found = chance_figures(knows_the_dates_only, chance, dates)
    assert found["share"] > 0.5
    assert found["share_within_date"] == pytest.approx(0, abs=1e-9)


def test_money_is_held_against_its_expectation() -> None:
    expected, realised = np.array([300.0, 100.0, 0.0]), np.array([0.0, 100.0, 800.0])
    found = money_figures(2 * expected, expected, realised)
    # Lorenz curves: expected 3/4, 1, 1; realised, best first, 8/9, 1, 1.
    assert found["attainable"] == pytest.approx((3 / 4 + 1 + 1 - 2) / (8 / 9 + 1 + 1 - 2))
    assert found["share"] == pytest.approx(1)
    assert found["o_e"] == pytest.approx(0.5)
    assert found["slope"] == pytest.approx(0.5)


def test_the_truth_of_a_row_is_found_by_person_and_day(tmp_path: Path) -> None:
    columns: dict[str, list[Any]] = {
        "person_id": ["N1", "N2", "N1"],
        "as_of": [JUNE, JUNE, JULY],
        "churn_6m": [0.1, 0.2, 0.3],
        "take_up_fund": [0.01, None, 0.03],
    }
    (tmp_path / "probabilities").mkdir()
    pq.write_table(pa.table(columns), tmp_path / "probabilities" / "part.parquet")
    truth = Truth(tmp_path, pd.Series({"C1": "N1", "C2": "N2"}))
    rows = pd.DataFrame({"customer_id": ["C2", "C3", "C1"], "as_of": [JUNE, JUNE, JULY]})
    assert np.array_equal(truth.about(rows, "churn"), [0.2, np.nan, 0.3], equal_nan=True)
    fund = truth.about(rows, "propensity.fund")
    assert np.array_equal(fund, [np.nan, np.nan, 0.03], equal_nan=True)


def test_a_plain_logistic_regression_fills_gaps_and_finds_a_straight_line() -> None:
    draws = np.random.default_rng(2)
    rows = pd.DataFrame(draws.normal(size=(4_000, 3)), columns=["a", "b", "c"])
    rows["target"] = (draws.random(4_000) < 1 / (1 + np.exp(-2 * rows["a"]))).astype(float)
    rows.loc[:200, "b"] = np.nan
    rows["c"] = np.nan
    margin = plain_logistic(rows[:2_000], rows[2_000:], ["a", "b", "c"])
    assert np.corrcoef(margin, rows["a"][2_000:])[0, 1] > 0.99


def test_a_home_for_a_while_leaves_no_trace(tmp_path: Path) -> None:
    before = dict(os.environ)
    with within(tmp_path):
        assert os.environ["ZHIKE_HOME"] == str(tmp_path)
    assert dict(os.environ) == before


@pytest.fixture(scope="module")
def larger_bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home and the files of a bank large enough to tell a simple model from the truth."""
    folder = tmp_path_factory.mktemp("larger")
    simulate(folder / "bank", customers=3_000, months=48, seed=3)
    with within(folder / "home"):
        load(open_source("simulated", folder / "bank"), Warehouse())
        identify(Warehouse(), migrated(), actor="tests")
    return folder


def simple_share(rows: tuple[pd.DataFrame, pd.DataFrame], recipe: Recipe, truth: Truth) -> float:
    """Share of the attainable Gini that a plain logistic regression reaches."""
    train, test = rows
    chance = truth.about(test, recipe.name)
    known = ~np.isnan(chance)
    features = [name for name in recipe.features if name in train.columns]
    margin = plain_logistic(train, test[known], features)
    best = auc(chance[known], chance[known])
    return float((2 * auc(margin, chance[known]) - 1) / (2 * best - 1))


@pytest.fixture(scope="module")
def simple_shares(larger_bank: Path) -> dict[str, float]:
    """Of every classifier, on the rows that its champion would learn from and be judged on."""
    with within(larger_bank / "home"):
        warehouse = Warehouse()
        asked = [
            r
            for r in recipes(warehouse.manifest.tables)
            if r.label.answer == "probability" and Truth.tells(r.name)
        ]
        parts = {
            r.name: split(label(warehouse, r.label, spine_of(warehouse, r.label)).rows, r.label)
            for r in asked
        }
        rows = pd.concat([part for p in parts.values() for part in (p.train, p.test)])
        spine = rows[["customer_id", "as_of"]].drop_duplicates()
        profiles = build(warehouse, spine.reset_index(drop=True)).frame

        truth = Truth.of(warehouse, larger_bank / "bank")

    def joined(rows: pd.DataFrame, recipe: Recipe) -> pd.DataFrame:
        if recipe.label.horizons:
            rows = rows[rows[HORIZON] == recipe.label.horizon_days]
        return rows.merge(profiles, on=["customer_id", "as_of"])

    return {
        r.name: simple_share(
            (joined(parts[r.name].train, r), joined(parts[r.name].test, r)), r, truth
        )
        for r in asked
    }


@pytest.mark.slow
@pytest.mark.parametrize("question", ["churn", "credit_risk"])
def test_a_simple_model_does_not_reach_the_best(
    simple_shares: dict[str, float], question: str
) -> None:
    assert 0.3 < simple_shares[question] < 0.92


@pytest.mark.slow
def test_a_simple_model_does_not_reach_the_best_over_all_products(
    simple_shares: dict[str, float],
) -> None:
    products = [share for name, share in simple_shares.items() if name.startswith("propensity.")]
    assert len(products) == 7
    assert 0.3 < np.mean(products) < 0.92


@pytest.fixture(scope="module")
def examined(
    bank_files: Path, loaded_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Figures:
    """The figures of the small bank, with a registry of their own."""
    folder = tmp_path_factory.mktemp("examined")
    with within(folder):
        (folder / "warehouse").symlink_to(loaded_home / "warehouse")
        found, refused = examine(Warehouse(), Truth.of(Warehouse(), bank_files))
    return {**gathered(found), "not_trained": refused}


@pytest.mark.slow
def test_every_question_is_held_against_the_truth(examined: Figures) -> None:
    assert {"churn", "lifetime_value", "credit_risk", "propensity"} <= set(examined)
    products: dict[str, Any] = {k: v for k, v in examined["propensity"].items() if "share" not in k}
    refused = [name for name in examined["not_trained"] if name.startswith("propensity.")]
    assert len(products) + len(refused) == 7  # a small bank lacks some events
    assert len(products) >= 5
    shares = [figures["share"] for figures in products.values()]
    assert examined["propensity"]["share"] == pytest.approx(np.mean(shares), abs=1e-4)
    for figures in (examined["churn"], examined["credit_risk"], *products.values()):
        assert 0.1 < figures["share"] < 1
        assert figures["rows_without_truth"] < 0.01 * figures["rows"]
        assert 0 < figures["realised"]["auc"] <= 1
    assert 0.5 < examined["lifetime_value"]["share"] < 1.01
    assert "churn.run_off" not in examined  # the truth tells no chance of it
    horizons = examined["churn"]["horizons"]
    assert list(horizons) == ["91d", "182d", "365d"]
    assert horizons["182d"]["share"] == examined["churn"]["share"]
    assert all(0.1 < figures["share"] < 1 for figures in horizons.values())


def test_new_credit_has_no_truth_and_is_not_held_against_another() -> None:
    assert [Truth.tells(name) for name in ("credit_risk", "propensity.fund")] == [True, True]
    assert not Truth.tells("credit_risk.acquisition")
    assert not Truth.tells("lifetime_value.five_years")
