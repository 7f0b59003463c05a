"""What each record was known to say: one state a record and moment, in comparable writing."""

from collections.abc import Callable

import duckdb
import pyarrow as pa

from features.identity import writing
from features.identity.numbers import proven_type
from features.identity.telephones import phone_number

_WRITTEN: dict[str, tuple[str, Callable[[str], str | None]]] = {
    "han": ("name", writing.han_name),
    "spelt_name": ("name", writing.spelt_name),
    "spelt_latin": ("latin_name", writing.spelt_name),
    "phone": ("phone", phone_number),
    "email": ("email", writing.email_address),
    "address": ("address", writing.postal_address),
    "postcode": ("postcode", writing.postal_code),
    "number": ("identity_number", writing.identity_number),
}


def prepare(connection: duckdb.DuckDBPyConnection) -> int:
    """Make table ``states`` from ``customers``; returns how many records there are.

    A state is all that is known of a record at one moment: the newest value of each attribute,
    and in lists every value it ever had. ``uid`` numbers the states by record and moment,
    ``latest`` marks the last of each record.
    """
    columns = ", ".join(f"w_{name}.written AS {name}" for name in _WRITTEN)
    joins = ""
    for name, (column, rule) in _WRITTEN.items():
        _register(connection, name, column, rule)
        joins += f" LEFT JOIN w_{name} ON w_{name}.raw = c.{column}"
    connection.execute(
        f"CREATE TEMP TABLE written AS SELECT c.customer_id AS record_id, c.system, c.event_at,"
        f" c.known_at, c.birth_date, c.sex, c.identity_type, {columns} FROM customers c{joins}"
    )
    _prove(connection)
    connection.execute(f"CREATE TEMP TABLE states AS {_STATES}")
    [(records,)] = connection.sql("SELECT count(*) FROM states WHERE latest").fetchall()
    return int(records)


def _register(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    column: str,
    rule: Callable[[str], str | None],
) -> None:
    """Table ``w_NAME`` from every raw text of a column to its comparable form."""
    found = connection.sql(
        f"SELECT DISTINCT {column} AS raw FROM customers WHERE {column} IS NOT NULL ORDER BY 1"
    ).fetchall()
    raw = [text for (text,) in found]
    table = pa.table(
        {"raw": pa.array(raw, pa.string()), "written": pa.array(map(rule, raw), pa.string())}
    )
    _keep(connection, f"w_{name}", table)


def _prove(connection: duckdb.DuckDBPyConnection) -> None:
    """Table ``proofs`` from type and number to the type under which the number is valid."""
    pairs = connection.sql(
        "SELECT DISTINCT identity_type, number FROM written WHERE number IS NOT NULL ORDER BY ALL"
    ).fetchall()
    found = [(kind, number, proven_type(kind, number)) for kind, number in pairs]
    names = ("identity_type", "number", "proven")
    columns = list(zip(*found, strict=True)) or [(), (), ()]
    table = pa.table({n: pa.array(c, pa.string()) for n, c in zip(names, columns, strict=True)})
    _keep(connection, "proofs", table)


def _keep(connection: duckdb.DuckDBPyConnection, name: str, table: pa.Table) -> None:
    connection.register("arriving", table)
    connection.execute(f"CREATE TEMP TABLE {name} AS FROM arriving")
    connection.unregister("arriving")


_SO_FAR = "OVER (PARTITION BY record_id ORDER BY known_at, event_at ROWS UNBOUNDED PRECEDING)"


def _newest(column: str) -> str:
    return f"last_value({column} IGNORE NULLS) {_SO_FAR} AS {column}"


def _ever(column: str, name: str) -> str:
    return (
        f"list_sort(list_distinct(list({column}) FILTER ({column} IS NOT NULL) {_SO_FAR}))"
        f" AS {name}"
    )


_NEWEST = (
    "han", "spelt", "birth_text", "sex", "number", "proven_type", "proven_number", "phone",
    "email", "address", "postcode",
)  # fmt: skip
_EVER = {
    "han": "hans", "spelt_name": "name_spellings", "spelt_latin": "latin_spellings",
    "birth_text": "births", "number": "numbers", "phone": "phones", "email": "emails",
    "address": "addresses",
}  # fmt: skip
_STATES = f"""
    WITH versions AS (
        SELECT w.* EXCLUDE (sex), w.sex::VARCHAR AS sex, coalesce(spelt_latin, spelt_name) AS spelt,
            strftime(birth_date, '%Y%m%d') AS birth_text, p.proven AS proven_type,
            CASE WHEN p.proven IS NOT NULL THEN w.number END AS proven_number
        FROM written w LEFT JOIN proofs p
            ON p.number = w.number AND p.identity_type IS NOT DISTINCT FROM w.identity_type
    ), told AS (
        SELECT record_id, system, known_at,
            min(known_at) OVER (PARTITION BY record_id) AS first_known_at,
            {", ".join(_newest(column) for column in _NEWEST)},
            {", ".join(_ever(column, name) for column, name in _EVER.items())},
            row_number() OVER (
                PARTITION BY record_id, known_at ORDER BY event_at DESC) AS from_the_end
        FROM versions
    )
    SELECT CAST(row_number() OVER (ORDER BY record_id, known_at) AS BIGINT) AS uid,
        record_id, system, known_at, first_known_at, {", ".join(_NEWEST)},
        list_sort(list_distinct(list_concat(
            coalesce(name_spellings, []), coalesce(latin_spellings, [])))) AS spellings,
        string_split(spelt, ' ') AS syllables,
        string_split(address, ' ') AS address_parts,
        regexp_matches(address, '[㐀-鿿]') AS address_in_han,
        {", ".join(f"coalesce({n}, []) AS {n}" for n in _EVER.values() if "spell" not in n)},
        row_number() OVER (PARTITION BY record_id ORDER BY known_at DESC) = 1 AS latest
    FROM told WHERE from_the_end = 1
    ORDER BY uid
"""
