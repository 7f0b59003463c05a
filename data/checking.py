"""Turn a contract into the queries that type a chunk of rows and name every fault."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb
import pyarrow as pa

from data.contracts import SQL_TYPE, Column, Table
from data.errors import ContractBroken

_SCALE = {"money": 2, "ratio": 6}
_PATTERN = {
    "identifier": r"[!-~]{1,64}",
    "date": r"\d{4}-\d{2}-\d{2}",
    "timestamp": r"\d{4}-\d{2}-\d{2}([T ]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?Z?)?",
    "money": r"[+-]?\d{1,15}(\.\d{1,2})?",
    "ratio": r"[+-]?\d{1,11}(\.\d{1,6})?",
    "count": r"[+-]?\d{1,15}",
    "flag": r"true|false|True|False|TRUE|FALSE",
}
_NOT_A = {
    "identifier": "not an identifier: 1 to 64 characters of ASCII without blanks",
    "text": "control character, or more than 400 characters",
    "date": "not a calendar day, YYYY-MM-DD",
    "timestamp": "not a moment of local time or UTC, YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS",
    "money": "not an amount with at most two decimals",
    "ratio": "not a number with at most six decimals",
    "count": "not a whole number",
    "flag": "neither true nor false",
}
TEXT_LIMIT = 400
_DIGITS = 17
SKEW = timedelta(minutes=5)
_DATA_ERRORS = (duckdb.ConversionException, duckdb.OutOfRangeException)
EARLIEST = "1850-01-01"


@dataclass(frozen=True)
class Clock:
    """The bank's time zone and the moment of delivery, after which nothing can have happened yet.

    The clocks of whoever dates a fact and whoever receives it may differ by ``SKEW``.
    """

    zone: str
    received: str

    @property
    def latest(self) -> str:
        """The last moment that is no future, in ISO 8601."""
        return (datetime.fromisoformat(self.received) + SKEW).isoformat()


def literal(value: str) -> str:
    """``value`` as an SQL text literal."""
    return "'" + value.replace("'", "''") + "'"


def listed(names: list[str]) -> str:
    """The first names of a list, as a person wants to read it."""
    more = f" and {len(names) - 20:,} more" if len(names) > 20 else ""
    return (", ".join(name or "(no name)" for name in names[:20]) or "none") + more


def check_columns(file: str, present: list[str], table: Table) -> list[str]:
    """Names in the file that the contract does not have.

    Raises:
        ContractBroken: a required column is missing; the message says which and what is there.
    """
    wanted = [column.name for column in table.columns]
    missing = [c.name for c in table.columns if c.required and c.name not in present]
    if missing:
        raise ContractBroken(
            f"{file} lacks the column(s) {', '.join(missing)} of table '{table.name}'."
            f" It has: {listed(present)}. Nothing of it was loaded."
        )
    return [name for name in present if name not in wanted]


def checked(
    connection: duckdb.DuckDBPyConnection, rows: pa.Table, table: Table, clock: Clock
) -> None:
    """Type the rows and name their faults, into the temporary table ``checked``.

    It has one row per row in: the columns of ``table`` typed, ``line``, and ``faults``, a list of
    (name of the column, reason), null for a sound row.

    Args:
        rows: the table's columns as text or as typed Arrow columns, and ``line``.

    Raises:
        ContractBroken: a typed column cannot carry its kind (money as a float, say).
    """
    query = _query(rows.schema, table, clock)
    connection.register("incoming", rows)
    try:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE checked AS {query}")
    except _DATA_ERRORS as error:
        raise ContractBroken(f"a value is beyond what can be kept: {error}") from None
    finally:
        connection.unregister("incoming")


def _query(schema: pa.Schema, table: Table, clock: Clock) -> str:
    kinds = {c.name: schema.field(c.name).type for c in table.columns if c.name in schema.names}
    values = ", ".join(
        f"{_typed(c, kinds[c.name], table.name, clock)} AS {c.name}"
        if c.name in kinds
        else f"CAST(NULL AS {SQL_TYPE[c.kind]}) AS {c.name}"
        for c in table.columns
    )
    kept = ", ".join(f"incoming.{name} AS raw_{name}" for name in kinds)
    tests = [(c.name, _fault(c, kinds[c.name], clock)) for c in table.columns if c.name in kinds]
    if table.dated:
        event, known = table.clocks
        too_soon = f"CASE WHEN {known} < {event} THEN 'known before it happened' END"
        tests.append((known, too_soon))
    tests += [
        (r.column, f"CASE WHEN NOT ({r.holds}) THEN {literal(r.about)} END") for r in table.rules
    ]
    first = ", ".join(test for _, test in tests)
    every = ", ".join(_pair(*test) for test in tests)
    return (
        f"WITH typed AS (SELECT line, {values}, {kept} FROM incoming)"
        f" SELECT {', '.join(c.name for c in table.columns)}, line,"
        f" CASE WHEN coalesce({first}) IS NOT NULL"
        f" THEN list_filter([{every}], lambda f: f IS NOT NULL) END AS faults FROM typed"
    )


def _typed(column: Column, kind: pa.DataType, table: str, clock: Clock) -> str:
    name = column.name
    if _is_text(kind):
        return _from_text(column, clock)
    if pa.types.is_null(kind):
        return f"CAST(NULL AS {SQL_TYPE[column.kind]})"
    if not _carries(kind, column):
        raise ContractBroken(
            f"column {name} of table '{table}' has the type {kind}, which cannot carry"
            f" {column.kind} exactly. Write it as text or as the type the contract names."
        )
    if column.kind == "timestamp":
        return _moment(name, kind, clock.zone)
    if column.kind not in _SCALE:
        return f"TRY_CAST({name} AS {SQL_TYPE[column.kind]})"
    scale = _SCALE[column.kind]
    exact = f"TRY_CAST({name} AS DECIMAL({_DIGITS}, {scale}))"
    minor = _minor(exact, scale)
    if not isinstance(kind, pa.Decimal128Type) or kind.scale <= scale:
        return minor
    back = f"TRY_CAST({exact} AS DECIMAL({kind.precision}, {kind.scale}))"
    return f"CASE WHEN {back} = {name} THEN {minor} END"


def _minor(exact: str, scale: int) -> str:
    # Wider than it needs to be: DuckDB multiplies decimals of up to 18 digits in 64 bits.
    return f"CAST(CAST({exact} AS DECIMAL(24, {scale})) * 1{'0' * scale} AS BIGINT)"


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _carries(kind: pa.DataType, column: Column) -> bool:
    match column.kind:
        case "date":
            return pa.types.is_date32(kind)
        case "timestamp":
            return pa.types.is_timestamp(kind) or pa.types.is_date32(kind)
        case "money" | "ratio":
            return pa.types.is_decimal128(kind) or pa.types.is_integer(kind)
        case "count":
            return pa.types.is_integer(kind)
        case "flag":
            return pa.types.is_boolean(kind)
        case _:
            return False


def _moment(name: str, kind: pa.DataType, zone: str) -> str:
    if isinstance(kind, pa.TimestampType) and kind.tz:
        return f"CAST({name} AS TIMESTAMPTZ)"
    return _placed(f"CAST({name} AS TIMESTAMP)", literal(zone))


def _placed(naive: str, zone: str) -> str:
    """Local time as a moment; an hour that the clocks skipped is none, a day begins even so."""
    at = f"timezone({zone}, {naive})"
    real = f"timezone({zone}, {at}) = {naive} OR {naive} = date_trunc('day', {naive})"
    return f"CASE WHEN {real} THEN {at} END"


def _from_text(column: Column, clock: Clock) -> str:
    name, text = column.name, f"nullif({column.name}, '')"
    pattern = column.pattern or _PATTERN.get(column.kind)
    sound = f"CASE WHEN regexp_full_match({name}, {literal(pattern or '')}) THEN {name} END"
    if column.parse:
        return f"CAST({column.parse.format(text=f'({sound})')} AS {SQL_TYPE[column.kind]})"
    match column.kind:
        case "identifier":
            return sound
        case "text":
            return (
                f"CASE WHEN length({text}) <= {TEXT_LIMIT} AND NOT"
                f" regexp_matches({text}, '\\p{{Cc}}') THEN {text} END"
            )
        case "code":
            return f"CASE WHEN {name} IN ({_listed(column.values)}) THEN {name} END"
        case "money" | "ratio":
            scale = _SCALE[column.kind]
            return _minor(f"CAST({sound} AS DECIMAL({_DIGITS}, {scale}))", scale)
        case "timestamp":
            naive = f"TRY_CAST(replace(replace({sound}, 'Z', ''), 'T', ' ') AS TIMESTAMP)"
            zone = f"CASE WHEN {name} LIKE '%Z' THEN 'UTC' ELSE {literal(clock.zone)} END"
            return _placed(naive, zone)
        case _:
            return f"TRY_CAST({sound} AS {SQL_TYPE[column.kind]})"


def _fault(column: Column, kind: pa.DataType, clock: Clock) -> str:
    name, raw = column.name, f"raw_{column.name}"
    nothing = f" AND {raw} NOT IN ({_listed(('', *column.nulls))})" if _is_text(kind) else ""
    given = f"({raw} IS NOT NULL{nothing})"
    tests = []
    if column.required:
        tests.append((f"NOT {given}", "missing"))
    tests.append((f"{given} AND {name} IS NULL", _not_a(column)))
    if column.minimum is not None:
        tests.append((f"{name} < {column.minimum}", f"below {_shown(column, column.minimum)}"))
    if column.maximum is not None:
        tests.append((f"{name} > {column.maximum}", f"above {_shown(column, column.maximum)}"))
    if column.kind in ("date", "timestamp"):
        tests.append((f"{name} < CAST('{EARLIEST}' AS {SQL_TYPE[column.kind]})", "too long ago"))
    if column.past:
        limit = f"CAST({literal(clock.latest)} AS TIMESTAMPTZ)"
        if column.kind == "date":
            limit = f"CAST(timezone({literal(clock.zone)}, {limit}) AS DATE)"
        tests.append((f"{name} > {limit}", f"later than the delivery ({clock.received})"))
    cases = " ".join(f"WHEN {test} THEN {literal(reason)}" for test, reason in tests)
    return f"CASE {cases} END"


def _pair(column: str, reason: str) -> str:
    return (
        f"CASE WHEN ({reason}) IS NOT NULL"
        f" THEN struct_pack(name := {literal(column)}, reason := {reason}) END"
    )


def _not_a(column: Column) -> str:
    if column.kind == "code":
        values = ", ".join(column.values)
        return f"not one of {values}" if len(values) < 120 else "not one of the listed values"
    return f"not a {column.kind} as the source writes it" if column.pattern else _NOT_A[column.kind]


def _shown(column: Column, bound: int) -> str:
    scale = _SCALE.get(column.kind, 0)
    return f"{bound / 10**scale:.{scale}f}" if scale else str(bound)


def _listed(values: tuple[str, ...]) -> str:
    return ", ".join(literal(value) for value in values)
