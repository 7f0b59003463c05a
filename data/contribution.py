"""What each account earns the bank, month by month: contribution, defined once.

Contribution of an account and month = position at the month's end x transfer-price margin / 12
+ fees and penalty interest charged - cost to serve - net loss. The net loss is what is written off
in the month, less what is recovered in it, with what collecting costs; it falls in the month in
which each happens, also after the account is closed. It is booked at the month's end and known
five days later, or when the last of its terms is known. Only months that the data cover to their
end count. Amounts are integer minor units.
"""

import duckdb
import pyarrow as pa

from data.errors import WarehouseError

NEEDED = ("accounts", "products", "balances")
MADE_OF = (*NEEDED, "closings", "transactions", "loans", "loan_outcomes")
KNOWN_AFTER = 5
_FEES = "category IN ('fee', 'penalty_interest')"
_WRITTEN_OFF = "status = 'written_off'"
# A loan's outcome tells its loss; a booking of the same write-off would count it twice.
_BOOKED_OFF = f"""category = 'write_off' AND account_id NOT IN (
    SELECT account_id FROM loans JOIN loan_outcomes USING (loan_id)
    WHERE {_WRITTEN_OFF} AND loss IS NOT NULL)"""
_NET_COST = "CASE kind WHEN 'cost' THEN amount ELSE -amount END"
_PRICED = "SELECT product_id FROM products WHERE margin IS NOT NULL AND cost_to_serve IS NOT NULL"

_LAST_DAY = """(SELECT max(event_day) FROM (
    SELECT max(event_day) AS event_day FROM balances
    UNION ALL SELECT max(event_day) FROM transactions))"""
_QUERY = f"""
WITH closed AS (
    SELECT account_id, min(event_day) AS closed_day
    FROM closings GROUP BY ALL
),
months AS (
    SELECT last_month_day(day_number(m)) AS event_day
    FROM (SELECT unnest(generate_series(
        (SELECT date_trunc('month', day_date(min(event_day))) FROM balances),
        day_date({_LAST_DAY}), INTERVAL 1 MONTH)) AS m)
    WHERE last_month_day(day_number(m)) <= {_LAST_DAY}
),
held AS (
    SELECT a.account_id, m.event_day, p.margin, p.cost_to_serve
    FROM accounts a JOIN products p USING (product_id)
    LEFT JOIN closed x USING (account_id)
    JOIN months m ON m.event_day >= a.event_day
        AND (x.closed_day IS NULL OR m.event_day <= last_month_day(x.closed_day))
    WHERE p.margin IS NOT NULL AND p.cost_to_serve IS NOT NULL
),
positions AS (
    SELECT account_id, event_day, max(known_day) AS known_day,
        arg_max(abs(coalesce(market_value, ledger_balance)), event_at) AS position
    FROM balances GROUP BY ALL
),
terms AS (
    SELECT h.account_id, h.event_day, b.known_day,
        CAST(coalesce(b.position, 0) AS HUGEINT) * h.margin // 12000000 AS margin_earned,
        0 AS fees, h.cost_to_serve, 0 AS loss
    FROM held h ASOF LEFT JOIN positions b
        ON h.account_id = b.account_id AND h.event_day >= b.event_day
    UNION ALL
    SELECT account_id, last_month_day(event_day), max(known_day), 0, -sum(amount), 0, 0
    FROM transactions WHERE {_FEES} GROUP BY ALL
    UNION ALL
    SELECT l.account_id, last_month_day(o.event_day), max(o.known_day), 0, 0, 0, sum(o.loss)
    FROM loan_outcomes o
    JOIN loans l USING (loan_id)
    WHERE {_WRITTEN_OFF} GROUP BY ALL
    UNION ALL
    SELECT account_id, last_month_day(event_day), max(known_day), 0, 0, 0, sum(amount)
    FROM transactions WHERE {_BOOKED_OFF} GROUP BY ALL
    UNION ALL
    SELECT account_id, last_month_day(event_day), max(known_day), 0, 0, 0, sum({_NET_COST})
    FROM recoveries GROUP BY ALL
),
summed AS (
    SELECT account_id, event_day, max(known_day) AS known_day,
        sum(margin_earned) AS margin_earned, sum(fees) AS fees,
        sum(cost_to_serve) AS cost_to_serve, coalesce(sum(loss), 0) AS loss
    FROM terms WHERE event_day <= {_LAST_DAY} GROUP BY ALL
)
SELECT a.customer_id, a.account_id, s.event_day,
    greatest(s.event_day + {KNOWN_AFTER}, s.known_day, a.known_day) AS known_day,
    CAST(margin_earned AS BIGINT) AS margin_earned, CAST(fees AS BIGINT) AS fees,
    CAST(cost_to_serve AS BIGINT) AS cost_to_serve, CAST(loss AS BIGINT) AS loss,
    CAST(margin_earned + fees - cost_to_serve - loss AS BIGINT) AS contribution
FROM summed s JOIN accounts a USING (account_id)
WHERE a.product_id IN ({_PRICED})
"""


