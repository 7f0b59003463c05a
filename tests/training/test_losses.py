"""EAD and LGD on a bank of hand-written statements, write-offs and recoveries."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from data.warehouse import Warehouse
from tests.features.dated_bank import DatedBank
from training.losses import (
    CONVERSION,
    DISCOUNT_RATE,
    LEAST_CASES,
    STATED,
    LossRate,
    as_json,
    expected_loss,
    exposures,
    loss_rates,
    of_json,
    rate,
)

NOW = date(2024, 7, 1)
DEFAULTED = date(2021, 6, 10)


@pytest.fixture
def hand(tmp_path: Path) -> DatedBank:
    return DatedBank(tmp_path, empty=True)


def borrower(bank: DatedBank, name: str, *, cured: bool = False, **owed: Any) -> None:
    """A customer whose personal loan of 10,000 units is 100 days past due on 10 June 2021."""
    bank.add("customers", on="2020-01-01", customer_id=name)
    account: dict[str, Any] = {
        "customer_id": name,
        "account_id": name,
        "product_id": "personal_loan",
    }
    bank.add("accounts", on="2020-01-01", **account)
    bank.add("loans", on="2020-01-01", loan_id=name, account_id=name)
    values: dict[str, Any] = {
        "loan_id": name,
        "outstanding": 1_000_000,
        "due": 400_000,
        "days_past_due": 100,
    }
    bank.add("repayments", on=str(DEFAULTED), **(values | owed))
    if cured:
        healthy = values | {"days_past_due": 0}
        bank.add("repayments", on="2021-07-10", **(healthy | owed))
    else:
        written_off(bank, name)


def written_off(bank: DatedBank, name: str, after: int = 73) -> None:
    """8,000 units written off; 3,000 collected a year after the default, for 1,000."""
    off = str(DEFAULTED + timedelta(after))
    bank.add("loan_outcomes", on=off, loan_id=name, status="written_off", loss=800_000)
    later = str(DEFAULTED + timedelta(365))
    bank.add("recoveries", on=later, account_id=name, kind="payment", amount=300_000)
    bank.add("recoveries", on=later, account_id=name, kind="cost", amount=100_000)


LOST = 800_000 / (1 + DISCOUNT_RATE) ** 0.2 - 200_000 / (1 + DISCOUNT_RATE)


def unsecured(bank: DatedBank, as_of: date = NOW) -> LossRate:
    return loss_rates(bank.load(), as_of)["personal_loan", "none"]


def test_lgd_is_what_was_written_off_less_what_came_back_discounted(hand: DatedBank) -> None:
    for number in range(LEAST_CASES):
        borrower(hand, f"B{number}")
    found = unsecured(hand)
    assert (found.source, found.cases) == ("observed", LEAST_CASES)
    assert found.lgd == pytest.approx(LOST / 1_000_000)


def test_a_cured_case_counts_and_loses_nothing(hand: DatedBank) -> None:
    for number in range(LEAST_CASES):
        borrower(hand, f"B{number}", cured=number % 3 == 0)
    assert unsecured(hand).lgd == pytest.approx(LOST / 1_000_000 * 2 / 3)


def test_with_too_few_cases_the_stated_table_answers_and_tells_their_number(
    hand: DatedBank,
) -> None:
    for number in range(LEAST_CASES - 1):
        borrower(hand, f"B{number}")
    assert unsecured(hand) == LossRate("personal_loan", "none", 0.45, LEAST_CASES - 1, "stated")


def test_what_is_paid_before_the_write_off_has_lowered_it_already(hand: DatedBank) -> None:
    for number in range(LEAST_CASES):
        borrower(hand, f"B{number}")
        early = str(DEFAULTED + timedelta(30))
        hand.add("recoveries", on=early, account_id=f"B{number}", kind="payment", amount=9_999)
    assert unsecured(hand).lgd == pytest.approx(LOST / 1_000_000)


@pytest.mark.parametrize("days, cases", [(730, 1), (729, 0)])
def test_a_default_counts_once_its_two_years_are_over(
    hand: DatedBank, days: int, cases: int
) -> None:
    borrower(hand, "B1")
    found = loss_rates(hand.load(), DEFAULTED + timedelta(days))
    assert sum(one.cases for one in found.values()) == cases


def test_collateral_makes_a_cell_of_its_own(hand: DatedBank) -> None:
    borrower(hand, "B1")
    borrower(hand, "B2")
    hand.add("collateral", on="2020-01-01", loan_id="B2", kind="vehicle", value=500)
    found = loss_rates(hand.load(), NOW)
    assert {cell: one.lgd for cell, one in found.items()} == {
        ("personal_loan", "none"): STATED["none"],
        ("personal_loan", "vehicle"): STATED["vehicle"],
    }


def test_an_lgd_lies_between_nothing_and_all() -> None:
    assert rate("personal_loan", "none", -0.2, LEAST_CASES).lgd == 0
    assert rate("personal_loan", "none", 1.2, LEAST_CASES).lgd == 1


def card(bank: DatedBank, *, balance: int, limit: int, **account: Any) -> None:
    named: dict[str, Any] = {"customer_id": "C1", "account_id": "K1", "product_id": "credit_card"}
    bank.add("customers", on="2020-01-01", customer_id="C1")
    bank.add("accounts", on="2020-01-01", **(named | account))
    values: dict[str, Any] = {"account_id": "K1", "balance": balance, "credit_limit": limit}
    bank.add("statements", on="2024-06-15", **values)


def test_ead_is_what_is_drawn_and_a_share_of_what_is_not(hand: DatedBank) -> None:
    card(hand, balance=30_000, limit=100_000)
    found = exposures(hand.load(), NOW, {})["C1"]
    assert found.ead == 300 + CONVERSION["credit_card"] * 700
    (part,) = found.parts
    assert (part.drawn, part.undrawn, part.lgd, part.lgd_source) == (300, 700, 0.45, "stated")


def test_the_lgd_of_a_customer_is_weighted_by_exposure(hand: DatedBank) -> None:
    card(hand, balance=100_000, limit=100_000)
    hand.add("accounts", on="2024-06-20", account_id="L1", product_id="mortgage")
    hand.add("loans", on="2024-06-20", loan_id="L1", account_id="L1", amount=300_000)
    hand.add("collateral", on="2024-06-20", loan_id="L1", kind="real_estate", value=900_000)
    rates = {("credit_card", "none"): LossRate("credit_card", "none", 0.75, 40, "observed")}
    found = exposures(hand.load(), NOW, rates)["C1"]
    assert found.ead == 4_000
    assert found.lgd is not None
    assert found.lgd == pytest.approx((0.75 * 1_000 + 0.35 * 3_000) / 4_000)
    assert expected_loss(0.02, found.lgd, found.ead) == pytest.approx(0.02 * 1_800)


def test_what_is_closed_or_no_longer_stated_is_no_exposure(hand: DatedBank) -> None:
    card(hand, balance=30_000, limit=100_000)
    assert "C1" in exposures(hand.load(), NOW, {})
    assert exposures(hand.load(), date(2024, 6, 15), {}) == {}  # not known before that day
    assert exposures(hand.load(), date(2024, 8, 17), {}) == {}
    hand.add("closings", on="2024-06-20", account_id="K1", reason="customer")
    assert exposures(hand.load(), NOW, {}) == {}


def test_exposures_in_several_currencies_are_not_added(hand: DatedBank) -> None:
    card(hand, balance=30_000, limit=100_000, currency="TWD")
    hand.add("accounts", on="2020-01-01", account_id="L1", product_id="mortgage", currency="EUR")
    hand.add("loans", on="2024-06-20", loan_id="L1", account_id="L1", amount=300_000)
    found = exposures(hand.load(), NOW, {})["C1"]
    assert (found.currency, found.ead, found.lgd) == (None, None, None)
    assert len(found.parts) == 2


def test_an_exposure_is_published_and_read_back_as_it_was(hand: DatedBank) -> None:
    card(hand, balance=30_000, limit=100_000)
    found = exposures(hand.load(), NOW, {})["C1"]
    assert of_json(as_json(found)) == found
    assert of_json(as_json(None)) is None


def test_the_simulated_bank_loses_less_on_homes_than_on_cards(bank: Warehouse) -> None:
    found = loss_rates(bank, date(2026, 6, 30))
    assert sum(one.cases for one in found.values()) > 20
    assert all(0 <= one.lgd <= 1 for one in found.values())
    homes, cards = found["mortgage", "real_estate"], found["credit_card", "none"]
    assert homes.lgd < cards.lgd
