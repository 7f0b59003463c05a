"""An interval is as wide as customers whom the model had not seen needed."""

import numpy as np
import pandas as pd
import pytest

from training import judge
from training.conformal import Spread


def test_the_ends_are_the_residuals_that_leave_five_in_a_hundred_outside_on_each_side() -> None:
    estimate = np.zeros(99)  # one band; with the next customer there are 100 places
    found = Spread.of(estimate, np.arange(1.0, 100.0))
    # Above: the 95th smallest of 1..99. Below: the 95th smallest of -99..-1 is -5.
    assert found.interval(0.0) == (5.0, 95.0)


def test_each_tenth_of_worth_has_its_own_width() -> None:
    estimate = np.repeat([1.0, 100.0], 100)
    realised = estimate + np.where(estimate > 50, 30.0, 2.0) * np.tile([-1.0, 1.0], 100)
    found = Spread.of(estimate, realised)
    assert found.interval(1.0) == (-1.0, 3.0)
    assert found.interval(100.0) == (70.0, 130.0)


def test_new_customers_lie_inside_as_often_as_stated() -> None:
    draws = np.random.default_rng(3)
    estimate = draws.normal(size=20_000)
    realised = estimate + draws.standard_t(3, size=20_000) * (1 + np.abs(estimate))
    found = Spread.of(estimate[:10_000], realised[:10_000])
    assert found.covered(estimate[10_000:], realised[10_000:]).mean() == pytest.approx(
        0.9, abs=0.01
    )


def test_many_rows_have_the_intervals_of_one_by_one() -> None:
    estimate = np.linspace(-5, 5, 50)
    found = Spread.of(estimate, estimate**2)
    low, high = found.intervals(estimate)
    assert [found.interval(one) for one in estimate.tolist()] == list(
        zip(low.tolist(), high.tolist(), strict=True)
    )


def test_the_judgement_counts_who_lies_inside() -> None:
    rows = pd.DataFrame({"customer_id": list("abcd"), "as_of": 0, "target": [0.0, 1.0, 2.0, 9.0]})
    spread = Spread(0.9, (), (-1.0,), (1.0,))
    told = judge.Judgement("out of time", 4, 4, {}, {}, (0.0, 0.0))
    found = judge.with_coverage(told, spread, np.ones(4), rows)
    assert found.metrics["coverage"] == 0.75
