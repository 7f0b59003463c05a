"""Five years of value: what was observed, and what survival lets expect of the rest."""

from dataclasses import FrozenInstanceError, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.errors import TrainingError
from data.warehouse import Warehouse
from features.calendar import month_end, months_before
from tests.features.dated_bank import DatedBank
from training import life
from training.labels import EXTRAPOLATED, FIVE_YEARS, LIFETIME_VALUE, label
from training.labels.extrapolation import Extrapolation
from training.labels.survival import Survival
from training.labels.value import FIVE
from training.run import Trained, spine_of, train
from training.split import TEST_DATES, split

AS_OF = date(2020, 1, 31)
V = 1.03 ** (-1 / 12)  # a month's discount


def after(months: int) -> date:
    """The month-end so many months after the as-of day."""
    return months_before(AS_OF, -months)


@pytest.fixture
def tiny(tmp_path: Path) -> DatedBank:
    """Ten customers, of whom only C1 earns the bank anything: 100 a month for 30 months."""
    bank = DatedBank(tmp_path)
    for number in range(2, 11):
        bank.customer(f"C{number}", f"A{number}")
    for number in range(1, 11):  # their money is here: nobody falls silent
        bank.add("balances", on="2020-01-01", account_id=f"A{number}", ledger_balance=2_000_000)
    bank.add("transactions", on="2020-01-01", amount=-1)
    bank.add("balances", on="2022-12-31", account_id="A10", ledger_balance=2_000_000)
    for month in range(1, 31):
        earn(bank, month, 10_000)
    return bank


def earn(
    bank: DatedBank,
    month: int,
    amount: int,
    loss: int = 0,
    owner: tuple[str, str] = ("C1", "A1"),
) -> None:
    """Contribution of an account in minor units, that many months after the as-of day."""
    bank.add(
        "contributions",
        on=str(after(month)),
        customer_id=owner[0],
        account_id=owner[1],
        contribution=amount,
        loss=loss,
    )


def leave(bank: DatedBank, number: int, month: int) -> None:
    day = after(month - 1) + timedelta(10)
    bank.add("closings", on=str(day), account_id=f"A{number}")


def ask(bank: DatedBank, *later: date) -> float:
    """The label of C1 as of the day, in a spine of all customers; other days may be asked too."""
    days = [AS_OF, *later]
    spine = pd.DataFrame(
        [(f"C{n}", day) for day in days for n in range(1, 11)], columns=["customer_id", "as_of"]
    )
    rows = label(bank.load(), FIVE_YEARS, spine).rows
    (found,) = rows[(rows["customer_id"] == "C1") & (rows["as_of"] == AS_OF)]["target"]
    return float(found)


def discounted(months: range, amount: float = 100.0) -> float:
    return sum(amount * V**month for month in months)


def test_a_month_to_come_counts_less_by_three_per_cent_a_year(tiny: DatedBank) -> None:
    # 12 months are observed and 48 go on; nobody leaves.
    assert ask(tiny) == pytest.approx(discounted(range(1, 61)))
    assert discounted(range(12, 13)) == pytest.approx(100 / 1.03)


def test_the_months_observed_count_as_they_were_and_the_last_year_goes_on(tiny: DatedBank) -> None:
    earn(tiny, 2, 500_000)
    earn(tiny, 12, 120_000)
    wanted = discounted(range(1, 61)) + 5_000 * V**2 + 1_200 * V**12
    wanted += (5_000 + 1_200) / 12 * discounted(range(13, 61), 1.0)
    assert ask(tiny) == pytest.approx(wanted)


def test_a_customer_who_costs_money_has_a_negative_value(tiny: DatedBank) -> None:
    for month in range(1, 13):
        earn(tiny, month, -15_000)
    assert ask(tiny) == pytest.approx(-discounted(range(1, 61), 50.0))


def test_a_write_off_counts_once_and_does_not_go_on(tiny: DatedBank) -> None:
    earn(tiny, 5, -400_000, loss=400_000)
    assert ask(tiny) == pytest.approx(discounted(range(1, 61)) - 4_000 * V**5)


