"""States, averages, slopes and spreads of one hand-written customer, reckoned by hand."""

import math
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.facts import deviation, slope, spread, total, trend
from tests.features.dated_bank import DatedBank

FIRST = date(2024, 7, 1)


def held(bank: DatedBank, *positions: tuple[str, int]) -> None:
    for day, worth in positions:
        bank.add("balances", on=day, ledger_balance=worth)


def test_the_daily_average_weighs_each_balance_by_the_days_it_stood(hand: DatedBank) -> None:
    held(hand, ("2024-01-01", 300), ("2024-06-21", 900))  # 20 days of 300, 10 of 900
    assert hand.value("assets_average_30d") == (20 * 300 + 10 * 900) / 30
    assert hand.value("current_average_90d") == (80 * 300 + 10 * 900) / 90


def test_the_daily_average_counts_days_before_the_first_balance_as_nothing(
    hand: DatedBank,
) -> None:
    held(hand, ("2024-06-26", 600))  # 5 of 30 days
    assert hand.value("assets_average_30d") == 100


def test_the_last_balance_of_a_day_stands_for_the_day_in_the_average(hand: DatedBank) -> None:
    held(hand, ("2024-06-26T09:00", 900), ("2024-06-26T17:00", 600))
    assert hand.value("assets_average_30d") == 100


def test_the_average_of_several_accounts_is_that_of_their_sum(hand: DatedBank) -> None:
    hand.add("accounts", on="2021-01-01", account_id="A2", product_id="fund")
    held(hand, ("2024-01-01", 300))
    hand.add("balances", on="2024-06-16", account_id="A2", ledger_balance=0, market_value=200)
    assert hand.value("assets_average_30d") == 300 + 200 * 15 / 30


@pytest.mark.parametrize(
    "average,tier", [(9_999_999, 0), (10_000_000, 1), (300_000_000, 3), (5_000_000_000, 5)]
)
def test_the_tier_follows_from_the_daily_average(hand: DatedBank, average: int, tier: int) -> None:
    held(hand, ("2024-01-01", average))
    assert hand.value("assets_tier") == tier


def test_a_month_end_balance_is_that_of_the_last_complete_month(hand: DatedBank) -> None:
    held(hand, ("2024-05-30", 500), ("2024-06-10", 800))
    days = [date(2024, 6, 30), FIRST, date(2024, 7, 31)]
    assert [hand.value("assets_month_end", day) for day in days] == [500, 800, 800]


def test_assets_that_grow_by_the_month_have_that_slope_and_their_peak_at_the_end(
    hand: DatedBank,
) -> None:
    ends = ("2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30", "2024-05-31", "2024-06-30")
    held(hand, *((day, 1000 + 70 * n) for n, day in enumerate(ends)))
    wanted = ["assets_slope_6m", "assets_peak_6m", "assets_left_of_peak"]
    assert hand.values(wanted) == [70, 1350, 1]
    worth = [1000 + 70 * n for n in range(6)]
    assert hand.value("assets_spread_6m") == pytest.approx(np.std(worth) / np.mean(worth))


def test_a_run_down_shows_against_the_peak_and_the_average(hand: DatedBank) -> None:
    held(hand, ("2023-01-01", 1000), ("2024-06-28", 100))
    assert hand.value("assets_left_of_peak") == 0.1
    assert hand.value("assets_against_average") == 100 / ((362 * 1000 + 3 * 100) / 365)


def test_deviation_and_slope_of_balances_are_in_minor_units(hand: DatedBank) -> None:
    held(hand, ("2024-06-01", 4_000_000), ("2024-06-11", 5_000_000), ("2024-06-21", 6_000_000))
    assert hand.value("balance_slope_90d") == pytest.approx(100_000)  # a day
    spread_of = float(np.std([4_000_000, 5_000_000, 6_000_000]))
    assert hand.value("balance_deviation_90d") == pytest.approx(spread_of)


def test_one_balance_has_neither_deviation_nor_slope(hand: DatedBank) -> None:
    held(hand, ("2024-06-01", 4_000_000))
    assert all(math.isnan(v) for v in hand.values(["balance_slope_90d", "balance_deviation_90d"]))


def test_a_salary_paid_every_month_is_regular_and_one_missed_is_not(hand: DatedBank) -> None:
    days = [FIRST.toordinal() - 10 - 30 * n for n in range(12)]
    for day in map(date.fromordinal, days):
        hand.add("transactions", on=day.isoformat(), amount=5000, category="salary")
    wanted = ["income_months_12m", "income_spread_12m", "income_slope_12m"]
    assert hand.values(wanted) == [12, 0, 0]
    hand.rows["transactions"].pop()
    assert hand.value("income_months_12m") == 11
    assert hand.value("income_spread_12m") > 0


def test_spending_is_told_by_category(hand: DatedBank) -> None:
    for category, amount in (("groceries", -30), ("groceries", -12), ("travel", -500)):
        hand.add("transactions", on="2024-06-01", amount=amount, category=category)
    wanted = ["groceries_90d", "travel_90d", "dining_90d", "spend_90d"]
    assert hand.values(wanted) == [42, 500, 0, 542]


