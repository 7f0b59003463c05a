"""The simulated bank's wrong bookings: few, reversed exactly, known at once, balances in step."""

from pathlib import Path

import duckdb
import pytest

from experiments._true_bank import true_bank


@pytest.fixture(scope="module")
def tables(bank_files: Path) -> duckdb.DuckDBPyConnection:
    """The shared bank; each row of ``corrected`` is a correction with the booking it reverses."""
    connection = true_bank(bank_files)
    connection.execute("""
        CREATE TABLE corrected AS
        SELECT c.transaction_id, any_value(c.account_id) AS account_id,
            any_value(c.event_at) AS event_at, any_value(c.known_at) AS known_at,
            any_value(c.amount) AS amount, any_value(c.automatic) AS automatic,
            max(w.event_at) AS wrong_at, max_by(w.category, w.event_at) AS category
        FROM transactions c LEFT JOIN transactions w ON w.account_id = c.account_id
            AND w.amount = -c.amount AND w.event_at < c.event_at AND w.category <> 'correction'
        WHERE c.category = 'correction' GROUP BY 1""")
    return connection


def one(tables: duckdb.DuckDBPyConnection, query: str) -> float:
    found = tables.execute(query).fetchone()
    assert found is not None
    return float(found[0])


def test_about_one_booking_in_a_thousand_is_corrected(tables: duckdb.DuckDBPyConnection) -> None:
    share = "SELECT avg((category = 'correction')::INT) FROM transactions"
    assert 0.0004 < one(tables, share) < 0.002


def test_a_correction_reverses_an_earlier_booking_of_its_account(
    tables: duckdb.DuckDBPyConnection,
) -> None:
    missing = one(tables, "SELECT count(*) FROM corrected WHERE wrong_at IS NULL")
    # A wrong booking that is itself back-dated may not be known by the end.
    assert missing <= 0.005 * one(tables, "SELECT count(*) FROM corrected")


def test_mistakes_are_found_after_days_to_weeks_also_after_the_month(
    tables: duckdb.DuckDBPyConnection,
) -> None:
    days = "SELECT {} FROM (SELECT event_at::DATE - wrong_at::DATE AS days, * FROM corrected)"
    assert one(tables, days.format("min(days)")) >= 1
    assert 5 < one(tables, days.format("median(days)")) < 20
    assert one(tables, days.format("quantile_cont(days, 0.99)")) <= 25
    later = "avg((date_trunc('month', event_at) > date_trunc('month', wrong_at))::INT)"
    assert 0.2 < one(tables, days.format(later)) < 0.6


def test_a_correction_is_the_banks_own_and_known_when_it_is_made(
    tables: duckdb.DuckDBPyConnection,
) -> None:
    late = "known_at > event_at + INTERVAL 1 HOUR"
    assert one(tables, f"SELECT count(*) FROM corrected WHERE {late} OR NOT automatic") == 0


def test_some_are_booked_again_as_they_should_have_been(tables: duckdb.DuckDBPyConnection) -> None:
    again = """
        SELECT avg((t.transaction_id IS NOT NULL)::INT) FROM corrected c LEFT JOIN transactions t
            ON t.account_id = c.account_id AND t.event_at = c.event_at + INTERVAL 60 SECOND
            AND t.automatic AND t.category = c.category"""
    assert 0.3 < one(tables, again) < 0.7


def test_nothing_is_corrected_on_a_closed_account(tables: duckdb.DuckDBPyConnection) -> None:
    late = """
        SELECT count(*) FROM corrected c JOIN closings x USING (account_id)
        WHERE c.event_at > x.event_at"""
    assert one(tables, late) == 0


def test_the_balance_moves_by_the_correction(tables: duckdb.DuckDBPyConnection) -> None:
    apart = """
        SELECT count(*) FROM (
            SELECT category, balance_after - lag(balance_after) OVER w - amount AS gap
            FROM transactions
            WINDOW w AS (PARTITION BY account_id ORDER BY event_at, transaction_id))
        WHERE category = 'correction' AND gap <> 0"""
    # The booking before it may be one that was not yet known at the end.
    assert one(tables, apart) <= 0.01 * one(tables, "SELECT count(*) FROM corrected")


def test_the_position_of_the_day_holds_the_correction(tables: duckdb.DuckDBPyConnection) -> None:
    told = """
        SELECT {} FROM (
            SELECT account_id, event_at::DATE AS day, bool_or(category = 'correction') AS corrected,
                arg_max(balance_after, transaction_id) AS told
            FROM transactions GROUP BY ALL) t
        JOIN balances b ON b.account_id = t.account_id AND b.event_at::DATE = t.day
        WHERE corrected"""
    days = one(tables, told.format("count(*)"))
    assert days > 0.3 * one(tables, "SELECT count(*) FROM corrected")
    assert one(tables, told.format("sum((told <> ledger_balance)::INT)")) <= 0.01 * days
