"""Features of one hand-written customer, reckoned by hand."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.catalogue import CATALOGUE
from features.definition import quotient
from features.profile import build
from tests.features.dated_bank import AS_OF, DatedBank

EVERYTHING: dict[str, dict[str, Any]] = {
    "districts": {"district_id": "D1"},
    "closings": {"account_id": "A9"},
    "balances": {"account_id": "A9"},
    "transactions": {"account_id": "A9"},
    "loans": {"account_id": "A9"},
    "repayments": {},
    "statements": {"account_id": "A9"},
    "interactions": {"customer_id": "C9"},
    "applications": {"customer_id": "C9"},
    "contacts": {"customer_id": "C9"},
    "consents": {"customer_id": "C9"},
    "suitability": {"customer_id": "C9"},
    "collateral": {},
    "contributions": {"customer_id": "C9", "account_id": "A9", "contribution": 1},
}


@pytest.fixture
def full(hand: DatedBank) -> DatedBank:
    """C1 has an account and no history; C9 has one fact in every table."""
    hand.customer("C9", "A9", on="2020-01-01")
    for table, values in EVERYTHING.items():
        hand.add(table, on="2024-06-01", **values)
    return hand


def test_the_ninetieth_day_is_inside_a_window_of_ninety(hand: DatedBank) -> None:
    hand.add("transactions", on="2024-04-01", amount=-10)  # 91 days before
    hand.add("transactions", on="2024-04-02", amount=-200)  # 90 days before
    hand.add("transactions", on="2024-06-30", amount=-3000)  # the day before
    hand.add("transactions", on="2024-07-01", amount=-40000)  # the day itself
    assert hand.value("spend_90d") == 3200
    assert hand.value("own_bookings_90d") == 2


def test_money_in_and_out_are_told_apart_by_sign(hand: DatedBank) -> None:
    hand.add("transactions", on="2024-06-01", amount=5000)
    hand.add("transactions", on="2024-06-02", amount=-1200)
    hand.add("transactions", on="2023-12-01", amount=-900)
    wanted = ["money_in_90d", "spend_90d", "spend_365d", "largest_inflow_365d"]
    assert hand.values(wanted) == [5000, 1200, 2100, 5000]


def test_automatic_bookings_are_no_activity(hand: DatedBank) -> None:
    hand.add("transactions", on="2024-05-01")
    hand.add("transactions", on="2024-06-29", automatic=True)
    hand.add("transactions", on="2024-06-30", automatic=True)
    assert hand.value("days_since_own_booking") == 61  # 1 May to 1 July
    assert hand.value("own_bookings_90d") == 1
    assert hand.value("automatic_share_90d") == 2 / 3


def test_categories_are_counted_once_each(hand: DatedBank) -> None:
    for day, category in ((1, "dining"), (2, "dining"), (3, "travel"), (4, "salary")):
        hand.add("transactions", on=f"2024-06-0{day}", category=category, amount=100)
    assert hand.value("categories_90d") == 3
    assert hand.values(["income_90d", "income_payments_365d"]) == [100, 1]


def test_assets_are_the_latest_balance_of_each_account(hand: DatedBank) -> None:
    hand.add("accounts", on="2021-01-01", account_id="A2", product_id="fund")
    hand.add("accounts", on="2021-01-01", account_id="A3", product_id="mortgage")
    hand.add("balances", on="2023-06-01", ledger_balance=700)
    hand.add("balances", on="2024-06-01", ledger_balance=300)
    hand.add("balances", on="2024-01-01", account_id="A2", ledger_balance=0, market_value=2000)
    hand.add("balances", on="2024-01-01", account_id="A3", ledger_balance=-90000)
    wanted = ["assets", "current_balance", "investments", "debt"]
    assert hand.values(wanted) == [2300, 300, 2000, 90000]
    assert hand.value("investment_share") == 2000 / 2300
    assert hand.values(["assets_90d_ago", "assets_365d_ago"]) == [2700, 700]


def test_the_last_balance_of_a_day_is_the_balance_of_the_day(hand: DatedBank) -> None:
    hand.add("balances", on="2024-06-01T15:00", ledger_balance=300)
    hand.add("balances", on="2024-06-01T09:00", ledger_balance=800)
    assert hand.value("assets") == 300


def test_overdrawn_days_and_extremes_of_the_current_account(hand: DatedBank) -> None:
    for day, balance in ((1, -50), (2, 0), (3, -70), (4, 900)):
        hand.add("balances", on=f"2024-06-0{day}", ledger_balance=balance)
    wanted = ["days_overdrawn_365d", "lowest_balance_90d", "highest_balance_90d"]
    assert hand.values(wanted) == [2, -70, 900]


def test_products_held_are_those_opened_and_not_closed(hand: DatedBank) -> None:
    hand.add("accounts", on="2023-07-01", account_id="A2", product_id="fund")
    hand.add("accounts", on="2024-06-01", account_id="A3", product_id="credit_card")
    hand.add("closings", on="2024-06-20", account_id="A2", reason="customer")
    hand.add("closings", on="2024-06-30", known="2024-07-02", account_id="A1")  # not known yet
    wanted = ["products_opened", "products_closed", "products_held", "families_opened"]
    assert hand.values(wanted) == [3, 1, 2, 3]
    assert hand.values(["days_since_opening", "closed_by_customer_180d"]) == [30, 1]


def test_tenure_and_age_in_days_and_completed_years(hand: DatedBank) -> None:
    hand.add("customers", on="2022-01-01", customer_id="C1", birth_date=pd.Timestamp("1984-07-02"))
    assert hand.value("tenure_days") == (AS_OF - pd.Timestamp("2020-01-01").date()).days
    assert hand.value("age_years") == 39  # forty tomorrow


def test_who_moved_lives_in_the_new_district_only(hand: DatedBank) -> None:
    hand.add("customers", on="2021-01-01", customer_id="C1", district_id="rich")
    hand.add("customers", on="2023-05-01", customer_id="C1", district_id="poor")
    for district, salary in (("rich", 9000), ("poor", 2000)):
        hand.add("districts", on="2022-03-01", district_id=district, average_salary=salary)
        hand.add("districts", on="2024-03-01", district_id=district, average_salary=salary + 1)
    assert hand.value("district_salary") == 2001


def test_arrears_are_of_the_worst_loan_and_of_its_last_statement(hand: DatedBank) -> None:
    hand.add("loans", on="2023-01-01", loan_id="L1", amount=50000)
    hand.add("loans", on="2023-01-01", loan_id="L2", amount=50000)
    for loan, day, late, owed in (
        ("L1", "2024-05-31", 45, 4000),
        ("L1", "2024-06-30", 0, 3900),  # caught up
        ("L2", "2024-06-30", 12, 800),
    ):
        hand.add("repayments", on=day, loan_id=loan, days_past_due=late, outstanding=owed, due=100)
    assert hand.values(["loan_days_past_due", "loan_worst_arrears_365d"]) == [12, 45]
    assert hand.values(["loans_outstanding", "instalments_90d"]) == [4700, 300]


def test_a_ratio_over_nothing_is_missing_not_infinite(full: DatedBank) -> None:
    full.add("repayments", on="2024-06-02", due=500)
    full.rows["loans"][0]["account_id"] = "A1"
    due, service = full.values(["instalments_90d", "debt_service"])
    assert due == 500
    assert math.isnan(service)  # no income to pay it from
    assert math.isnan(full.value("limit_use"))


def test_contribution_may_be_negative(hand: DatedBank) -> None:
    for day, earned in (("2024-02-29", 900), ("2024-03-31", 600), ("2024-05-31", -1100)):
        hand.add("contributions", on=day, customer_id="C1", account_id="A1", contribution=earned)
    assert hand.values(["contribution_365d", "contribution_120d"]) == [400, -500]
    assert hand.value("contribution_trend") == -1500 / 400


def test_a_customer_without_history_has_a_defined_value_everywhere(full: DatedBank) -> None:
    """F19"""
    values = dict(zip(CATALOGUE, full.values(list(CATALOGUE)), strict=True))
    assert not any(math.isinf(v) for v in values.values())
    elsewhere = ("products", "demographics")
    counts = [n for n, f in CATALOGUE.items() if f.unit == "count" and f.subject not in elsewhere]
    assert {n: values[n] for n in counts} == dict.fromkeys(counts, 0.0)
    missing = ["days_since_own_booking", "lowest_balance_90d", "booking_trend_90d", "limit_use"]
    assert all(math.isnan(values[name]) for name in missing)


def test_a_customer_with_one_event_of_each_kind_has_no_infinite_value(full: DatedBank) -> None:
    """F19"""
    values = full.values(list(CATALOGUE), customer="C9")
    assert not any(math.isinf(v) for v in values)


def test_a_customer_opened_yesterday_has_one_day_of_tenure(full: DatedBank) -> None:
    """F19"""
    full.customer("C2", "A2", on="2024-06-30")
    assert full.values(["tenure_days", "products_held"], customer="C2") == [1, 1]


def test_a_customer_who_has_left_holds_nothing(full: DatedBank) -> None:
    """F19"""
    full.add("closings", on="2024-06-15", account_id="A1")
    assert full.values(["products_held", "products_closed"]) == [0, 1]


def test_someone_unknown_to_the_bank_has_no_facts(full: DatedBank) -> None:
    """F19"""
    assert full.values(["products_opened", "spend_90d"], customer="nobody") == [0, 0]
    assert math.isnan(full.value("tenure_days", customer="nobody"))


def test_zero_is_never_minus_zero(full: DatedBank) -> None:
    full.add("transactions", on="2024-06-01", account_id="A1", amount=0)
    spine = pd.DataFrame({"customer_id": ["C1", "C9"], "as_of": [AS_OF, AS_OF]})
    values = build(full.load(), spine).values
    assert not np.signbit(values[values == 0]).any()
    assert not np.signbit(full.value("spend_90d"))


def test_division_by_zero_is_missing_whatever_the_numerator() -> None:
    found = quotient(np.array([1.0, 0.0, -1.0, 6.0]), np.array([0.0, 0.0, -0.0, 3.0]))
    assert np.isnan(found[:3]).all()
    assert found[3] == 2.0
