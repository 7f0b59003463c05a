"""The golden record: what is best known of a person, as of every moment at which that changed."""

from dataclasses import dataclass

import duckdb
import pyarrow as pa

from data.tables import CUSTOMERS

# The systems, the most trusted first; what is not listed comes after.
IDENTIFIED = ("core", "cards", "ebanking", "call_centre")  # shown a document at the counter
SPELT = ("cards", "core", "ebanking", "call_centre")  # embossed as in the passport


@dataclass(frozen=True)
class Survivor:
    """Which version of which record a group of attributes is taken from, all of it together.

    Attributes:
        columns: taken from one version; the first must be there.
        prefer: conditions, the weightiest first, that a version should fulfil.
        systems: the most trusted first; empty where only the newest counts.
    """

    columns: tuple[str, ...]
    why: str
    prefer: tuple[str, ...] = ()
    systems: tuple[str, ...] = ()


SURVIVORS = (
    Survivor(
        ("identity_number", "identity_type"),
        "A number that proves itself, then the system that saw the document, then the newest.",
        ("proven",),
        IDENTIFIED,
    ),
    Survivor(
        ("name",),
        "Han characters before Latin letters, then the system that saw the document.",
        ("in_han",),
        IDENTIFIED,
    ),
    Survivor(
        ("latin_name",), "As embossed on the card, then from elsewhere, then the newest.", (), SPELT
    ),
    Survivor(
        ("birth_date",),
        "Stated together with a number that proves itself, then where the document was seen.",
        ("proven",),
        IDENTIFIED,
    ),
    Survivor(
        ("sex",),
        "Stated together with a number that proves itself, then where the document was seen.",
        ("proven",),
        IDENTIFIED,
    ),
    Survivor(("phone",), "The newest."),
    Survivor(("email",), "The newest."),
    Survivor(("address", "postcode"), "The newest, with its own postcode."),
    Survivor(("district_id",), "The newest."),
    Survivor(("occupation",), "The newest."),
)


def golden_records(connection: duckdb.DuckDBPyConnection, zone: str) -> pa.Table:
    """One row a customer and moment at which what is best known changes.

    The columns are those of ``customers`` with event_day and known_day. Nothing is taken from a
    version known, or known to be this person's, after the row's ``known_at``. The first row
    happened when the oldest version did; a later one when it was learnt.

    Args:
        connection: an engine with ``customers`` (all versions of all records), ``proofs`` of
            identity numbers, ``written`` forms and ``assigned`` (record_id, customer_id, known_us).
    """
    connection.execute(f"CREATE OR REPLACE TEMP TABLE versions AS {_VERSIONS}")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE golden AS {_golden()}")
    columns = ", ".join(_selected(column.name) for column in CUSTOMERS.columns)
    table: pa.Table = connection.sql(
        f"SELECT {columns}, {_day('event_at', zone)} AS event_day,"
        f" {_day('known_at', zone)} AS known_day FROM golden ORDER BY customer_id, known_at"
    ).to_arrow_table()
    connection.execute("DROP TABLE versions; DROP TABLE golden")
    return table


def _selected(column: str) -> str:
    return "CAST(NULL AS VARCHAR) AS system" if column == "system" else column


def _day(clock: str, zone: str) -> str:
    """The bank's business day of a moment, in days since 1970."""
    return f"CAST(CAST(timezone('{zone}', {clock}) AS DATE) - DATE '1970-01-01' AS INTEGER)"


_VERSIONS = """
    SELECT a.customer_id AS person, c.* EXCLUDE (customer_id), c.customer_id AS record_id,
        greatest(c.known_at, make_timestamptz(a.known_us)) AS joined_at,
        coalesce(regexp_matches(c.name, '[㐀-鿿]'), false) AS in_han,
        coalesce(p.proven IS NOT NULL, false) AS proven
    FROM customers c JOIN assigned a ON a.record_id = c.customer_id
    LEFT JOIN w_number w ON w.raw = c.identity_number
    LEFT JOIN proofs p
        ON p.number = w.written AND p.identity_type IS NOT DISTINCT FROM c.identity_type
"""


def _golden() -> str:
    taken = ", ".join(_taken(number, survivor) for number, survivor in enumerate(SURVIVORS))
    columns = [column for survivor in SURVIVORS for column in survivor.columns]
    unpacked = ", ".join(
        f"best_{n}.{column} AS {column}" for n, s in enumerate(SURVIVORS) for column in s.columns
    )
    told = f"({', '.join(columns)})"
    return f"""
        WITH moments AS (SELECT DISTINCT person, joined_at AS known_at FROM versions),
        best AS (
            SELECT m.person, m.known_at, min(v.event_at) AS began, {taken}
            FROM moments m JOIN versions v ON v.person = m.person AND v.joined_at <= m.known_at
            GROUP BY ALL
        ), unpacked AS (
            SELECT person AS customer_id, known_at, began, {unpacked},
                row_number() OVER (PARTITION BY person ORDER BY known_at) AS place
            FROM best
        ), compared AS (
            SELECT *, row{told} AS told,
                lag(row{told}) OVER (PARTITION BY customer_id ORDER BY known_at) AS told_before
            FROM unpacked
        )
        SELECT * EXCLUDE (told, told_before, began, place),
            CASE WHEN place = 1 THEN began ELSE known_at END AS event_at
        FROM compared WHERE place = 1 OR told IS DISTINCT FROM told_before
    """


def _taken(number: int, survivor: Survivor) -> str:
    fields = ", ".join(f"'{column}': v.{column}" for column in survivor.columns)
    order = [f"v.{condition} DESC" for condition in survivor.prefer]
    if survivor.systems:
        listed = ", ".join(f"'{system}'" for system in survivor.systems)
        order.append(f"coalesce(list_position([{listed}], v.system), 99)")
    order += ["v.event_at DESC", "v.known_at DESC", "v.record_id"]
    return (
        f"first({{{fields}}} ORDER BY {', '.join(order)})"
        f" FILTER (v.{survivor.columns[0]} IS NOT NULL) AS best_{number}"
    )
