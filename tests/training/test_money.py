"""Amounts beyond all that was seen are foretold, and few write-offs do not rule the rest."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from training.fit import Fitted, fit
from training.labels import LIFETIME_VALUE
from training.money import RECENT, Staircase, winsorised
from training.recipes import Recipe
from training.shapley import Explainer
from training.trees import Forest

FEATURES = (RECENT, "tenure_days")
RECIPE = Recipe("lifetime_value", LIFETIME_VALUE, FEATURES, rounds=40)


def rows_of(count: int = 2_000) -> pd.DataFrame:
    draws = np.random.default_rng(0)
    recent = np.round(np.exp(draws.normal(12, 1.5, count)))  # minor units, median 1,600 units
    recent[draws.random(count) < 0.1] = np.nan  # nothing booked yet
    frame = pd.DataFrame({RECENT: recent, "tenure_days": draws.integers(0, 3_000, count)})
    frame["target"] = np.nan_to_num(recent) * 0.03 + draws.normal(0, 100, count)
    frame["customer_id"] = [f"C{n}" for n in range(count)]
    frame["as_of"] = date(2024, 1, 31)
    return frame


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    return fit(RECIPE, rows_of(), FEATURES)


def test_the_pace_is_total_over_total() -> None:
    rows = pd.DataFrame({RECENT: [1e4] * 400, "target": [120.0, 360.0] * 200})
    assert Staircase.fitted(rows).pace == pytest.approx(0.8)  # 240 on average, 300 due


def test_a_step_stands_for_its_middle_and_losses_for_nothing() -> None:
    stairs = Staircase(pace=1.0, highest=1e7)
    assert stairs.heights[stairs.step(np.array([-5e6, np.nan, 0.0]))].tolist() == [0.0, 0.0, 0.0]
    told = stairs.heights[stairs.step(np.array([5e4, 3e6]))]
    assert told == pytest.approx([1_500.0, 90_000.0], rel=0.03)


def test_a_customer_ten_times_richer_than_any_is_worth_ten_times_as_much(fitted: Fitted) -> None:
    richest = float(rows_of()[RECENT].max())
    rows = np.array([[richest, 1_000.0], [10 * richest, 1_000.0]])
    there, beyond = np.asarray(fitted.booster.predict(rows, raw_score=True))
    assert beyond == pytest.approx(10 * there, rel=0.1)


def test_the_staircase_and_the_trees_are_one_text_that_explains_itself(fitted: Fitted) -> None:
    rows = rows_of()
    values = rows[list(FEATURES)].to_numpy(np.float64)
    forest = Forest.from_text(fitted.booster.model_to_string(num_iteration=-1))
    margins, contributions = Explainer(forest).explain(values)
    theirs = np.asarray(fitted.booster.predict(values, raw_score=True))
    assert forest.margin(values).tobytes() == theirs.tobytes()
    base = Explainer(forest).base_value
    assert np.abs(base + contributions.sum(axis=1) - margins).max() <= 1e-9 * margins.max()
    # Steps that nobody has reached weigh next to nothing in what is typical.
    assert base == pytest.approx(margins.mean(), rel=0.1)


def test_a_write_off_of_millions_leaves_the_other_estimates_and_is_in_the_total() -> None:
    rows = rows_of()
    rows.loc[7, "target"] = -5_000_000.0
    found = fit(RECIPE, rows, FEATURES)
    values = rows[list(FEATURES)].to_numpy(np.float64)
    told = np.asarray(found.booster.predict(values, raw_score=True))
    plain = np.asarray(fit(RECIPE, rows_of(), FEATURES).booster.predict(values, raw_score=True))
    assert told.mean() == pytest.approx(rows["target"].mean(), abs=200)
    spread_out = 5_000_000 / len(rows)
    assert np.median(plain - told) == pytest.approx(spread_out, rel=0.2)


def test_winsorising_moves_the_outermost_quarter_per_cent() -> None:
    found = winsorised(np.arange(401.0))  # 401 values: the quantiles are 1 and 399
    assert found[[0, 1, 200, 399, 400]].tolist() == [1.0, 1.0, 200.0, 399.0, 399.0]