def test_days_people_and_largest_payments_are_counted(hand: DatedBank) -> None:
    hand.add("transactions", on="2024-06-01T08:00", amount=-5, counterparty="X")
    hand.add("transactions", on="2024-06-01T20:00", amount=-90, counterparty="Y")
    hand.add("transactions", on="2024-06-02", amount=40, counterparty="X")
    hand.add("transactions", on="2024-06-03", amount=-7, automatic=True)
    wanted = ["active_days_90d", "counterparties_90d", "largest_outflow_90d", "outflow_jump_90d"]
    assert hand.values(wanted) == [2, 2, 90, 90 / 40]


def test_a_withdrawn_consent_no_longer_stands(hand: DatedBank) -> None:
    for purpose in ("marketing", "profiling"):
        hand.add("consents", on="2020-01-01", customer_id="C1", purpose=purpose, granted=True)
    hand.add("consents", on="2024-06-20", customer_id="C1", purpose="marketing", granted=False)
    wanted = ["marketing_consent", "profiling_consent", "consents_standing"]
    assert hand.values(wanted) == [0, 1, 1]
    assert hand.values(wanted, date(2024, 6, 20)) == [1, 1, 2]
    assert hand.value("consents_withdrawn_365d") == 1


def test_a_risk_assessment_runs_out(hand: DatedBank) -> None:
    until = pd.Timestamp("2024-07-11").date()
    hand.add("suitability", on="2023-07-12", tolerance="C4", valid_until=until)
    wanted = ["risk_tolerance", "days_since_assessment", "assessment_days_left"]
    assert hand.values(wanted) == [4, 355, 10]
    assert hand.value("assessment_days_left", date(2024, 8, 1)) == -21


def test_contacts_and_their_answers(hand: DatedBank) -> None:
    for day, outcome in (("10", "delivered"), ("11", "accepted"), ("20", "delivered")):
        hand.add("contacts", on=f"2024-06-{day}", customer_id="C1", outcome=outcome)
    wanted = ["contacts_30d", "response_rate_365d", "days_since_contact"]
    assert hand.values(wanted) == [2, 0.5, 11]


def test_touches_by_kind(hand: DatedBank) -> None:
    for day, kind in (("2024-06-01", "login"), ("2024-06-01", "call"), ("2021-01-01", "complaint")):
        hand.add("interactions", on=day, customer_id="C1", kind=kind)
    wanted = ["digital_touches_90d", "complaints_365d", "complaints", "days_since_touch"]
    assert hand.values(wanted) == [0.5, 0, 1, 30]


def test_contribution_is_told_by_product_and_term(hand: DatedBank) -> None:
    hand.add("accounts", on="2021-01-01", account_id="A2", product_id="credit_card")
    terms: dict[str, Any] = {"margin_earned": 90, "fees": 10, "cost_to_serve": 25, "loss": 0}
    for account, worth in (("A1", 300), ("A2", -40)):
        hand.add(
            "contributions", on="2024-05-31", customer_id="C1", account_id=account,
            contribution=worth, **terms,
        )  # fmt: skip
    wanted = ["deposit_contribution_365d", "card_contribution_365d", "contribution_365d"]
    assert hand.values(wanted) == [300, -40, 260]
    assert hand.values(["fee_share_365d", "cost_income_365d", "losses"]) == [0.1, 0.25, 0]


def test_arrears_minimum_payments_and_limits_of_a_card(hand: DatedBank) -> None:
    hand.add("accounts", on="2021-01-01", account_id="A2", product_id="credit_card")
    for month, balance, paid, late in (
        ("02", 500, 20, 0),
        ("04", 1200, 0, 35),
        ("06", 800, 800, 0),
    ):
        hand.add(
            "statements", on=f"2024-{month}-15", account_id="A2", credit_limit=1000,
            balance=balance, minimum_due=20, paid=paid, days_past_due=late,
        )  # fmt: skip
    wanted = ["limit_use", "over_limit_365d", "minimum_payments_365d", "card_arrears_30_365d"]
    assert hand.values(wanted) == [0.8, 1, 2, 1]
    assert hand.values(["card_balance_90d_ago", "card_worst_arrears"]) == [500, 35]


def test_a_loan_against_its_collateral(hand: DatedBank) -> None:
    hand.add("loans", on="2023-01-01", loan_id="L1", amount=50000)
    hand.add("repayments", on="2024-05-31", loan_id="L1", outstanding=4000, due=100, paid=50)
    hand.add("collateral", on="2023-01-01", collateral_id="K1", loan_id="L1", value=9000)
    hand.add("collateral", on="2024-01-01", collateral_id="K1", loan_id="L1", value=8000)
    assert hand.values(["loan_to_value", "instalments_paid_90d"]) == [0.5, 0.5]


def test_one_row_adds_up_to_the_same_bits_as_many() -> None:
    wide = np.random.default_rng(3).normal(1e7, 3e6, (12, 501))
    for reduced in (total, slope, spread):
        whole = reduced(*wide)
        alone = [reduced(*wide[:, [n]])[0] for n in range(501)]
        assert (whole == np.array(alone)).all()


def test_power_sums_give_what_numpy_gives() -> None:
    x, y = np.array([1.0, 2.0, 4.0, 7.0]), np.array([3.0, 1.0, 8.0, 9.0])
    sums = [np.array([v]) for v in (4.0, x.sum(), y.sum(), (x * x).sum(), (x * y).sum())]
    assert trend(*sums)[0] == pytest.approx(np.polyfit(x, y, 1)[0])
    assert deviation(sums[0], sums[1], sums[3])[0] == pytest.approx(x.std())