def reason_without(connection: duckdb.DuckDBPyConnection, tables: tuple[str, ...]) -> str:
    """Why contribution cannot be computed, or an empty text."""
    missing = [table for table in NEEDED if table not in tables]
    if missing:
        return f"no rows in {', '.join(missing)}"
    priced = connection.execute(f"SELECT count(*) FROM ({_PRICED})").fetchone()
    return "" if priced and priced[0] else "no product has a margin and a cost to serve"


def contributions(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
    """One row per account and month-end: customer, account, clocks and the four terms.

    An account has a row for every month in which it was open, and for every other month in which
    it was charged, written off or recovered from. Call ``prepare`` first.

    Raises:
        WarehouseError: fees and losses do not add up to those of the tables.
    """
    connection.execute(f"CREATE OR REPLACE TEMP TABLE contributed AS {_QUERY}")
    found = _pair(connection, "SELECT sum(fees), sum(loss) FROM contributed")
    wanted = control_total(connection)
    if found != wanted:
        raise WarehouseError(
            f"contributions do not reconcile: fees and losses are {found}, the tables say {wanted}."
        )
    return connection.sql("SELECT * FROM contributed ORDER BY account_id, event_day")


def control_total(connection: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """Fees and net losses of priced accounts in complete months, straight from the tables."""
    ours = f"account_id IN (SELECT account_id FROM accounts WHERE product_id IN ({_PRICED}))"
    until = f"last_month_day(event_day) <= {_LAST_DAY}"
    lost = (
        f"SELECT loss FROM loan_outcomes WHERE {_WRITTEN_OFF} AND {until}"
        f" AND loan_id IN (SELECT loan_id FROM loans WHERE {ours})"
        f" UNION ALL SELECT amount FROM transactions WHERE {_BOOKED_OFF} AND {ours} AND {until}"
        f" UNION ALL SELECT {_NET_COST} FROM recoveries WHERE {ours} AND {until}"
    )
    return _pair(
        connection,
        f"SELECT (SELECT -sum(amount) FROM transactions WHERE {_FEES} AND {ours} AND {until}),"
        f" (SELECT sum(loss) FROM ({lost}))",
    )


def _pair(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[int, int]:
    fees, losses = connection.execute(query).fetchall()[0]
    return int(fees or 0), int(losses or 0)


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Define what the queries above need."""
    epoch = "DATE '1970-01-01'"
    connection.execute(
        f"CREATE OR REPLACE TEMP MACRO day_date(day) AS {epoch} + CAST(day AS INTEGER)"
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP MACRO day_number(day) AS"
        f" CAST(CAST(day AS DATE) - {epoch} AS INTEGER)"
    )
    connection.execute(
        "CREATE OR REPLACE TEMP MACRO last_month_day(day) AS day_number(last_day(day_date(day)))"
    )


def schema() -> pa.Schema:
    """Arrow schema of the derived table."""
    fields: list[tuple[str, pa.DataType]] = [
        ("customer_id", pa.string()),
        ("account_id", pa.string()),
        ("event_day", pa.int32()),
        ("known_day", pa.int32()),
        ("margin_earned", pa.int64()),
        ("fees", pa.int64()),
        ("cost_to_serve", pa.int64()),
        ("loss", pa.int64()),
        ("contribution", pa.int64()),
    ]
    return pa.schema(fields)
