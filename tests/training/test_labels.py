"""What each question counts, on a bank of a few hand-written rows."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data.errors import TrainingError
from tests.features.dated_bank import DatedBank
from training.labels import (
    CHURN,
    CREDIT_RISK,
    LIFETIME_VALUE,
    LOAN_STATUS,
    RUN_OFF,
    LabelContract,
    Labelled,
    label,
    loan_spine,
    propensity,
    statuses,
)

AS_OF = date(2023, 1, 31)
FUND = propensity("fund")


@pytest.fixture
def hand(tmp_path: Path) -> DatedBank:
    """Customer C1 with current account A1, in data that end on 30 June 2024."""
    bank = DatedBank(tmp_path)
    bank.customer("end", "end")
    bank.add("balances", on="2024-06-30", account_id="end")
    bank.add("transactions", on="2022-01-01", account_id="end", automatic=True)
    bank.add("repayments", on="2022-01-01", loan_id="none")
    bank.add("loans", on="2022-01-01", loan_id="none", account_id="end")
    bank.add("contributions", on="2022-01-01", customer_id="end", account_id="end")
    return bank


def ask(bank: DatedBank, contract: LabelContract, as_of: date = AS_OF) -> Labelled:
    spine = pd.DataFrame({"customer_id": ["C1"], "as_of": [as_of]})
    return label(bank.load(), contract, spine)


def target(bank: DatedBank, contract: LabelContract, as_of: date = AS_OF) -> float:
    rows = ask(bank, contract, as_of).rows
    rows = rows[rows["horizon_days"] == contract.horizon_days] if contract.horizons else rows
    assert list(rows["customer_id"]) == ["C1"]
    return float(rows["target"].iloc[0])


def left_within(bank: DatedBank, as_of: date = AS_OF) -> list[int]:
    """The horizons, of those that are over, within which C1 has left."""
    rows = ask(bank, CHURN, as_of).rows
    return [int(h) for h in rows.loc[rows["target"] == 1, "horizon_days"]]


def active(bank: DatedBank) -> None:
    bank.add("transactions", on="2023-01-10", amount=-100)


def test_who_moves_no_money_and_keeps_none_has_churned(hand: DatedBank) -> None:
    active(hand)
    assert target(hand, CHURN) == 1.0


@pytest.mark.parametrize(
    "last, within",
    [
        ("2023-01-31", [91, 182, 365]),  # its 90th day of silence is 1 May, the 90th day ahead
        ("2023-02-01", [182, 365]),
        ("2023-05-02", [182, 365]),  # and 31 July
        ("2023-05-03", [365]),
        ("2023-11-01", [365]),  # and 30 January
        ("2023-11-02", []),
    ],
)
def test_silence_is_leaving_on_its_ninetieth_day(
    hand: DatedBank, last: str, within: list[int]
) -> None:
    active(hand)
    until = (date.fromisoformat(last) - AS_OF).days
    for day in range(0, until + 1, 45):
        hand.add("transactions", on=str(AS_OF + timedelta(day)), amount=-100)
    hand.add("transactions", on=last, amount=-100)
    assert left_within(hand) == within


def test_who_comes_back_has_left_all_the_same(hand: DatedBank) -> None:
    active(hand)
    assert left_within(hand) == [91, 182, 365]
    hand.add("transactions", on="2023-04-11", amount=-100)  # the 91st day
    for day in range(0, 400, 60):
        again = date(2023, 4, 11) + timedelta(day)
        hand.add("transactions", on=str(again), amount=-100)
    assert left_within(hand) == [91, 182, 365]
    hand.add("transactions", on="2023-04-10", amount=-100)  # the 90th
    assert left_within(hand) == []


def test_interest_is_no_sign_of_life(hand: DatedBank) -> None:
    active(hand)
    hand.add("transactions", on="2023-03-01", amount=5, automatic=True)
    assert left_within(hand) == [91, 182, 365]


def test_who_keeps_money_has_not_churned_until_the_last_account_is_closed(hand: DatedBank) -> None:
    active(hand)
    hand.add("balances", on="2023-02-01", ledger_balance=1_000_000)
    assert left_within(hand) == []
    hand.add("accounts", on="2022-01-01", account_id="A2", product_id="fund")
    hand.add("closings", on="2023-03-01", account_id="A1")
    assert left_within(hand) == [91, 182, 365]  # silent, and the money is gone
    hand.add("balances", on="2023-03-01", account_id="A2", market_value=1_000_000)
    assert left_within(hand) == []
    hand.add("closings", on="2023-07-31", account_id="A2")  # the half year's last day but one
    assert left_within(hand) == [182, 365]


def test_a_closing_on_the_day_after_the_window_does_not_count(hand: DatedBank) -> None:
    active(hand)
    hand.add("balances", on="2023-02-01", ledger_balance=1_000_000)
    hand.add("closings", on=str(AS_OF + timedelta(182)), account_id="A1")
    assert left_within(hand) == [365]


def test_an_account_opened_instead_keeps_the_customer(hand: DatedBank) -> None:
    active(hand)
    hand.add("balances", on="2023-02-01", ledger_balance=1_000_000)
    hand.add("accounts", on="2023-06-01", account_id="A2", product_id="savings")
    hand.add("balances", on="2023-06-01", account_id="A2", ledger_balance=1_000_000)
    hand.add("closings", on="2023-06-01", account_id="A1")
    assert left_within(hand) == []
    hand.rows["accounts"].pop()
    hand.add("accounts", on="2023-06-02", account_id="A2", product_id="savings")
    assert left_within(hand) == [182, 365]


def test_a_loan_is_no_money_that_keeps_a_silent_customer(hand: DatedBank) -> None:
    active(hand)
    hand.add("accounts", on="2022-01-01", account_id="A2", product_id="mortgage")
    hand.add("balances", on="2022-01-01", account_id="A2", ledger_balance=9_000_000)
    assert left_within(hand) == [91, 182, 365]


def test_only_horizons_that_are_over_are_labelled(hand: DatedBank) -> None:
    hand.add("transactions", on="2024-02-20", amount=-1)
    as_of = date(2024, 2, 29)  # the data end 122 days later
    found = ask(hand, CHURN, as_of)
    assert found.left_out == {"immature": 2}
    assert list(found.rows["horizon_days"]) == [91]


def assets(bank: DatedBank, *held: tuple[str, int]) -> None:
    for day, money in held:
        bank.add("balances", on=day, ledger_balance=money)


def test_money_runs_off_when_a_month_holds_half_of_the_last(hand: DatedBank) -> None:
    assets(hand, ("2022-12-01", 4_000_000))
    assert target(hand, RUN_OFF) == 0.0
    assets(hand, ("2023-04-01", 2_000_000))  # the third month, 1 to 30 April, whole
    assert target(hand, RUN_OFF) == 1.0
    hand.rows["balances"].pop()
    assets(hand, ("2023-04-02", 2_000_000))  # one day of it is at 4,000,000
    assert target(hand, RUN_OFF) == 0.0


def test_a_month_s_assets_are_averaged_by_days(hand: DatedBank) -> None:
    assets(hand, ("2022-12-01", 0), ("2023-01-16", 4_000_000))  # 15 of 30 days: 2,000,000
    assets(hand, ("2023-01-31", 1_000_001))
    assert target(hand, RUN_OFF) == 0.0
    assets(hand, ("2023-03-02", 1_000_000))
    assert target(hand, RUN_OFF) == 1.0


def test_money_that_moves_to_another_account_stays(hand: DatedBank) -> None:
    assets(hand, ("2022-12-01", 4_000_000))
    hand.add("accounts", on="2023-01-10", account_id="A2", product_id="fund")
    hand.add("balances", on="2023-01-10", account_id="A2", market_value=4_000_000)
    hand.add("closings", on="2023-01-10", account_id="A1")
    assert target(hand, RUN_OFF) == 0.0
    hand.add("closings", on="2023-02-20", account_id="A2")
    assert target(hand, RUN_OFF) == 1.0


@pytest.mark.parametrize(
    "since, money, left_out",
    [
        ("2022-12-01", 1_000_000, {}),
        ("2022-12-01", 999_999, {"few_assets": 1}),
        ("2023-01-16", 2_000_000, {}),
        ("2023-01-17", 2_000_000, {"few_assets": 1}),
    ],
)
def test_money_runs_off_only_where_there_is_some(
    hand: DatedBank, since: str, money: int, left_out: dict[str, int]
) -> None:
    assets(hand, (since, money))
    assert ask(hand, RUN_OFF).left_out == left_out


def test_assets_learnt_late_count_from_when_they_are_known(hand: DatedBank) -> None:
    hand.add("balances", on="2022-12-01", known="2023-01-30", ledger_balance=5_000_000)
    assert ask(hand, RUN_OFF).left_out == {}
    hand.rows["balances"].pop()
    hand.add("balances", on="2022-12-01", known="2023-01-31", ledger_balance=5_000_000)
    assert ask(hand, RUN_OFF).left_out == {"few_assets": 1}


def test_contribution_of_the_next_year_is_added_up_in_units_of_money(hand: DatedBank) -> None:
    for day, earned in (
        ("2022-12-31", 7),  # before
        ("2023-01-31", 8),  # the month that ends on the as-of day
        ("2023-02-28", 150),
        ("2023-08-31", -50),
        ("2024-01-31", 1000),  # the twelfth
        ("2024-02-29", 9),  # after
    ):
        hand.add("contributions", on=day, customer_id="C1", contribution=earned)
    assert target(hand, LIFETIME_VALUE) == 11.0


def test_a_fund_opened_within_90_days_is_a_take_up(hand: DatedBank) -> None:
    assert target(hand, FUND) == 0.0
    last = AS_OF + timedelta(89)
    hand.add("accounts", on=str(last), account_id="A2", product_id="fund")
    assert target(hand, FUND) == 1.0
    assert target(hand, propensity("insurance")) == 0.0
    assert target(hand, FUND, AS_OF - timedelta(1)) == 0.0


@pytest.mark.parametrize(
    "day, left_out",
    [
        (AS_OF - timedelta(91), {}),
        (AS_OF - timedelta(90), {"contacted": 1}),
        (AS_OF + timedelta(89), {"contacted": 1}),
        (AS_OF + timedelta(90), {}),
    ],
)
def test_who_is_reached_by_a_contact_does_not_teach_what_happens_without_one(
    hand: DatedBank, day: date, left_out: dict[str, int]
) -> None:
    hand.add("contacts", on=str(day), family="fund", arm="treated", outcome="delivered")
    assert ask(hand, FUND).left_out == left_out
    assert ask(hand, propensity("insurance")).left_out == {}
    spine = pd.DataFrame({"customer_id": ["C1"], "as_of": [AS_OF]})
    assert statuses(hand.load(), FUND, spine) == ["scorable"]


@pytest.mark.parametrize(
    "arm, outcome",
    [("control", "assigned"), ("treated", "assigned"), ("treated", "undelivered")],
)
def test_whom_no_contact_reaches_teaches_what_happens_without_one(
    hand: DatedBank, arm: str, outcome: str
) -> None:
    hand.add("contacts", on=str(AS_OF), family="fund", arm=arm, outcome=outcome)
    hand.add("accounts", on=str(AS_OF), account_id="A2", product_id="fund")
    assert target(hand, FUND) == 1.0


def test_default_is_more_than_ninety_days_past_due_within_a_year(hand: DatedBank) -> None:
    hand.add("loans", on="2022-06-01", loan_id="L1")
    hand.add("repayments", on="2023-01-30", loan_id="L1", outstanding=500)
    late: dict[str, Any] = {"loan_id": "L1", "outstanding": 900_000, "due": 400_000}
    hand.add("repayments", on="2023-06-30", **late, days_past_due=90)
    assert target(hand, CREDIT_RISK) == 0.0
    hand.add("repayments", on="2024-01-30", **late, days_past_due=91)
    assert target(hand, CREDIT_RISK) == 1.0


def test_a_written_off_card_is_a_default(hand: DatedBank) -> None:
    hand.add("accounts", on="2022-01-01", account_id="A2", product_id="credit_card")
    hand.add("statements", on="2023-01-15", account_id="A2", credit_limit=500)
    hand.add("closings", on="2023-12-01", account_id="A2", reason="written_off")
    assert target(hand, CREDIT_RISK) == 1.0


def test_a_loan_and_a_card_of_the_same_number_are_two_exposures(hand: DatedBank) -> None:
    hand.add("accounts", on="2022-01-01", account_id="7", product_id="credit_card")
    hand.add("loans", on="2022-01-01", loan_id="7")
    late: dict[str, Any] = {"outstanding": 900_000, "due": 400_000, "days_past_due": 120}
    hand.add("repayments", on="2023-01-10", loan_id="7", **late)
    hand.add("statements", on="2023-01-20", account_id="7", credit_limit=500)
    assert ask(hand, CREDIT_RISK).left_out == {"in_default": 1}


@pytest.mark.parametrize("status, bad", [("unpaid", 1), ("in_debt", 1), ("performing", 0)])
def test_the_final_status_of_a_loan_as_of_the_day_before(
    hand: DatedBank, status: str, bad: float
) -> None:
    active(hand)
    hand.add("loans", on="2023-02-01", loan_id="L1")
    hand.add("loan_outcomes", on="2024-06-30", loan_id="L1", status=status)
    spine = loan_spine(hand.load())
    assert spine.iloc[-1].to_list() == ["C1", AS_OF]
    assert target(hand, LOAN_STATUS) == bad


def test_nobody_is_asked_whose_last_account_is_closed(hand: DatedBank) -> None:
    active(hand)
    hand.add("closings", on="2023-01-30", account_id="A1")
    for contract in (CHURN, LIFETIME_VALUE, FUND):
        assert ask(hand, contract).left_out == {"no_open_account": 1}


def test_a_closing_not_yet_known_leaves_the_account_open(hand: DatedBank) -> None:
    hand.add("closings", on="2023-01-30", known="2023-02-01", account_id="A1")
    assert ask(hand, FUND).left_out == {}


def test_who_moves_no_money_for_ninety_days_is_dormant(hand: DatedBank) -> None:
    hand.add("transactions", on="2022-11-01", amount=-1)  # 91 days before
    hand.add("transactions", on="2023-01-01", amount=-1, automatic=True)
    assert ask(hand, CHURN).left_out == {"dormant": 1}
    hand.add("transactions", on="2022-11-02", amount=-1)  # 90 days before
    assert ask(hand, CHURN).left_out == {}
    hand.rows["transactions"].pop()
    hand.add("balances", on="2022-12-01", ledger_balance=1_000_000)
    assert ask(hand, CHURN).left_out == {}  # their money is here


def test_who_holds_a_fund_is_not_asked_whether_they_want_one(hand: DatedBank) -> None:
    hand.add("accounts", on="2022-01-01", account_id="A2", product_id="fund")
    assert ask(hand, FUND).left_out == {"holds_it_already": 1}


def test_who_owes_nothing_cannot_default(hand: DatedBank) -> None:
    assert ask(hand, CREDIT_RISK).left_out == {"no_exposure": 1}


def test_who_has_given_back_the_card_cannot_default_on_it(hand: DatedBank) -> None:
    hand.add("accounts", on="2022-01-01", account_id="A2", product_id="credit_card")
    hand.add("statements", on="2023-01-10", account_id="A2", credit_limit=500)
    assert ask(hand, CREDIT_RISK).left_out == {}
    hand.add("closings", on="2023-01-20", account_id="A2", reason="customer")
    assert ask(hand, CREDIT_RISK).left_out == {"no_exposure": 1}


def test_who_has_defaulted_is_not_asked_whether_they_will(hand: DatedBank) -> None:
    hand.add("loans", on="2022-06-01", loan_id="L1")
    late: dict[str, Any] = {"outstanding": 900_000, "due": 400_000, "days_past_due": 91}
    hand.add("repayments", on="2023-01-10", loan_id="L1", **late)
    assert ask(hand, CREDIT_RISK).left_out == {"in_default": 1}


@pytest.mark.parametrize("contract", [LIFETIME_VALUE, FUND])
def test_an_outcome_that_is_not_over_yet_is_immature(
    hand: DatedBank, contract: LabelContract
) -> None:
    wait = timedelta(contract.horizon_days + contract.lag_days)
    newest = date(2024, 6, 30) - wait
    hand.add("transactions", on=str(newest - timedelta(5)), amount=-1)
    assert ask(hand, contract, newest).left_out == {}
    assert ask(hand, contract, newest + timedelta(1)).left_out == {"immature": 1}
    assert contract.mature(newest, date(2024, 6, 30))
    assert not contract.mature(newest + timedelta(1), date(2024, 6, 30))


def test_a_main_horizon_is_one_of_several_that_rise() -> None:
    with pytest.raises(TrainingError, match="main horizon of 90 days is none of"):
        replace(CHURN, horizon_days=90)
    with pytest.raises(TrainingError, match="have to rise"):
        replace(CHURN, horizons=(182, 91))


@pytest.mark.parametrize("gap, horizon, lag", [(-1, 182, 31), (0, -1, 31), (0, 182, -1)])
def test_a_window_that_overlaps_what_the_features_see_is_refused(
    gap: int, horizon: int, lag: int
) -> None:
    """F17"""
    with pytest.raises(TrainingError, match=r"label propensity.*overlap what the features see"):
        replace(FUND, gap_days=gap, horizon_days=horizon, lag_days=lag)


def test_the_as_of_day_belongs_to_the_outcome_and_the_day_before_to_the_features(
    hand: DatedBank,
) -> None:
    """F17"""
    hand.add("accounts", on=str(AS_OF - timedelta(1)), account_id="A2", product_id="mortgage")
    held = hand.value("products_opened", AS_OF)
    assert target(hand, FUND) == 0.0
    hand.add("accounts", on=str(AS_OF), account_id="A3", product_id="fund")
    assert target(hand, FUND) == 1.0
    assert hand.value("products_opened", AS_OF) == held == 2


def test_a_gap_moves_the_window(hand: DatedBank) -> None:
    """F17"""
    later = replace(FUND, gap_days=10)
    hand.add("accounts", on=str(AS_OF + timedelta(9)), account_id="A2", product_id="fund")
    assert target(hand, later) == 0.0
    hand.add("accounts", on=str(AS_OF + timedelta(99)), account_id="A3", product_id="fund")
    assert target(hand, later) == 1.0
    assert target(hand, replace(FUND, gap_days=9)) == 1.0


@pytest.mark.parametrize(
    "until, left_out",
    [
        ("2024-01-31", {}),  # the year's end
        ("2024-01-30", {"outcome_not_covered": 1}),
        ("2023-08-01", {"outcome_not_covered": 1}),  # the half year's end
        ("2023-07-31", {"outcome_not_covered": 2}),
        ("2022-12-31", {"outcome_not_covered": 3}),  # a month without bookings may be a month
        ("2022-12-30", {"history_not_covered": 1}),
    ],
)
def test_an_extract_answers_only_for_the_days_it_holds(
    hand: DatedBank, until: str, left_out: dict[str, int]
) -> None:
    active(hand)
    day = date.fromisoformat(until)
    hand.add_undated("coverage", account_id="A1", covered_from=date(2020, 1, 1), covered_until=day)
    assert ask(hand, CHURN).left_out == left_out


def test_a_reason_is_told_to_whoever_asks_for_a_score(hand: DatedBank) -> None:
    spine = pd.DataFrame({"customer_id": ["C1", "nobody"], "as_of": [AS_OF, AS_OF]})
    assert statuses(hand.load(), CHURN, spine) == ["dormant", "no_open_account"]
    assert statuses(hand.load(), FUND, spine) == ["scorable", "no_open_account"]


def test_facts_learnt_later_do_not_change_who_is_asked(hand: DatedBank) -> None:
    hand.add("transactions", on="2023-01-10", known="2023-01-31", amount=-1)
    hand.add("accounts", on="2023-01-01", known="2023-01-31", account_id="A2", product_id="fund")
    assert ask(hand, CHURN).left_out == {"dormant": 1}
    assert ask(hand, FUND).left_out == {}


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    bank = DatedBank(tmp_path)
    bank.add("balances", on="2024-06-30")
    with pytest.raises(TrainingError, match="no rows in transactions"):
        ask(bank, CHURN)
