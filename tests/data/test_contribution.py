"""Contribution by account and month, worked out by hand on a bank of three accounts."""

from datetime import date

import pytest

from data import contribution
from data.errors import WarehouseError
from tests.data.small_bank import HEADERS, SmallBank, account

JAN, FEB, MAR, APR = (
    date(2024, 1, 31),
    date(2024, 2, 29),
    date(2024, 3, 31),
    date(2024, 4, 30),
)


@pytest.fixture
def priced(bank: SmallBank) -> SmallBank:
    """A1 a current account, A2 a loan that is written off, A3 a fund closed in February."""
    bank.csv(
        "products",
        "P1,current,0.024,20.00",  # 2.4 % a year on the balance, 20.00 a month to serve
        "P2,personal_loan,0.036,50.00",
        "P3,fund,0.012,10.00",
        "P4,insurance,,",  # without a price: earns nothing that we know of
    )
    bank.csv(
        "accounts",
        "A1,C1,P1,2024-01-10,2024-01-10,TWD",
        "A2,C1,P2,2024-01-10,2024-01-10,TWD",
        "A3,C2,P3,2024-01-10,2024-01-10,TWD",
        "A4,C2,P4,2024-01-10,2024-01-10,TWD",
    )
    bank.csv("closings", "A3,2024-02-15,2024-02-15,customer")
    bank.csv(
        "balances",
        "A1,2024-01-15,2024-01-15,10000.00,",
        "A1,2024-03-31,2024-03-31,25000.00,",
        "A2,2024-01-20,2024-01-20,-100000.00,",  # owed to the bank
        "A3,2024-01-31T09:00:00,2024-01-31T09:00:00,0.00,3000.00",
        "A3,2024-01-31T17:00:00,2024-01-31T17:00:00,0.00,5000.00",  # the last of the day counts
        "A3,2024-02-15,2024-02-15,0.00,0.00",
        header=HEADERS["balances"] + ",market_value",
    )
    bank.csv(
        "transactions",
        "T1,A1,2024-02-10,2024-02-10,-15.00,automatic,fee,true,",
        "T2,A1,2024-02-20,2024-02-20,5.00,automatic,fee,true,",  # a part given back
        "T3,A2,2024-02-28,2024-03-20,-7.50,automatic,penalty_interest,true,",  # known late
        "T4,A3,2024-03-05,2024-03-05,-8.00,automatic,fee,true,",  # after the closing
        "T5,A1,2024-02-11,2024-02-11,-900.00,card,dining,false,",  # no income of the bank
        "T6,A4,2024-02-11,2024-02-11,-99.00,automatic,fee,true,",
    )
    bank.csv("loans", "L1,A2,2024-01-20,2024-01-20,100000.00,12,8500.00")
    bank.csv(
        "loan_outcomes",
        "L1,2024-02-25,2024-02-25,in_debt,",
        "L1,2024-03-25,2024-03-25,written_off,60000.00",
    )
    return bank


def table(bank: SmallBank) -> dict[tuple[str, date], tuple[int, ...]]:
    """(account, month's end) -> margin, fees, cost, loss, contribution, in minor units."""
    rows = bank.rows(
        "SELECT account_id, DATE '1970-01-01' + event_day, margin_earned, fees, cost_to_serve,"
        " loss, contribution FROM contributions"
    )
    return {(number, day): tuple(terms) for number, day, *terms in rows}


def with_a_card(bank: SmallBank) -> None:
    """A5, a card of which 3,500.00 are written off in March."""
    bank.csv("products", "P5,credit_card,0.06,40.00", file="products/card.csv")
    bank.csv("accounts", "A5,C2,P5,2024-03-01,2024-03-01,TWD", file="accounts/card.csv")
    bank.csv("closings", "A5,2024-03-20,2024-03-20,written_off", file="closings/card.csv")
    bank.csv(
        "balances",
        "A5,2024-03-10,2024-03-10,-4000.00",
        "A5,2024-03-20,2024-03-20,0.00",
        file="balances/card.csv",
    )
    bank.csv(
        "transactions",
        "T8,A5,2024-03-20,2024-03-20,3500.00,automatic,write_off,true,",
        "T9,A5,2024-03-20,2024-03-20,500.00,other,card_payment,true,",
        file="transactions/card.csv",
    )


def assert_reconciled(bank: SmallBank, lost: int) -> None:
    """The net loss of all accounts is the one of the tables and of our sum by hand."""
    connection = bank.warehouse.connect()
    contribution.prepare(connection)
    ((found,),) = bank.rows("SELECT sum(loss) FROM contributions")
    assert found == contribution.control_total(connection)[1] == lost


def known(bank: SmallBank, month: date) -> dict[str, date]:
    """Account -> day on which its contribution of the month is known."""
    return dict(
        bank.rows(
            "SELECT account_id, DATE '1970-01-01' + known_day FROM contributions"
            f" WHERE DATE '1970-01-01' + event_day = DATE '{month}'"
        )
    )


def test_every_open_account_has_its_month(priced: SmallBank) -> None:
    priced.load()
    assert table(priced) == {
        # margin: 10,000.00 x 2.4 % / 12 = 20.00 in January and February, 50.00 in March
        ("A1", JAN): (2000, 0, 2000, 0, 0),
        ("A1", FEB): (2000, 1000, 2000, 0, 1000),
        ("A1", MAR): (5000, 0, 2000, 0, 3000),
        # 100,000.00 x 3.6 % / 12 = 300.00
        ("A2", JAN): (30000, 0, 5000, 0, 25000),
        ("A2", FEB): (30000, 750, 5000, 0, 25750),
        ("A2", MAR): (30000, 0, 5000, 6000000, -5975000),
        # 5,000.00 x 1.2 % / 12 = 5.00; closed in February, charged once more in March
        ("A3", JAN): (500, 0, 1000, 0, -500),
        ("A3", FEB): (0, 0, 1000, 0, -1000),
        ("A3", MAR): (0, 800, 0, 0, 800),
    }


