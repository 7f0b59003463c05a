"""The simulated bank's losses: whole debts written off, collected on later, as the truth expects."""

from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from data.loading import load
from data.simulation import simulate
from data.simulation.book import ACCOUNTS_EACH, Book, Desk, empty_book
from data.simulation.chains import BEHIND_1, WRITTEN_OFF
from data.simulation.files import Folder
from data.simulation.months import extract_months
from data.simulation.persons import draw_persons
from data.simulation.prices import CREDIT, LOAN, LOSS_GIVEN_DEFAULT, MORTGAGE, SYSTEM_OF
from data.simulation.records import Registry
from data.simulation.recoveries import FIRST_SALE, LAST_SALE, MONTHS, collect_debts, hand_over
from data.simulation.traits import draw_traits
from data.sources import open_source
from data.sources.systems import extract
from data.tables import RECOVERIES
from data.warehouse import Warehouse
from experiments._true_bank import true_bank

OURS = [column.name for column in RECOVERIES.columns]
WHOLE_TABLES = ("customers", "accounts", "closings", "loans", "loan_outcomes", "recoveries")


@pytest.fixture(scope="module")
def tables(bank_files: Path) -> duckdb.DuckDBPyConnection:
    """The shared bank, with ``lost``: what was written off, by account."""
    connection = true_bank(bank_files)
    connection.execute("""
        CREATE VIEW lost AS
        SELECT account_id, o.event_at, loss FROM loan_outcomes o JOIN loans USING (loan_id)
        WHERE status = 'written_off'
        UNION ALL
        SELECT account_id, event_at, amount FROM transactions WHERE category = 'write_off'""")
    return connection


def one(tables: duckdb.DuckDBPyConnection, query: str) -> float:
    found = tables.execute(query).fetchone()
    assert found is not None
    return float(found[0])


def test_a_loan_is_written_off_with_all_that_is_still_owed(
    tables: duckdb.DuckDBPyConnection,
) -> None:
    other = """
        SELECT count(*), coalesce(sum((loss <> owed)::INT), 0) FROM (
            SELECT o.loss, arg_max(outstanding, r.event_at) AS owed
            FROM loan_outcomes o JOIN repayments r USING (loan_id)
            WHERE status = 'written_off' AND r.event_at < o.event_at GROUP BY o.loan_id, o.loss)"""
    ((loans, wrong),) = tables.execute(other).fetchall()
    assert loans > 5
    assert wrong == 0


def test_a_card_owes_nothing_once_it_is_written_off(tables: duckdb.DuckDBPyConnection) -> None:
    booked = "SELECT {} FROM transactions WHERE category = 'write_off'"
    assert one(tables, booked.format("count(*)")) > 5
    assert one(tables, booked.format("max(abs(balance_after))")) == 0
    assert one(tables, booked.format("min(amount)")) > 0


def test_recoveries_follow_a_write_off_and_never_exceed_it(
    tables: duckdb.DuckDBPyConnection,
) -> None:
    wrong = """
        SELECT count(*) FROM (
            SELECT r.account_id, any_value(loss) AS loss, min(r.event_at) AS began,
                any_value(l.event_at) AS gone,
                sum(amount) FILTER (kind <> 'cost') AS collected,
                sum(amount) FILTER (kind = 'cost') AS spent
            FROM recoveries r LEFT JOIN lost l USING (account_id) GROUP BY 1)
        WHERE NOT coalesce(began > gone AND collected <= loss AND spent < collected, false)"""
    assert one(tables, "SELECT count(*) FROM recoveries") > 100
    assert one(tables, wrong) == 0


def test_debtors_pay_for_two_years_and_every_payment_has_its_cost(
    tables: duckdb.DuckDBPyConnection,
) -> None:
    months = """
        SELECT {}(date_diff('month', l.event_at, r.event_at))
        FROM recoveries r JOIN lost l USING (account_id) WHERE kind = 'payment'"""
    assert one(tables, months.format("min")) == 1
    assert one(tables, months.format("max")) == MONTHS
    counted = "SELECT count(*) FROM recoveries WHERE kind {} 'cost'"
    assert one(tables, counted.format("=")) == one(tables, counted.format("<>"))


# The money that comes in over the whole time

DEBTORS = 6_000
OWED = 200_000_00.0


def debtors(family: int, folder: Folder) -> tuple[Book, Desk]:
    """People as imprudent as those who default, whose debts of one family are written off."""
    month, rng = extract_months(2)[0], np.random.default_rng(5)
    traits = draw_traits(DEBTORS, extract_months(2), rng)
    traits = replace(traits, prudence=traits.prudence - 1)
    registry = Registry(draw_persons(traits, extract_months(2), rng), 0, 1, folder)
    book = empty_book(registry, traits, month)
    who, desk = np.arange(DEBTORS), Desk(folder, rng)
    book.account[:, family] = who * ACCOUNTS_EACH
    # A loan of 55 to 85 % of the home's value, a twentieth of it repaid.
    book.home[:] = OWED / 0.95 / rng.uniform(0.55, 0.85, DEBTORS)
    hand_over(book, who, family, np.full(DEBTORS, OWED), desk)
    return book, desk


def collected(family: int, out: Path) -> pd.DataFrame:
    """All rows collected on the debts of ``DEBTORS``, month by month."""
    with Folder(out, 0) as folder:
        book, desk = debtors(family, folder)
        for month in extract_months(MONTHS + 6)[: MONTHS + 2]:
            collect_debts(book, month, desk)
        assert (book.claim[:, CREDIT.index(family)] < 0).all()
    kind = extract(SYSTEM_OF[family], "recoveries")
    rows = pq.read_table(out / kind.system / kind.file).rename_columns(list(OURS))
    found: pd.DataFrame = rows.to_pandas()
    return found.assign(amount=found["amount"].astype(float))