def test_what_losses_take_of_lending_is_taken_from_every_loan_to_come(tiny: DatedBank) -> None:
    tiny.add("accounts", on="2020-01-01", account_id="L1", product_id="personal_loan")
    tiny.add("accounts", on="2020-01-01", customer_id="C2", account_id="L2", product_id="mortgage")
    for month in range(1, 14):
        earn(tiny, month, 5_000, owner=("C1", "L1"))
        earn(tiny, month, 5_000, owner=("C2", "L2"))
    earn(tiny, 3, -32_500, loss=32_500, owner=("C2", "L2"))
    earn(tiny, 14, -99_000, loss=99_000, owner=("C2", "L2"))  # not known before the test
    # Of 1,300 that lending earned 325 were lost: a quarter of C1's 50 a month.
    wanted = discounted(range(1, 14), 150) + discounted(range(14, 61), 100 + 50 * 0.75)
    assert ask(tiny, after(14), after(15), after(16)) == pytest.approx(wanted)


def test_as_many_months_count_as_were_known_before_the_first_day_of_the_test(
    tiny: DatedBank,
) -> None:
    for month in (13, 17, 18, 19):
        earn(tiny, month, 120_000)
    tests = [after(18), after(19), after(20)]
    # On the first test day month 17 is known, as a month's facts take 31 days.
    wanted = discounted(range(1, 61)) + 1_200 * (V**13 + V**17)
    wanted += 2_400 / 12 * discounted(range(18, 61), 1.0)
    assert ask(tiny, *tests) == pytest.approx(wanted)


def test_who_has_left_brings_nothing_more(tiny: DatedBank) -> None:
    tiny.rows["contributions"] = tiny.rows["contributions"][:6]
    leave(tiny, 1, 6)
    assert ask(tiny) == pytest.approx(discounted(range(1, 7)))


def test_who_leaves_after_the_observed_months_is_not_yet_known_to_leave(tiny: DatedBank) -> None:
    leave(tiny, 1, 13)
    assert ask(tiny) == pytest.approx(discounted(range(1, 61)))


def test_others_leaving_before_the_test_takes_from_what_is_to_come(tiny: DatedBank) -> None:
    tests = [after(14), after(15), after(16)]  # 13 months are known on the first of them
    before = ask(tiny, *tests)
    leave(tiny, 2, 6)
    pace = 0.9 ** (1 / 12)  # one of ten within the last twelve of them
    wanted = discounted(range(1, 14))
    wanted += sum(100 * V**month * pace ** (month - 13) for month in range(14, 61))
    assert ask(tiny, *tests) == pytest.approx(wanted)
    assert wanted < before


def test_the_curve_does_not_look_into_the_test(tiny: DatedBank) -> None:
    tests = [after(14), after(15), after(16)]
    before = ask(tiny, *tests)
    for number in range(2, 10):
        leave(tiny, number, 14)  # known only when the first test day has come
    for month in (14, 15, 20):
        earn(tiny, month, 9_999_999)
    assert ask(tiny, *tests) == before


def test_survival_is_what_kaplan_and_meier_make_of_it() -> None:
    # Of 5 one leaves in month 1; one was followed for 1 month only; of 3 one leaves in month 3.
    curve = Survival.of(np.array([1, 1, 3, 3, 3]), np.array([True, False, True, False, False]), 4)
    assert curve.still[:4] == pytest.approx((1, 0.8, 0.8, 0.8 * 2 / 3))
    assert curve.still[4] == pytest.approx(0.8 * 2 / 3 * (0.8 * 2 / 3) ** (1 / 3))
    assert curve.after(1) == pytest.approx([1, 2 / 3, curve.still[4] / 0.8])


def test_beyond_what_was_seen_customers_leave_at_the_pace_of_the_last_year() -> None:
    followed = np.repeat([2, 20, 24], [50, 10, 40])
    left = np.repeat([True, True, False], [50, 10, 40])
    curve = Survival.of(followed, left, 60)
    assert curve.still[24] == pytest.approx(0.4)
    assert curve.still[36] / curve.still[24] == pytest.approx(0.4 / 0.5)
    assert list(curve.still) == sorted(curve.still, reverse=True)
    assert len(curve.still) == 61