def test_a_card_loses_what_is_booked_as_written_off(priced: SmallBank) -> None:
    with_a_card(priced)
    priced.load()
    # 4,000.00 owed; 3,500.00 of it written off on the day the card is closed
    assert table(priced)["A5", MAR] == (0, 0, 4000, 350_000, -354_000)
    assert_reconciled(priced, 6_350_000)


def test_a_write_off_told_twice_counts_once(priced: SmallBank) -> None:
    with_a_card(priced)
    both = "T10,A2,2024-03-25,2024-03-25,60000.00,automatic,write_off,true,"
    priced.csv("transactions", both, file="transactions/loan.csv")
    priced.load()
    assert table(priced)["A2", MAR] == (30000, 0, 5000, 6_000_000, -5_975_000)
    assert_reconciled(priced, 6_350_000)


def test_what_is_recovered_counts_in_its_month_less_what_collecting_cost(
    priced: SmallBank,
) -> None:
    with_a_card(priced)
    priced.csv(
        "recoveries",
        "R1,A2,2024-03-26,2024-03-27,payment,1000.00",
        "R2,A2,2024-03-26,2024-03-27,cost,200.00",
        "R3,A5,2024-04-10,2024-06-11,payment,300.00",  # the card is closed by then; known late
        "R4,A5,2024-04-20,2024-04-21,cost,60.00",
        "R5,A2,2024-04-20,2024-04-21,collateral,40000.00",
        "R6,A2,2024-05-02,2024-05-03,payment,9.00",  # May is not covered to its end
        "R7,A4,2024-04-20,2024-04-21,payment,5.00",  # an account without a price
    )
    priced.csv("balances", "A1,2024-04-30,2024-04-30,25000.00", file="balances/april.csv")
    priced.load()
    found = table(priced)
    assert found["A2", MAR] == (30000, 0, 5000, 6_000_000 - 80_000, -5_895_000)
    assert found["A2", APR] == (30000, 0, 5000, -4_000_000, 4_025_000)
    assert found["A5", APR] == (0, 0, 0, -24_000, 24_000)
    assert known(priced, APR)["A5"] == date(2024, 6, 11)
    assert_reconciled(priced, 6_350_000 - 80_000 - 4_000_000 - 24_000)


def test_the_total_is_what_the_tables_say(priced: SmallBank) -> None:
    priced.load()
    sums = "sum(margin_earned), sum(fees), sum(cost_to_serve), sum(loss), sum(contribution)"
    ((margin, fees, cost, loss, total),) = priced.rows(f"SELECT {sums} FROM contributions")
    connection = priced.warehouse.connect()
    contribution.prepare(connection)
    assert (fees, loss) == contribution.control_total(connection) == (2550, 6_000_000)
    assert total == margin + fees - cost - loss


def test_a_card_written_off_is_a_loss_and_a_loan_is_lost_only_once(priced: SmallBank) -> None:
    priced.csv(
        "transactions",
        "T8,A1,2024-03-20,2024-03-20,70.00,automatic,write_off,true,",
        "T9,A2,2024-03-25,2024-03-25,60000.00,automatic,write_off,true,",  # told with its outcome
    )
    priced.load()
    assert table(priced)["A1", MAR] == (5000, 0, 2000, 7000, -4000)
    assert table(priced)["A2", MAR] == (30000, 0, 5000, 6000000, -5975000)


def test_a_month_is_known_when_the_last_of_its_terms_is(priced: SmallBank) -> None:
    priced.load()
    assert known(priced, FEB)["A1"] == date(2024, 3, 5)  # five days after the month's end
    assert known(priced, FEB)["A2"] == date(2024, 3, 20)  # its penalty interest was booked late


def test_a_month_that_the_data_do_not_cover_to_its_end_does_not_count(priced: SmallBank) -> None:
    priced.csv("balances", "A1,2024-04-29,2024-04-29,99000.00", file="balances/april.csv")
    assert account(priced.load(), "balances/april.csv") == (1, 1, 0, 0)
    assert max(day for _, day in table(priced)) == MAR


def test_contribution_is_computed_anew_after_every_load(priced: SmallBank) -> None:
    priced.load()
    late = "T7,A1,2024-02-21,2024-04-02,-3.00,automatic,fee,true,"
    priced.csv("transactions", late)
    priced.load()
    assert table(priced)["A1", FEB] == (2000, 1300, 2000, 0, 1300)
    assert len(priced.warehouse.manifest.of("contributions")) == 1


@pytest.mark.parametrize(
    "missing, reason",
    [
        ("balances", "no rows in balances"),
        ("products", "no product has a margin and a cost to serve"),
    ],
)
def test_without_its_parts_contribution_is_absent_and_says_why(
    priced: SmallBank, missing: str, reason: str
) -> None:
    if missing == "balances":
        (priced.folder / "balances.csv").unlink()
    else:
        priced.csv("products", *(f"P{n},current,,20.00" for n in range(1, 5)))
    loaded = priced.load()
    assert f"contribution cannot be computed: {reason}" in loaded.warnings
    assert "contributions" not in loaded.rows


def test_contributions_that_do_not_reconcile_are_refused(
    priced: SmallBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contribution, "control_total", lambda connection: (0, 0))
    with pytest.raises(WarehouseError, match=r"do not reconcile.*\(2550, 6000000\)"):
        priced.load()
    assert not priced.warehouse.manifest.batches
