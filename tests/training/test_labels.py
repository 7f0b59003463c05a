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
    assert list(rows["customer_id"]) == ["C1"]
    return float(rows["target"].iloc[0])


def active(bank: DatedBank) -> None:
    bank.add("transactions", on="2023-01-10", amount=-100)


def test_who_moves_no_money_and_keeps_none_has_churned(hand: DatedBank) -> None:
    active(hand)
    assert target(hand, CHURN) == 1.0


def test_who_moves_money_in_the_last_quarter_of_the_window_has_not(hand: DatedBank) -> None:
    active(hand)
    hand.add("transactions", on="2023-05-03", amount=-100)  # window ends 1 August, less 90 days
    assert target(hand, CHURN) == 0.0
    hand.rows["transactions"].pop()
    hand.add("transactions", on="2023-05-02", amount=-100)  # one day too early
    assert target(hand, CHURN) == 1.0


def test_interest_is_no_sign_of_life(hand: DatedBank) -> None:
    active(hand)
    hand.add("transactions", on="2023-07-01", amount=5, automatic=True)
    assert target(hand, CHURN) == 1.0


def test_who_keeps_money_has_not_churned_until_the_last_account_is_closed(hand: DatedBank) -> None:
    active(hand)
    hand.add("balances", on="2023-02-01", ledger_balance=1_000_000)
    assert target(hand, CHURN) == 0.0
    hand.add("closings", on="2023-07-31", account_id="A1")  # the window's last day but one
    assert target(hand, CHURN) == 1.0


def test_a_closing_on_the_day_after_the_window_does_not_count(hand: DatedBank) -> None:
    active(hand)
    hand.add("balances", on="2023-02-01", ledger_balance=1_000_000)
    hand.add("closings", on=str(AS_OF + timedelta(182)), account_id="A1")
    assert target(hand, CHURN) == 0.0


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


@pytest.mark.parametrize("contract", [CHURN, LIFETIME_VALUE, FUND])
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
        ("2023-08-01", {}),  # the window's end
        ("2023-07-31", {"outcome_not_covered": 1}),
        ("2022-12-31", {"outcome_not_covered": 1}),  # a month without bookings may be a month
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