def test_when_all_have_left_nothing_is_to_come_and_when_nobody_was_followed_all_stay() -> None:
    gone = Survival.of(np.array([2, 2]), np.array([True, True]), 5)
    assert gone.after(2).tolist() == [0, 0, 0]
    nobody = Survival.of(np.array([], np.int64), np.array([], bool), 3)
    assert nobody.still == (1, 1, 1, 1)


@pytest.mark.parametrize(
    "change", [{"observed": 0}, {"recent": 13}, {"months": 11}, {"yearly_rate": -1.0}]
)
def test_an_extrapolation_that_stands_on_nothing_is_refused(change: dict[str, float]) -> None:
    usual = {"months": 60, "observed": 12, "recent": 12, "yearly_rate": 0.03, "held_back": 3}
    with pytest.raises(TrainingError, match=r"observed|rate"):
        Extrapolation(**{**usual, **change})  # type: ignore[arg-type]


def test_the_contract_says_what_is_done_and_cannot_be_changed() -> None:
    assert FIVE_YEARS.version != LIFETIME_VALUE.version
    for word in ("60 months", "3%", "Kaplan-Meier", "brings nothing more"):
        assert word in FIVE_YEARS.outcome
    assert FIVE_YEARS.notes == (EXTRAPOLATED,)
    assert FIVE_YEARS.extrapolation == FIVE
    with pytest.raises(FrozenInstanceError):
        FIVE.yearly_rate = 0.0  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        FIVE_YEARS.extrapolation = None  # type: ignore[misc]


def test_only_the_observed_year_has_to_be_over() -> None:
    assert FIVE.held_back == TEST_DATES
    wait = timedelta(365 + 31)
    assert FIVE_YEARS.known_after(1_826) == wait == LIFETIME_VALUE.known_after(365)
    assert FIVE_YEARS.mature(AS_OF, AS_OF + wait)
    assert not FIVE_YEARS.mature(AS_OF + timedelta(1), AS_OF + wait)


def test_no_outcome_observed_for_training_ends_after_the_first_test_date(bank: Warehouse) -> None:
    parts = split(label(bank, FIVE_YEARS, spine_of(bank, FIVE_YEARS)).rows, FIVE_YEARS)
    first = min(parts.test["as_of"])
    assert max(parts.train["as_of"]) + FIVE_YEARS.known_after(1_826) <= first
    assert month_end(first) == first


@pytest.mark.slow
def test_five_years_are_learnt_released_and_said_to_be_extrapolated(
    loaded_home: Path, home: Path
) -> None:
    home.mkdir()
    (home / "warehouse").symlink_to(loaded_home / "warehouse")
    (outcome,) = train(Warehouse(), "lifetime_value.five_years")
    assert isinstance(outcome, Trained), outcome
    made = life.read("lifetime_value.five_years", outcome.version)
    assert made.card.answer_notes == (EXTRAPOLATED,)
    assert made.card.spread is None
    assert outcome.judgement.metrics["normalised_gini"] > 0.5
    limits = made.report["limits"]
    assert EXTRAPOLATED in limits
    assert any("extrapolated label" in limit for limit in limits)
    assert not any("interval is as wide" in limit for limit in limits)
    assert EXTRAPOLATED in (made.folder / "card.html").read_text().replace("&#x27;", "'")


def test_a_longer_observation_is_the_same_contract_with_another_parameter(tiny: DatedBank) -> None:
    longer = replace(FIVE_YEARS, extrapolation=replace(FIVE, observed=24, recent=24))
    spine = pd.DataFrame({"customer_id": ["C1"], "as_of": [AS_OF]})
    earn(tiny, 24, 240_000)
    (found,) = label(tiny.load(), longer, spine).rows["target"]
    wanted = discounted(range(1, 61)) + 2_400 * V**24 + 100 * discounted(range(25, 61), 1.0)
    assert found == pytest.approx(wanted)
