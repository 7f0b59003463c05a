"""Figures of merit are those of the textbook and of scikit-learn."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from scipy.stats import ks_2samp
from sklearn.metrics import brier_score_loss, roc_auc_score

from features.definition import Array
from training import judge

Sample = tuple[Array, Array, Array]


@pytest.fixture(params=range(5))
def sample(request: pytest.FixtureRequest) -> Sample:
    """Scores with many ties, outcomes, and how often each row is counted."""
    draws = np.random.default_rng(request.param)
    score = np.round(draws.normal(size=500), 1)
    target = (draws.random(500) < expit(score - 1)).astype(float)
    return score, target, draws.integers(0, 4, 500).astype(float)


def test_auc_is_that_of_scikit_learn_with_ties_and_weights(sample: Sample) -> None:
    score, target, weight = sample
    assert judge.auc(score, target) == pytest.approx(roc_auc_score(target, score), abs=1e-12)
    theirs = roc_auc_score(target, score, sample_weight=weight)
    assert judge.auc(score, target, weight) == pytest.approx(theirs, abs=1e-12)


def test_a_weight_is_a_row_repeated(sample: Sample) -> None:
    score, target, weight = sample
    times = weight.astype(int)
    repeated = judge.auc(np.repeat(score, times), np.repeat(target, times))
    assert judge.auc(score, target, weight) == pytest.approx(repeated, abs=1e-12)


def test_auc_of_chances_counts_each_row_as_event_and_as_none() -> None:
    score, chance = np.array([3.0, 2.0, 1.0]), np.array([0.8, 0.5, 0.1])
    # Pairs in order: 0.8 x (0.5 + 0.9) and 0.5 x 0.9; a row and itself tie, half of p (1 - p).
    in_order = 0.8 * 1.4 + 0.5 * 0.9 + (0.8 * 0.2 + 0.5 * 0.5 + 0.1 * 0.9) / 2
    assert judge.auc(score, chance) == pytest.approx(in_order / (1.4 * 1.6), abs=1e-12)


def test_auc_of_chances_is_what_drawn_outcomes_give_in_the_long_run(sample: Sample) -> None:
    score, _, _ = sample
    chance = expit(score - 1)
    draws = np.random.default_rng(1).random((400, len(score))) < chance
    drawn = [judge.auc(score, outcome.astype(float)) for outcome in draws]
    assert judge.auc(score, chance) == pytest.approx(np.mean(drawn), abs=0.004)


def test_ks_is_that_of_scipy(sample: Sample) -> None:
    score, target, _ = sample
    theirs = ks_2samp(score[target == 1], score[target == 0]).statistic
    assert judge.kolmogorov_smirnov(score, target) == pytest.approx(theirs, abs=1e-12)


def test_brier_and_observed_over_expected(sample: Sample) -> None:
    score, target, _ = sample
    found = judge.probability_metrics(score, target)
    assert found["brier"] == pytest.approx(brier_score_loss(target, expit(score)), abs=1e-12)
    assert found["o_e"] == pytest.approx(target.mean() / expit(score).mean(), abs=1e-12)
    assert found["gini"] == pytest.approx(2 * found["auc"] - 1)


def test_a_score_without_order_has_auc_one_half_and_no_slope() -> None:
    target = np.array([0.0, 1.0, 0.0, 1.0])
    found = judge.probability_metrics(np.zeros(4), target)
    assert found["auc"] == 0.5
    assert np.isnan(found["calibration_slope"])


def test_one_class_has_no_auc() -> None:
    assert np.isnan(judge.auc(np.array([1.0, 2.0]), np.zeros(2)))
    assert np.isnan(judge.lift(np.array([1.0, 2.0]), np.zeros(2)))


def test_lift_of_the_best_tenth() -> None:
    score = np.arange(20.0)
    target = np.zeros(20)
    target[[19, 3]] = 1.0  # one of the best two, and one elsewhere: 1/2 over 1/10
    assert judge.lift(score, target) == 5.0


def test_gini_of_money_is_one_for_the_true_order_and_minus_one_for_its_reverse() -> None:
    money = np.array([900.0, 40.0, 10.0, 0.0])
    assert judge.normalised_gini(money, money) == pytest.approx(1.0)
    assert judge.normalised_gini(-money, money) == pytest.approx(-1.0)


def test_concentration_is_the_mean_distance_from_equality() -> None:
    money = np.array([6.0, 3.0, 1.0])
    # Lorenz curve 0.6, 0.9, 1 against 1/3, 2/3, 1; backwards 0.1, 0.4, 1.
    assert judge.concentration(money, money) == pytest.approx(0.5 / 3)
    assert judge.concentration(-money, money) == pytest.approx(-0.5 / 3)


def test_a_weight_in_the_gini_of_money_is_a_row_repeated() -> None:
    value, money = np.array([3.0, 2.0, 1.0]), np.array([5.0, 50.0, 1.0])
    weighted = judge.normalised_gini(value, money, np.array([1.0, 0.0, 1.0]))
    assert weighted == pytest.approx(judge.normalised_gini(value[[0, 2]], money[[0, 2]]))


def test_ranking_within_dates_ignores_the_level_of_each_date() -> None:
    dates = pd.Series([date(2024, 1, 31)] * 3 + [date(2024, 2, 29)] * 3)
    score = np.array([0.1, 0.2, 0.3, 10.1, 10.2, 10.3])
    target = np.array([0.0, 0.0, 1.0, 1.0, 0.0, 0.0])
    assert judge.within_date(dates, score, target) == 0.5  # 1 on the first date, 0 on the second


def test_an_interval_draws_customers_whole_and_the_same_each_time(sample: Sample) -> None:
    score, target, _ = sample
    rows = pd.DataFrame({"customer_id": [f"C{n // 5}" for n in range(500)], "target": target})
    low, high = judge.interval(rows, score, judge.auc)
    assert low < judge.auc(score, target) < high
    assert judge.interval(rows, score, judge.auc) == (low, high)


def test_rows_of_one_customer_many_times_are_no_more_evidence(sample: Sample) -> None:
    score, target, _ = sample
    once = pd.DataFrame({"customer_id": np.arange(500), "target": target})
    ten = pd.concat([once] * 10, ignore_index=True)
    narrow = judge.interval(once, score, judge.auc)
    assert judge.interval(ten, np.tile(score, 10), judge.auc) == pytest.approx(narrow, abs=1e-12)
