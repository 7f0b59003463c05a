"""The simulated bank: reproducible, whole, believable, as hard as it should be, truth apart."""

import hashlib
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from data.errors import ConfigurationError
from data.loading import load
from data.simulation import bank as simulation
from data.simulation import simulate
from data.simulation.files import TYPES
from data.sources import open_source
from data.sources.systems import EXTRACTS, Extract
from data.tables import CANONICAL
from data.warehouse import Warehouse
from experiments._true_bank import true_bank


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    simulate(folder, customers=300, months=14, seed=3)
    return folder


@pytest.fixture(scope="module")
def tables(bank_files: Path) -> duckdb.DuckDBPyConnection:
    """The shared bank's tables, person by person."""
    return true_bank(bank_files)


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.parquet"))
    }


def one(tables: duckdb.DuckDBPyConnection, query: str) -> float:
    found = tables.execute(query).fetchone()
    assert found is not None
    return float(found[0])


# Reproducible


def test_the_same_seed_gives_the_same_bytes(small: Path, tmp_path: Path) -> None:
    simulate(tmp_path, customers=300, months=14, seed=3)
    assert digests(tmp_path) == digests(small)


def test_another_seed_gives_another_bank(small: Path, tmp_path: Path) -> None:
    simulate(tmp_path, customers=300, months=14, seed=4)
    same = {k for k, v in digests(tmp_path).items() if v == digests(small).get(k)}
    assert same == {"core/product/part-00000.parquet"}


@pytest.mark.slow
def test_two_processes_write_what_one_writes(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulation, "WORTH_A_PROCESS", 0)
    monkeypatch.setenv("ZHIKE_THREADS", "2")
    simulate(tmp_path, customers=300, months=14, seed=3)
    assert digests(tmp_path) == digests(small)


