"""Grades mean the same PD for every model, and are held against what happened."""

from typing import get_args

import numpy as np
import pytest
from scipy.stats import beta

from data.errors import TrainingError
from training.backtest import by_grade
from training.grades import BOUNDS, DEFAULTED, GRADES, SCALE, Band, band, grade
from training.stress import expected_losses, stressed


def test_ten_grades_have_geometric_bounds_that_never_move() -> None:
    assert SCALE == "master-scale/1"
    assert len(GRADES) == 10
    assert BOUNDS == (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256)


@pytest.mark.parametrize(
    "pd, expected",
    [
        (0.0, "1"),
        (0.000999, "1"),
        (0.001, "2"),
        (0.02, "6"),
        (0.2559, "9"),
        (0.256, "10"),
        (1, "10"),
    ],
)
def test_a_grade_begins_at_its_lower_bound(pd: float, expected: str) -> None:
    assert grade(pd) == expected


@pytest.mark.parametrize("pd", [-0.1, 1.1, float("nan")])
def test_what_is_no_probability_has_no_grade(pd: float) -> None:
    with pytest.raises(TrainingError, match="has no grade"):
        grade(pd)


def test_bands_are_coarse_and_do_not_tell_who_is_in_default() -> None:
    bands = [band(name) for name in GRADES]
    assert bands == ["low"] * 4 + ["medium"] * 3 + ["high"] * 3
    assert band(DEFAULTED) == band("10") == "high"
    assert set(bands) == set(get_args(Band))
    with pytest.raises(TrainingError, match="'11' is no grade"):
        band("11")


def test_every_grade_is_held_against_what_happened() -> None:
    pd = np.array([0.0005] * 10 + [0.05] * 40)
    target = np.array([0.0] * 10 + [1.0] * 4 + [0.0] * 36)
    found = {row["grade"]: row for row in by_grade(pd, target)}
    assert list(found) == list(GRADES)
    seventh = found["7"]
    assert (seventh["rows"], seventh["events"], seventh["o_e"]) == (40, 4, pytest.approx(2.0))
    assert seventh["low"] == pytest.approx(beta.ppf(0.025, 4.5, 36.5) / 0.05)
    assert seventh["high"] == pytest.approx(beta.ppf(0.975, 4.5, 36.5) / 0.05)
    assert found["1"]["o_e"] == 0
    assert (found["3"]["rows"], found["3"]["o_e"]) == (0, None)
    assert [(row["from"], row["to"]) for row in found.values()][::9] == [(0.0, 0.001), (0.256, 1.0)]


def test_stress_is_a_shift_of_the_log_odds_and_nothing_else() -> None:
    margin = np.log(np.array([0.01, 0.2]) / np.array([0.99, 0.8]))
    odds = stressed(margin, np.log(2)) / (1 - stressed(margin, np.log(2)))
    assert odds == pytest.approx([2 / 99, 0.5])
    lgd, ead = np.array([0.5, 0.4]), np.array([1000.0, 100.0])
    assert expected_losses(margin, lgd, ead) == pytest.approx([5.0, 8.0])
    assert (expected_losses(margin, lgd, ead, 0.5) > expected_losses(margin, lgd, ead)).all()
