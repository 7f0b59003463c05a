"""A scorecard is read by eye: bins in order, points that add up, odds that double."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from data.errors import TooFewEvents
from training.judge import auc
from training.points import POINTS_TO_DOUBLE
from training.scorecard import Scorecard, characteristic, scorecard


def borrowers(seed: int = 0, count: int = 6_000) -> pd.DataFrame:
    draws = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "days_past_due": np.maximum(0, draws.normal(-5, 15, count)).round(),
            "lowest_balance": draws.normal(1_000, 800, count),
            "shoe_size": draws.normal(40, 3, count),
        }
    )
    frame.loc[draws.random(count) < 0.1, "lowest_balance"] = np.nan
    odds = 0.1 * frame["days_past_due"] - frame["lowest_balance"].fillna(0) / 1_000 - 2
    frame["target"] = (draws.random(count) < expit(odds)).astype(float)
    return frame


DIRECTIONS = {"days_past_due": 1, "lowest_balance": -1}
FEATURES = ["days_past_due", "lowest_balance", "shoe_size"]


@pytest.fixture(scope="module")
def card() -> Scorecard:
    return scorecard(borrowers(), FEATURES, DIRECTIONS)


def test_points_fall_with_every_day_past_due_and_rise_with_the_balance(card: Scorecard) -> None:
    points = {c.feature: c.points[:-1] for c in card.characteristics}
    assert list(points["days_past_due"]) == sorted(points["days_past_due"], reverse=True)
    assert list(points["lowest_balance"]) == sorted(points["lowest_balance"])


def test_what_tells_nothing_is_no_characteristic(card: Scorecard) -> None:
    assert {c.feature for c in card.characteristics} == {"days_past_due", "lowest_balance"}


def test_every_bin_holds_one_row_in_twenty(card: Scorecard) -> None:
    rows = borrowers()
    for one in card.characteristics:
        known = rows[one.feature].dropna().to_numpy()
        counts = np.bincount(one.bins(known), minlength=len(one.edges) + 1)
        assert counts.min() >= 0.05 * len(known)


def test_evidence_is_the_log_of_good_over_bad_shares() -> None:
    values = np.repeat([0.0, 1.0], 500)
    target = np.r_[np.arange(500) < 50, np.arange(500) < 200].astype(float)  # 10 % and 40 % bad
    found = characteristic("x", values, target, 1)
    assert found is not None
    wanted = np.log([(450 / 750) / (50 / 250), (300 / 750) / (200 / 250)])
    assert found.evidence[:2] == pytest.approx(wanted, abs=0.02)


def test_an_insisted_direction_is_kept_even_against_the_data() -> None:
    values = np.repeat([0.0, 1.0], 500)
    target = np.r_[np.arange(500) < 200, np.arange(500) < 50].astype(float)
    assert characteristic("x", values, target, 1) is None  # one bin: nothing to tell
    assert characteristic("x", values, target, 0) is not None


def test_twenty_points_double_the_odds(card: Scorecard) -> None:
    rows = borrowers(seed=1)
    points, margin = card.points(rows), card.margin(rows)
    low, high = int(np.argmin(points)), int(np.argmax(points))
    doublings = (points[high] - points[low]) / POINTS_TO_DOUBLE
    assert margin[low] - margin[high] == pytest.approx(doublings * np.log(2))


def test_the_odds_are_those_of_unseen_borrowers(card: Scorecard) -> None:
    rows = borrowers(seed=1)
    target, margin = rows["target"].to_numpy(), card.margin(rows)
    assert auc(margin, target) > 0.7
    assert target.mean() == pytest.approx(expit(margin).mean(), rel=0.15)


def test_a_borrower_of_whom_nothing_is_known_has_points(card: Scorecard) -> None:
    nothing = pd.DataFrame({name: [np.nan] for name in FEATURES})
    assert np.isfinite(card.points(nothing)).all()


def test_without_bads_there_is_no_scorecard() -> None:
    with pytest.raises(TooFewEvents, match="both goods and bads"):
        scorecard(borrowers().assign(target=0.0), FEATURES, DIRECTIONS)


def test_where_nothing_tells_everybody_has_the_base_points() -> None:
    rows = borrowers()
    found = scorecard(rows, ["shoe_size"], {})
    assert found.characteristics == ()
    assert expit(found.margin(rows)).mean() == pytest.approx(rows["target"].mean())


def test_a_feature_known_only_of_borrowers_who_all_paid_is_no_characteristic() -> None:
    values = np.array([1.0, 2.0, 3.0, np.nan, np.nan])
    assert characteristic("limit_use", values, np.array([0.0, 0.0, 0.0, 1.0, 0.0]), 0) is None
