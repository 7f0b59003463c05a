"""A spine says who and when; a wrong one is refused with its culprit."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.errors import FeatureError, WarehouseError
from data.warehouse import Warehouse
from features.catalogue import CATALOGUE
from features.definition import Facts, Measure, feature
from features.profile import build
from features.sources import LOANS
from features.spine import customers_as_of, extent, month_end, month_ends, months_before
from tests.features.dated_bank import AS_OF, DatedBank

ONE = pd.DataFrame({"customer_id": ["C1"], "as_of": [AS_OF]})


@pytest.fixture
def booked(hand: DatedBank) -> Warehouse:
    hand.add("transactions", on="2024-01-15", amount=-1)
    hand.add("transactions", on="2024-06-28", known="2024-06-30", amount=-1)
    return hand.load()


def test_a_spine_without_its_columns_is_refused_with_those_it_has(booked: Warehouse) -> None:
    with pytest.raises(FeatureError, match=r"customer_id and as_of; this one has \['customer'"):
        build(booked, pd.DataFrame({"customer": ["C1"], "as_of": [AS_OF]}))


def test_a_row_twice_is_refused_by_name(booked: Warehouse) -> None:
    with pytest.raises(FeatureError, match="holds C1 at 2024-07-01 twice"):
        build(booked, pd.concat([ONE, ONE]))


@pytest.mark.parametrize("day", ["2024-07-01", None, 19905, pd.NaT])
def test_an_as_of_that_is_no_day_is_refused(booked: Warehouse, day: object) -> None:
    spine = pd.DataFrame({"customer_id": ["C1"], "as_of": pd.Series([day], dtype=object)})
    with pytest.raises(FeatureError, match="as-of"):
        build(booked, spine)


def test_a_row_without_a_customer_is_refused(booked: Warehouse) -> None:
    with pytest.raises(FeatureError, match="without a customer_id"):
        build(booked, pd.DataFrame({"customer_id": [None], "as_of": [AS_OF]}))


def test_timestamps_of_pandas_are_days_too(booked: Warehouse) -> None:
    stamped = ONE.assign(as_of=pd.to_datetime(ONE["as_of"]))
    assert build(booked, stamped, ["spend_365d"]).values.tolist() == [[2.0]]


def test_an_empty_spine_gives_no_profiles(booked: Warehouse) -> None:
    assert build(booked, ONE.head(0)).values.shape[0] == 0


def test_an_unknown_feature_is_refused_by_name(booked: Warehouse) -> None:
    with pytest.raises(FeatureError, match="'mood'"):
        build(booked, ONE, ["tenure_days", "mood"])


def test_an_empty_warehouse_says_how_to_load(tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match="Load something first"):
        build(Warehouse(tmp_path), ONE)


def test_a_feature_whose_table_is_not_there_is_absent_and_says_so(booked: Warehouse) -> None:
    profiles = build(booked, ONE)
    assert profiles.absent["loans_granted"] == "no rows in loans"
    assert profiles.absent["debt_service"] == "no rows in loans, repayments"
    assert "debt_service" not in profiles.features
    assert set(profiles.features) | set(profiles.absent) == set(CATALOGUE)
    assert np.isfinite(profiles.frame["spend_90d"]).all()


def test_a_derived_feature_alone_needs_no_mention_of_its_inputs(booked: Warehouse) -> None:
    profiles = build(booked, ONE, ["booking_trend_90d"])
    assert profiles.features == ("booking_trend_90d",)
    assert list(profiles.frame) == ["customer_id", "as_of", "booking_trend_90d"]
    assert profiles.values.tolist() == [[3.0]]


def test_profiles_name_the_manifest_they_were_built_on(booked: Warehouse) -> None:
    assert build(booked, ONE).manifest == booked.manifest.digest


def test_a_feature_that_returns_rows_is_refused_by_name(
    booked: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    @feature(LOANS, "money", "neither", "Rows | 筆數 | 笔数")
    def rows_not_a_number(granted: Facts) -> Measure:
        """Rows."""
        return granted.amount  # type: ignore[return-value]  # the author's mistake

    monkeypatch.setitem(CATALOGUE, "rows_not_a_number", rows_not_a_number)
    hand_has_loans = Warehouse(booked.folder)
    with pytest.raises(FeatureError, match="'rows_not_a_number' must return one number"):
        build(_with_loan(hand_has_loans), ONE, ["rows_not_a_number"])


def _with_loan(warehouse: Warehouse) -> Warehouse:
    bank = DatedBank(warehouse.folder / "with-loan")
    bank.add("loans", on="2023-01-01", amount=5)
    return bank.load()


@pytest.mark.parametrize("day", [date(2024, 1, 15), date(2024, 7, 2)])
def test_a_day_outside_the_data_is_refused_with_what_to_choose(
    booked: Warehouse, day: date
) -> None:
    with pytest.raises(FeatureError, match=rf"as-of {day} .*2024-01-16 to 2024-07-01"):
        customers_as_of(booked, [day])


def test_the_data_run_from_the_first_booking_to_the_last_thing_learnt(booked: Warehouse) -> None:
    assert extent(booked) == (date(2024, 1, 15), date(2024, 6, 30))


def test_customers_without_bookings_and_balances_cannot_be_dated(hand: DatedBank) -> None:
    with pytest.raises(FeatureError, match="no transactions and no balances"):
        extent(hand.load())


def test_a_customer_is_in_the_spine_from_the_day_after_they_are_known(hand: DatedBank) -> None:
    hand.customer("C2", "A2", on="2024-06-29")
    hand.add("balances", on="2024-01-01")
    hand.add("balances", on="2024-07-31")
    days = [date(2024, 6, 29), date(2024, 6, 30)]
    rows = customers_as_of(hand.load(), days)
    found = list(zip(rows["customer_id"], rows["as_of"], strict=True))
    assert found == [("C1", days[0]), ("C1", days[1]), ("C2", days[1])]


@pytest.mark.parametrize(
    "last, count, expected",
    [
        (date(2024, 3, 31), 2, [date(2024, 2, 29), date(2024, 3, 31)]),  # a leap year
        (date(2024, 3, 30), 2, [date(2024, 1, 31), date(2024, 2, 29)]),  # March is not over
        (date(2023, 1, 31), 2, [date(2022, 12, 31), date(2023, 1, 31)]),  # over the new year
        (date(2023, 2, 28), 1, [date(2023, 2, 28)]),
    ],
)
def test_month_ends(last: date, count: int, expected: list[date]) -> None:
    assert month_ends(last, count) == expected


def test_months_are_counted_back_over_years() -> None:
    assert month_end(date(2024, 2, 1)) == date(2024, 2, 29)
    assert months_before(date(2024, 1, 31), 1) == date(2023, 12, 31)
    assert months_before(date(2024, 3, 31), 13) == date(2023, 2, 28)
