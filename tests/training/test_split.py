"""Later dates and unseen customers test what earlier ones taught."""

from dataclasses import replace
from datetime import date, timedelta

import pandas as pd
import pytest

from data.errors import TooFewEvents
from features.spine import month_ends
from training.labels import ACQUISITION, CHURN, LOAN_STATUS, propensity
from training.split import (
    ENOUGH_OF_A_VINTAGE,
    TEST_DATES,
    TEST_SHARE,
    VINTAGE,
    Split,
    bucket,
    split,
)

DATES = month_ends(date(2024, 12, 31), 24)
FUND = propensity("fund")
CUSTOMERS = [f"C{n}" for n in range(400)]


@pytest.fixture(scope="module")
def parts() -> Split:
    return split(labelled(DATES), FUND)


def labelled(days: list[date]) -> pd.DataFrame:
    rows = [(customer, day, 0.0) for day in days for customer in CUSTOMERS]
    return pd.DataFrame(rows, columns=["customer_id", "as_of", "target"])


def test_no_customer_and_no_day_is_in_both(parts: Split) -> None:
    assert len(parts.train) > 0
    assert len(parts.test) > 0
    assert not set(parts.train["customer_id"]) & set(parts.test["customer_id"])
    assert not set(parts.train["as_of"]) & set(parts.test["as_of"])


def test_the_last_dates_test_and_every_outcome_is_known_before_them(parts: Split) -> None:
    assert sorted(set(parts.test["as_of"])) == DATES[-TEST_DATES:]
    window = timedelta(FUND.gap_days + FUND.horizon_days + FUND.lag_days)
    assert max(parts.train["as_of"]) + window <= min(parts.test["as_of"])


def test_each_horizon_trains_until_its_outcome_is_known_before_the_first_test_date() -> None:
    days = month_ends(date(2024, 12, 31), 40)
    rows = pd.concat([labelled(days).assign(horizon_days=h) for h in CHURN.horizons])
    parts = split(rows, CHURN)
    first = days[-TEST_DATES]
    assert sorted(set(parts.test["as_of"])) == days[-TEST_DATES:]
    assert parts.test["horizon_days"].value_counts().nunique() == 1
    for horizon in CHURN.horizons:
        taught = parts.train[parts.train["horizon_days"] == horizon]
        window = timedelta(horizon + CHURN.lag_days)
        assert max(taught["as_of"]) + window <= first
        assert min(day for day in days if day > max(taught["as_of"])) + window > first
    assert not set(parts.train["customer_id"]) & set(parts.test["customer_id"])


def test_where_rows_are_many_each_date_teaches_all_horizons_but_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = pd.concat([labelled(DATES).assign(horizon_days=h) for h in CHURN.horizons])
    every = split(rows.sort_index(kind="stable").reset_index(drop=True), CHURN)
    monkeypatch.setattr("training.split.MANY_ROWS", len(rows))
    some = split(rows.sort_index(kind="stable").reset_index(drop=True), CHURN)
    pd.testing.assert_frame_equal(some.test, every.test)
    dates = [
        every.train.groupby(["customer_id", "as_of"]).size(),
        some.train.groupby(["customer_id", "as_of"]).size(),
    ]
    full = dates[0].index[dates[0] == len(CHURN.horizons)]
    assert len(full) > 20
    assert set(dates[1].reindex(full, fill_value=0)) == {len(CHURN.horizons) - 1}
    taught = some.train["horizon_days"].value_counts() / every.train["horizon_days"].value_counts()
    assert taught.between(0.5, 0.85).all()


def test_the_last_dates_are_those_whose_longest_horizon_is_over() -> None:
    days = month_ends(date(2024, 12, 31), 40)
    known = {91: days, 182: days[:-3], 365: days[:-9]}
    rows = pd.concat([labelled(some).assign(horizon_days=h) for h, some in known.items()])
    parts = split(rows, CHURN)
    assert sorted(set(parts.test["as_of"])) == days[-9 - TEST_DATES : -9]


@pytest.mark.parametrize("more, taught", [(0, True), (1, False)])
def test_a_window_one_day_longer_loses_the_date(more: int, taught: bool) -> None:
    """F17"""
    days = [date(2023, 1, 31), *DATES[-TEST_DATES:]]
    room = (DATES[-TEST_DATES] - days[0]).days
    exact = replace(FUND, gap_days=more, horizon_days=room - FUND.lag_days)
    if taught:
        assert set(split(labelled(days), exact).train["as_of"]) == {days[0]}
    else:
        with pytest.raises(TooFewEvents, match="0 of them before the first test date"):
            split(labelled(days), exact)


@pytest.mark.parametrize("count", [0, 1, 3, 4])
def test_too_few_dates_are_refused_with_their_number(count: int) -> None:
    with pytest.raises(TooFewEvents, match=rf"^{count} as-of date"):
        split(labelled(DATES[:count]), FUND)


def test_a_customer_keeps_their_bucket_for_ever() -> None:
    assert [bucket(c) for c in ("C1", "C2", "C00000042")] == [47, 67, 97]
    share = sum(bucket(c) < TEST_SHARE for c in CUSTOMERS) / len(CUSTOMERS)
    assert share == pytest.approx(TEST_SHARE / 100, abs=0.07)  # three standard errors


def test_more_rows_move_nobody_between_the_two(parts: Split) -> None:
    again = split(labelled(DATES[2:]).sample(frac=1.0, random_state=1), FUND)
    assert set(again.test["customer_id"]) == set(parts.test["customer_id"])


def test_loans_are_judged_in_folds_because_they_are_few() -> None:
    rows = labelled(DATES[:1])
    parts = split(rows, LOAN_STATUS)
    assert parts.folds == 5
    assert parts.protocol.startswith("5 folds")
    assert parts.train.equals(rows)


def openings(bad: int) -> pd.DataFrame:
    """One opening a day for four years, every ``bad``-th a default."""
    days = [date(2021, 1, 1) + timedelta(n) for n in range(4 * 365)]
    rows = [(f"C{n}", day, float(n % bad == 0)) for n, day in enumerate(days)]
    return pd.DataFrame(rows, columns=["customer_id", "as_of", "target"])


def test_the_last_year_s_openings_test_where_they_hold_enough_defaults() -> None:
    parts = split(openings(1), ACQUISITION)
    assert parts.protocol == "out of time"
    assert parts.test["target"].sum() >= ENOUGH_OF_A_VINTAGE
    last = max(parts.test["as_of"])
    assert min(parts.test["as_of"]) > last - VINTAGE
    closed = timedelta(ACQUISITION.gap_days + ACQUISITION.horizon_days + ACQUISITION.lag_days)
    assert max(parts.train["as_of"]) + closed <= min(parts.test["as_of"])
    assert not set(parts.train["customer_id"]) & set(parts.test["customer_id"])


def test_openings_with_few_defaults_are_judged_in_folds() -> None:
    rows = openings(20)
    parts = split(rows, ACQUISITION)
    assert parts.protocol == "5 folds"
    assert parts.train.equals(rows)


def test_without_an_opening_there_is_nothing_to_split() -> None:
    with pytest.raises(TooFewEvents, match="nobody opened"):
        split(openings(1).head(0), ACQUISITION)
