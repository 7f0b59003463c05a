"""Default on a bank of hand-written statements: how late, how much, until when, and for new credit."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.features.dated_bank import DatedBank
from training.labels import (
    ACQUISITION,
    CREDIT_RISK,
    DefaultDefinition,
    LabelContract,
    credit_spine,
    label,
    statuses,
)
from training.labels.credit import NO_REJECTS, behavioural

MONTHLY = [date(2022, month, 10) for month in range(5, 13)] + [date(2023, 1, 10)]
DEFAULTED, CURED = date(2022, 8, 10), date(2022, 9, 10)
LATE = dict(zip(MONTHLY, (10, 41, 71, 102, 0, 0, 0, 0, 0), strict=True))
NOW = date(2023, 1, 31)
DUE = 100_000  # 1,000 units a month: four are past due on 10 August


@pytest.fixture
def hand(tmp_path: Path) -> DatedBank:
    """Customer C1 with account A1 and loan L1, in data that end on 30 June 2024."""
    bank = DatedBank(tmp_path)
    bank.customer("end", "end")
    bank.add("balances", on="2024-06-30", account_id="end")
    bank.add("transactions", on="2022-01-01", account_id="end", automatic=True)
    bank.add("loans", on="2022-01-10", loan_id="L1")
    return bank


def repaid(bank: DatedBank, late: dict[date, int] = LATE, due: int = DUE, **other: Any) -> None:
    """Monthly statements of a loan: the day, and how many days past due it was."""
    for day, days in late.items():
        values: dict[str, Any] = {
            "loan_id": "L1",
            "outstanding": 900_000,
            "due": due,
            "days_past_due": days,
        }
        bank.add("repayments", on=str(day), **(values | other))


def status(bank: DatedBank, as_of: date, contract: LabelContract = CREDIT_RISK) -> str:
    spine = pd.DataFrame({"customer_id": ["C1"], "as_of": [as_of]})
    return statuses(bank.load(), contract, spine)[0]


def target(bank: DatedBank, as_of: date, contract: LabelContract = CREDIT_RISK) -> float:
    spine = pd.DataFrame({"customer_id": ["C1"], "as_of": [as_of]})
    return float(label(bank.load(), contract, spine).rows["target"].iloc[0])


@pytest.mark.parametrize(
    "as_of, expected",
    [
        (DEFAULTED, "scorable"),  # the statement of the day itself is not known yet
        (DEFAULTED + timedelta(1), "in_default"),
        (CURED + timedelta(1), "in_default"),
        (date(2022, 11, 10), "in_default"),  # cured two months ago
        (CURED + timedelta(91), "in_default"),
        (CURED + timedelta(92), "scorable"),
        (date(2023, 1, 11), "scorable"),  # cured four months ago
    ],
)
def test_a_default_lasts_three_months_beyond_its_cure(
    hand: DatedBank, as_of: date, expected: str
) -> None:
    repaid(hand)
    assert status(hand, as_of) == expected
    assert status(hand, as_of, ACQUISITION) == expected


def test_who_falls_behind_again_during_probation_is_not_cured(hand: DatedBank) -> None:
    repaid(hand, LATE | {date(2022, 11, 10): 95})
    assert status(hand, NOW) == "in_default"


def test_a_default_without_any_later_word_goes_on(hand: DatedBank) -> None:
    repaid(hand, {day: days for day, days in LATE.items() if day <= DEFAULTED})
    hand.add("accounts", on="2022-01-01", account_id="A2", product_id="credit_card")
    hand.add("statements", on="2023-01-15", account_id="A2", credit_limit=500)
    assert status(hand, NOW) == "in_default"
    hand.add("closings", on="2022-10-01", account_id="A1", reason="repaid")
    assert status(hand, NOW) == "scorable"


def test_a_cure_not_yet_known_is_none(hand: DatedBank) -> None:
    repaid(hand, {day: days for day, days in LATE.items() if day <= DEFAULTED})
    hand.add("repayments", on=str(CURED), known="2023-02-01", outstanding=900_000, due=DUE)
    assert status(hand, NOW) == "in_default"
    assert status(hand, date(2023, 2, 2)) == "no_exposure"  # cured; the last statement is old


@pytest.mark.parametrize("due, expected", [(75_000, "scorable"), (75_001, "in_default")])
def test_an_amount_past_due_below_the_materiality_is_no_default(
    hand: DatedBank, due: int, expected: str
) -> None:
    repaid(hand, due=due)  # four instalments against 3,000 units
    assert status(hand, DEFAULTED + timedelta(1)) == expected
    assert target(hand, date(2022, 8, 1)) == float(expected == "in_default")


def test_only_instalments_since_the_oldest_unpaid_one_are_past_due(hand: DatedBank) -> None:
    repaid(hand, due=60_000)
    repaid(hand, {date(2022, 3, 10): 0, date(2022, 4, 10): 0}, due=900_000)  # paid long ago
    assert status(hand, DEFAULTED + timedelta(1)) == "scorable"


def test_two_small_arrears_together_are_material(hand: DatedBank) -> None:
    repaid(hand, due=40_000)
    assert status(hand, DEFAULTED + timedelta(6)) == "scorable"
    hand.add("loans", on="2022-01-15", loan_id="L2")
    repaid(hand, {d + timedelta(5): n for d, n in LATE.items()}, due=40_000, loan_id="L2")
    assert status(hand, DEFAULTED + timedelta(5)) == "scorable"
    assert status(hand, DEFAULTED + timedelta(6)) == "in_default"


@pytest.mark.parametrize(
    "minimum, balance, expected",
    [
        (100_000, 900_000, "in_default"),  # four minimum payments
        (75_000, 900_000, "scorable"),
        (100_000, 300_000, "scorable"),  # no more can be past due than is owed
    ],
)
def test_on_a_card_the_minimum_payments_are_past_due(
    hand: DatedBank, minimum: int, balance: int, expected: str
) -> None:
    hand.add("accounts", on="2022-01-01", account_id="A2", product_id="credit_card")
    late = {date(2022, 4, 10): 0} | LATE
    for day, days in late.items():
        values: dict[str, Any] = {"minimum_due": minimum, "balance": balance, "days_past_due": days}
        hand.add("statements", on=str(day), account_id="A2", credit_limit=999_000, **values)
    assert status(hand, DEFAULTED + timedelta(1)) == expected


@pytest.mark.parametrize("days, expected", [(365, "in_default"), (366, "scorable")])
def test_a_write_off_is_default_for_a_year(hand: DatedBank, days: int, expected: str) -> None:
    hand.add("repayments", on="2023-01-10", outstanding=900_000, due=DUE)
    hand.add("accounts", on="2021-01-01", account_id="A2", product_id="credit_card")
    day = NOW - timedelta(days)
    hand.add("closings", on=str(day), account_id="A2", reason="written_off")
    assert status(hand, NOW) == expected


def test_every_parameter_is_the_banks_own_and_changes_the_version(hand: DatedBank) -> None:
    repaid(hand)
    day = DEFAULTED + timedelta(1)
    for changed in ({"days_past_due": 102}, {"materiality": 400_000}):
        assert status(hand, day, behavioural(DefaultDefinition(**changed))) == "scorable"
    short = behavioural(DefaultDefinition(probation_days=30))
    assert status(hand, CURED + timedelta(30), short) == "scorable"
    assert CREDIT_RISK.version == "credit_risk.behavioural/3"
    assert short.version == "credit_risk.behavioural/3(90,300000,30,365)"


def test_the_card_is_told_what_stands_in_and_what_cannot_be_seen() -> None:
    told = DefaultDefinition(materiality=10_000).told()
    assert told["Materiality"].startswith("more than 100 units")
    assert "derived" in told["Past-due amount"]
    assert "no table tells of it" in told["Distressed restructuring"]


def test_new_credit_is_asked_about_on_the_day_before_it_is_opened(hand: DatedBank) -> None:
    hand.add("accounts", on="2022-03-05", account_id="A2", product_id="credit_card")
    hand.add("accounts", on="2022-03-06", account_id="A3", product_id="fund")
    hand.add("accounts", on="2021-03-05", account_id="A4", product_id="credit_card")
    spine = credit_spine(hand.load(), date(2022, 1, 1))
    assert list(spine["as_of"]) == [date(2022, 1, 9), date(2022, 3, 4)]
    assert list(spine["customer_id"]) == ["C1", "C1"]


def test_the_twelve_months_on_book_begin_with_the_opening(hand: DatedBank) -> None:
    repaid(hand)
    assert [target(hand, DEFAULTED - timedelta(n), ACQUISITION) for n in (1, 365, 366)] == [1, 1, 0]
    assert ACQUISITION.mature(date(2023, 5, 30), date(2024, 6, 30))
    assert not ACQUISITION.mature(date(2023, 5, 31), date(2024, 6, 30))


def test_new_credit_is_asked_of_whoever_banks_here_and_is_not_in_default(hand: DatedBank) -> None:
    assert status(hand, NOW, ACQUISITION) == "scorable"
    assert status(hand, NOW) == "no_exposure"
    hand.add("closings", on="2022-10-01", account_id="A1", reason="customer")
    assert status(hand, NOW, ACQUISITION) == "no_open_account"
    assert ACQUISITION.notes == (NO_REJECTS,)