def test_progress_is_told_to_the_end(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    simulate(tmp_path, customers=50, months=3, seed=1, progress=lambda *done: told.append(done))
    assert told == sorted(told)
    assert told[-1] == (150, 150)


@pytest.mark.parametrize(
    "customers,months,seed", [(0, 12, 1), (10, 1, 1), (10, 999, 1), (10, 12, -1)]
)
def test_an_impossible_bank_is_refused(
    tmp_path: Path, customers: int, months: int, seed: int
) -> None:
    with pytest.raises(ConfigurationError, match="cannot simulate"):
        simulate(tmp_path, customers=customers, months=months, seed=seed)
    assert not any(tmp_path.iterdir())


# Whole


@pytest.mark.parametrize("extract", EXTRACTS, ids=lambda extract: extract.name)
def test_every_extract_keeps_its_layout(bank_files: Path, extract: Extract) -> None:
    found = pq.read_table(bank_files / extract.system / extract.file)
    contract = extract.contract
    assert found.column_names == [column.name for column in contract.columns]
    assert [found.schema.field(c.name).type for c in contract.columns] == [
        TYPES[c.kind] for c in contract.columns
    ]
    assert not found.select(list(contract.key)).to_pandas().duplicated().any()


def test_all_that_the_systems_deliver_is_accepted(loaded_home: Path) -> None:
    files = Warehouse(loaded_home / "warehouse").manifest.files
    assert sum(file.rows_in for file in files) == sum(file.accepted for file in files) > 1_000_000


def test_text_files_tell_the_same_as_parquet_files(small: Path, tmp_path: Path, home: Path) -> None:
    simulate(tmp_path / "files", customers=300, months=14, seed=3, form="csv")
    told = []
    for folder in (small, tmp_path / "files"):
        load(open_source("simulated", folder), Warehouse(), replace=True)
        told.append({batch.table: batch.sha256 for batch in Warehouse().manifest.batches})
    assert told[0] == told[1]


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(ConfigurationError, match="not empty"):
        simulate(tmp_path, customers=10, months=3, seed=1)


@pytest.mark.parametrize(
    "table,column,other",
    [(t.name, c.name, c.refers_to) for t in CANONICAL for c in t.columns if c.refers_to],
)
def test_every_reference_is_met(
    tables: duckdb.DuckDBPyConnection, table: str, column: str, other: str
) -> None:
    key = next(t.key[0] for t in CANONICAL if t.name == other)
    missing = f"SELECT count(*) FROM {table} ANTI JOIN {other} ON {table}.{column} = {other}.{key}"
    assert one(tables, missing) == 0


@pytest.mark.parametrize("table", [t.name for t in CANONICAL if t.dated and t.name != "rates"])
def test_facts_are_known_after_they_happen_and_before_the_extract_is_taken(
    tables: duckdb.DuckDBPyConnection, table: str
) -> None:
    late = f"SELECT count(*) FROM {table} WHERE known_at < event_at OR known_at >= '2026-07-01'"
    assert one(tables, late) == 0


def test_some_bookings_are_known_weeks_later(tables: duckdb.DuckDBPyConnection) -> None:
    share = "avg((known_at > event_at + INTERVAL {} DAY)::INT)"
    assert 0.001 < one(tables, f"SELECT {share.format(5)} FROM transactions") < 0.01
    assert one(tables, f"SELECT {share.format(1)} FROM transactions") < 0.03


def test_balances_follow_from_bookings(tables: duckdb.DuckDBPyConnection) -> None:
    broken = """
        SELECT count(*) FROM (
            SELECT balance_after - lag(balance_after) OVER w - amount AS gap
            FROM transactions WINDOW w AS (PARTITION BY account_id ORDER BY event_at, transaction_id)
        ) WHERE gap <> 0"""
    # Bookings that were not yet known at the end are missing from the chain.
    assert one(tables, broken) < 0.001 * one(tables, "SELECT count(*) FROM transactions")


def test_the_position_of_a_day_is_the_balance_after_its_last_booking(
    tables: duckdb.DuckDBPyConnection,
) -> None:
    wrong = """
        SELECT count(*) FROM balances b JOIN (
            SELECT account_id, t.event_at::DATE AS day, arg_max(balance_after, transaction_id) AS told
            FROM transactions t JOIN accounts USING (account_id)
            JOIN products USING (product_id) WHERE family IN ('current', 'savings') GROUP BY ALL
        ) t ON t.account_id = b.account_id AND t.day = b.event_at::DATE
        WHERE told <> ledger_balance"""
    # The last booking of a day may be one that was not yet known at the end.
    assert one(tables, wrong) < 0.001 * one(tables, "SELECT count(*) FROM balances")


# Believable


def test_salaries_and_mortgages_are_those_of_the_country(tables: duckdb.DuckDBPyConnection) -> None:
    pay = one(tables, "SELECT median(amount) FROM transactions WHERE category = 'salary'")
    assert 35_000 < pay < 75_000
    low, high = (
        one(
            tables,
            f"SELECT {end}(amount) FROM loans JOIN accounts USING (account_id) WHERE product_id = 'MTG-1'",
        )
        for end in ("min", "max")
    )
    assert low >= 2_000_000
    assert high <= 20_000_000


def test_an_active_customer_moves_money_about_ten_times_a_month(
    tables: duckdb.DuckDBPyConnection,
) -> None:
    each = """
        SELECT count(*) / count(DISTINCT (customer_id, date_trunc('month', t.event_at)))
        FROM transactions t JOIN accounts USING (account_id) WHERE NOT automatic"""
    assert 6 < one(tables, each) < 15


def test_people_shop_more_before_the_new_year_and_travel_in_summer(
    tables: duckdb.DuckDBPyConnection,
) -> None:
    share = """
        SELECT avg((category = '{}')::INT) FROM transactions
        WHERE NOT automatic AND event_at BETWEEN '{}' AND '{}'"""
    festive = one(tables, share.format("cash_out", "2025-01-01", "2025-01-29"))
    assert festive > 1.08 * one(tables, share.format("cash_out", "2025-03-01", "2025-03-29"))
    summer = one(tables, share.format("travel", "2025-07-01", "2025-08-31"))
    assert summer > 1.3 * one(tables, share.format("travel", "2025-09-01", "2025-10-31"))


def test_leavers_run_their_money_down_before_they_close(tables: duckdb.DuckDBPyConnection) -> None:
    kept = """
        SELECT median(late / early) FROM (
            SELECT avg(ledger_balance) FILTER (b.event_at > c.event_at - INTERVAL 60 DAY) AS late,
                avg(ledger_balance) FILTER (b.event_at < c.event_at - INTERVAL 270 DAY) AS early
            FROM balances b JOIN closings c USING (account_id) JOIN accounts a USING (account_id)
            WHERE product_id LIKE 'CUR%' GROUP BY account_id HAVING early > 1000)"""
    assert one(tables, kept) < 0.7


def test_a_campaign_holds_out_a_control_group_by_lot(tables: duckdb.DuckDBPyConnection) -> None:
    control = "SELECT avg((arm = 'control')::INT) FROM contacts WHERE outcome = 'assigned'"
    assert 0.25 < one(tables, control) < 0.35
    reached = "SELECT count(*) FROM contacts WHERE arm = 'control' AND outcome <> 'assigned'"
    assert one(tables, reached) == 0