@pytest.mark.parametrize("family", CREDIT, ids=["card", "loan", "mortgage"])
def test_over_the_whole_time_the_bank_loses_what_its_prices_assume(
    family: int, tmp_path: Path
) -> None:
    rows = collected(family, tmp_path)
    spent = rows["kind"] == "cost"
    net = rows.loc[~spent, "amount"].sum() - rows.loc[spent, "amount"].sum()
    lost = 1 - net / (DEBTORS * OWED / 100)
    assert lost == pytest.approx(LOSS_GIVEN_DEFAULT[family], abs=0.015)


def test_debtors_differ_in_what_they_pay(tmp_path: Path) -> None:
    rows = collected(LOAN, tmp_path)
    paid = rows[rows["kind"] == "payment"].groupby("account_id")["amount"].sum()
    share = paid / (OWED / 100)
    assert share.max() <= 1
    assert (share < 0.1).sum() + DEBTORS - len(share) > 0.1 * DEBTORS
    assert (share > 0.8).sum() > 0.1 * DEBTORS


def test_a_home_is_sold_once_half_a_year_to_a_year_and_a_half_after_the_write_off(
    tmp_path: Path,
) -> None:
    rows = collected(MORTGAGE, tmp_path)
    sold = rows[rows["kind"] == "collateral"]
    assert sold["account_id"].nunique() == len(sold) == DEBTORS
    months = sold["event_at"].dt.tz_convert("Asia/Taipei").dt.strftime("%Y-%m").unique()
    calendar = [month.first.strftime("%Y-%m") for month in extract_months(MONTHS + 6)]
    assert sorted(months) == calendar[FIRST_SALE - 1 : LAST_SALE]


# What the truth expects of those in trouble


@pytest.fixture(scope="module")
def expected_and_brought(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Customers in arrears, default or written off, a year apart: expected and brought."""
    folder = tmp_path_factory.mktemp("troubled")
    simulate(folder / "bank", customers=9_000, months=40, seed=23)
    told = truth_of_the_troubled(folder / "bank")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ZHIKE_HOME", str(folder / "home"))
        warehouse = Warehouse()
        load(open_source("canonical", part_of(folder / "bank", told, folder / "part")), warehouse)
        return warehouse.frame(
            """
            SELECT t.customer_id, t.trouble, t.expected, coalesce(sum(c.contribution), 0) / 100.0
                AS brought
            FROM told t LEFT JOIN contributions c ON c.customer_id = t.customer_id
                AND c.event_day > date_diff('day', DATE '1970-01-01', t.as_of::DATE)
                AND c.event_day <= date_diff('day', DATE '1970-01-01', t.as_of::DATE) + 366
                AND date_diff('month', t.as_of::DATE + 1, DATE '1970-01-01' + c.event_day) < 12
            GROUP BY ALL""",
            told=told,
        )


def truth_of_the_troubled(bank: Path) -> pd.DataFrame:
    """Customers in arrears, default or written off, and what the truth expects of them."""
    both = true_bank(bank).sql(f"""
        SELECT person_id AS customer_id, as_of, trouble, contribution_12m AS expected
        FROM states JOIN probabilities USING (person_id, as_of)
        WHERE trouble >= {BEHIND_1} AND as_of IN ('2023-06-30', '2024-06-30', '2025-06-30')""")
    assert both is not None
    found: pd.DataFrame = both.to_arrow_table().to_pandas()
    return found


def part_of(bank: Path, told: pd.DataFrame, out: Path) -> Path:
    """The tables that contribution is made of, for some customers only."""
    out.mkdir()
    connection = true_bank(bank)
    connection.register("told", told[["customer_id"]].drop_duplicates())
    connection.execute(
        "CREATE TABLE mine AS SELECT * FROM accounts SEMI JOIN told USING (customer_id)"
    )
    some = dict.fromkeys(WHOLE_TABLES, "account_id IN (SELECT account_id FROM mine)")
    some |= {
        "customers": "customer_id IN (SELECT customer_id FROM told)",
        "balances": some["accounts"],
        "loan_outcomes": "loan_id IN (SELECT loan_id FROM loans SEMI JOIN mine USING (account_id))",
        "transactions": some["accounts"]
        + " AND category IN ('fee', 'penalty_interest', 'write_off')",
    }
    some["products"] = "true"
    for name, rows in some.items():
        connection.execute(
            f"COPY (SELECT * EXCLUDE (line) FROM {name} WHERE {rows}) TO '{out}/{name}.parquet'"
        )
    return out


@pytest.mark.slow
@pytest.mark.parametrize(
    "written_off, ranked", [(False, 0.3), (True, 0.9)], ids=["behind", "written off"]
)
def test_those_in_trouble_bring_what_the_truth_expects(
    expected_and_brought: pd.DataFrame, written_off: bool, ranked: float
) -> None:
    chosen = (expected_and_brought["trouble"] == WRITTEN_OFF) == written_off
    rows = expected_and_brought[chosen]
    assert len(rows) > 150
    assert (rows["expected"].sum() > 0) == written_off
    gap = rows["brought"] - rows["expected"]
    assert abs(gap.sum()) < 3 * gap.std() * len(rows) ** 0.5
    assert rows["brought"].corr(rows["expected"], method="spearman") > ranked
