"""Levers: what somebody can do moves all that hangs together, and nothing of what lies behind."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.catalogue import CATALOGUE
from features.levers import (
    ACTORS,
    LEVERS,
    Lever,
    Now,
    levers_for,
    open_term_deposit,
    repay_card,
    repay_card_from_account,
    with_derived,
)
from features.reason_groups import GROUP_OF
from tests.requirements import CHECKOUT

BEHIND = {
    "age", "district", "arrears", "spending", "income", "money_in", "money_out", "own_activity",
    "complaints", "calls", "digital", "applications", "fees", "contribution", "card_payment",
    "products_closed", "consents",
}  # fmt: skip


def profile(**values: float) -> Now:
    """A customer with a card, a loan and money, and all that the catalogue derives from it."""
    plain = {name: 7.0 for name, feature in CATALOGUE.items() if not feature.combine}
    money = {
        "current_balance": 5_000_000.0, "assets": 9_000_000.0, "card_balance": 2_345_678.0,
        "card_limit": 8_000_000.0, "loans_outstanding": 3_000_000.0, "debt": 5_345_678.0,
        "money_in_365d": 60_000_000.0, "highest_balance_90d": 6_000_000.0,
        "lowest_balance_90d": 4_000_000.0, "marketing_consent": 1.0, "cards_closed": 7.0,
    }  # fmt: skip
    known = {name: np.array([value]) for name, value in (plain | money | values).items()}
    return Now(
        {name: float(found[0]) for name, found in with_derived(Now(CATALOGUE_ROW), known).items()}
    )


CATALOGUE_ROW = dict.fromkeys(CATALOGUE, math.nan)


def after(lever: Lever, now: Now, steps: int) -> dict[str, float]:
    moved = lever.after(now, np.array([float(steps)]))
    return now | {name: float(values[0]) for name, values in moved.items()}


@pytest.mark.parametrize("lever", LEVERS, ids=lambda lever: lever.name)
def test_a_lever_is_named_in_three_languages_and_moved_by_somebody(lever: Lever) -> None:
    assert set(lever.questions) <= ACTORS.keys()
    assert lever.of in CATALOGUE
    for words in vars(lever.words).values():
        assert ("{amount}" in words) == (lever.unit != "once")
    lever.words.zh_tw.encode("big5")
    lever.words.zh_cn.encode("gb2312")
    assert lever.words.en.isascii()


@pytest.mark.parametrize("lever", LEVERS, ids=lambda lever: lever.name)
def test_no_lever_moves_what_lies_behind_the_customer_or_a_protected_attribute(
    lever: Lever,
) -> None:
    now = profile()
    moved = lever.after(now, np.array([1.0, float(max(lever.steps(now), 1))]))
    assert moved
    assert not {GROUP_OF[name].name for name in moved} & BEHIND
    assert {CATALOGUE[name].data_class for name in moved} <= {"ordinary", "personal"}
    assert not [name for name in moved if name.endswith("_ago") or "average_" in name]


@pytest.mark.parametrize("lever", LEVERS, ids=lambda lever: lever.name)
def test_doing_nothing_changes_nothing(lever: Lever) -> None:
    now = profile()
    np.testing.assert_equal(after(lever, now, 0), dict(now))


@given(steps=st.integers(1, 300), lever=st.sampled_from(LEVERS))
def test_what_is_derived_goes_along_by_the_catalogues_own_arithmetic(
    steps: int, lever: Lever
) -> None:
    then = after(lever, profile(), steps)
    for name, feature in CATALOGUE.items():
        if feature.combine:
            parts = (np.array([then[part.name]]) for part in feature.inputs)
            np.testing.assert_equal(then[name], float(feature.combine(*parts)[0]))


def test_a_repaid_card_is_a_lower_balance_a_lower_use_of_its_limit_and_a_lower_debt() -> None:
    now = profile()
    then = after(repay_card, now, 100)
    assert now["card_balance"] - then["card_balance"] == now["debt"] - then["debt"] == 1_000_000
    assert then["limit_use"] == then["card_balance"] / then["card_limit"]
    assert then["debt_to_assets"] == then["debt"] / then["assets"]
    assert then["assets"] == now["assets"]


def test_a_card_can_be_repaid_to_the_last_cent_and_no_further() -> None:
    now = profile()
    assert after(repay_card, now, repay_card.steps(now))["card_balance"] == 0
    assert after(repay_card, now, repay_card.steps(now) + 9)["card_balance"] == 0


def test_money_that_repays_a_card_leaves_the_account_and_the_assets() -> None:
    now = profile()
    then = after(repay_card_from_account, now, 200)
    assert now["assets"] - then["assets"] == now["debt"] - then["debt"] == 2_000_000
    assert then["lowest_balance_90d"] == then["current_balance"] == 3_000_000
    assert repay_card_from_account.steps(profile(current_balance=-1.0)) == 0


def test_a_term_deposit_is_a_product_more_and_leaves_the_assets_as_they_are() -> None:
    now = profile(deposits_opened=0.0)
    then = after(open_term_deposit, now, 1)
    assert now["current_balance"] - then["current_balance"] == 1_000_000
    assert then["assets"] == now["assets"]
    assert then["products_held"] == now["products_held"] + 1
    assert then["families_opened"] == now["families_opened"] + 1
    assert open_term_deposit.steps(profile(current_balance=999_999.0)) == 0


def test_who_does_not_agree_to_marketing_is_not_contacted() -> None:
    [contact] = [lever for lever in LEVERS if lever.name == "contact"]
    assert contact.steps(profile(marketing_consent=0.0)) == 0
    assert contact.steps(profile(marketing_consent=math.nan)) == 0
    assert contact.steps(profile()) == 3


def test_the_customer_moves_credit_the_bank_moves_churn_and_nobody_the_rest() -> None:
    assert ACTORS == {"credit_risk": "customer", "churn": "bank"}
    assert levers_for("lifetime_value") == levers_for("propensity") == ()
    assert {lever.name for lever in LEVERS} == {
        lever.name for question in ACTORS for lever in levers_for(question)
    }


def test_every_lever_is_in_the_docs() -> None:
    page = (CHECKOUT / "docs" / "reasons.md").read_text("utf-8")
    assert [lever.name for lever in LEVERS if f"`{lever.name}`" not in page] == []
