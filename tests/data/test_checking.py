"""Each kind of value: what is accepted, what it becomes, and why the rest is refused."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.checking import Clock, check_columns, checked
from data.contracts import Column, Kind, Table
from data.errors import ContractBroken
from data.warehouse import engine

RECEIVED = "2024-07-01T00:00:00+00:00"
PRAGUE = Clock("Europe/Prague", RECEIVED)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with engine() as connection:
        yield connection


def column(kind: Kind, name: str = "x", **options: Any) -> Column:
    return Column(name=name, kind=kind, about="Under test.", **options)


def typed(connection: duckdb.DuckDBPyConnection, x: Column, values: Any) -> list[tuple[Any, str]]:
    """The value and the reason for refusal of each value; moments as text."""
    array = values if isinstance(values, pa.Array) else pa.array(values, pa.string())
    rows = pa.table({x.name: array, "line": list(range(len(array)))})
    contract = Table(name="t", about="One column.", columns=(x,), key=(x.name,), dated=False)
    checked(connection, rows, contract, PRAGUE)
    shown = f"{x.name}::VARCHAR" if x.kind == "timestamp" else x.name
    return connection.execute(
        f"SELECT {shown}, coalesce(faults[1].reason, '') FROM checked ORDER BY line"
    ).fetchall()


@pytest.mark.parametrize(
    "text, minor_units",
    [
        ("12.50", 1250),
        ("-12.5", -1250),
        ("+7", 700),
        ("0", 0),
        ("-0.00", 0),
        ("007", 700),
        ("999999999999999.99", 99999999999999999),
    ],
)
def test_money_is_kept_as_minor_units(
    connection: duckdb.DuckDBPyConnection, text: str, minor_units: int
) -> None:
    assert typed(connection, column("money"), [text]) == [(minor_units, "")]


@pytest.mark.parametrize(
    "text",
    [
        "1.234",  # three decimals
        "1,234.50",
        "1.234,50",
        "(5.00)",
        "1e30",
        "1E2",
        "NaN",
        "Infinity",
        "-inf",
        "5.",
        ".5",
        "--5",
        " 5",
        "5 ",
        "5-",
        "$5",
        "0x10",
        "１２",  # full width
        "٣",  # Arabic-Indic
        "1000000000000000.00",  # a quadrillion
        "null",
    ],
)
def test_what_only_looks_like_money_is_refused(
    connection: duckdb.DuckDBPyConnection, text: str
) -> None:
    """F07"""
    reason = "not an amount with at most two decimals"
    assert typed(connection, column("money"), [text]) == [(None, reason)]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(-(10**17) + 1, 10**17 - 1), min_size=1, max_size=100))
def test_every_amount_survives_to_the_cent(amounts: list[int]) -> None:
    """F07"""
    texts = [f"{'-' * (a < 0)}{abs(a) // 100}.{abs(a) % 100:02}" for a in amounts]
    with engine() as connection:
        found = typed(connection, column("money"), texts)
    assert found == [(amount, "") for amount in amounts]


@pytest.mark.parametrize(
    "text, moment",
    [
        ("2024-02-29", "2024-02-28 23:00:00+00"),  # midnight in Prague
        ("2024-02-29T12:00:00", "2024-02-29 11:00:00+00"),
        ("2024-02-29 12:00:00.25", "2024-02-29 11:00:00.25+00"),
        ("2024-02-29T12:00:00Z", "2024-02-29 12:00:00+00"),
        ("2024-06-30T12:00:00", "2024-06-30 10:00:00+00"),  # summer time
        ("1970-01-01T00:00:00Z", "1970-01-01 00:00:00+00"),
    ],
)
def test_a_moment_without_a_zone_is_the_banks_local_time(
    connection: duckdb.DuckDBPyConnection, text: str, moment: str
) -> None:
    assert typed(connection, column("timestamp"), [text]) == [(moment, "")]


@pytest.mark.parametrize(
    "text",
    [
        "2023-02-29",
        "2024-13-01",
        "2024-02-30T10:00:00",
        "2024-02-01T24:00:00",
        "2024-02-01T23:59:60",
        "2024-02-01T10:60:00",
        "2024-03-31T02:30:00",  # the hour that Prague's clocks skipped
        "01/02/2024",
        "2024-2-1",
        "20240201",
        "2024-02-01T10:00:00+01:00",
        "2024-02-01Z",
        "infinity",
        "now",
    ],
)
def test_a_moment_that_never_was_is_refused(
    connection: duckdb.DuckDBPyConnection, text: str
) -> None:
    """F06"""
    ((value, reason),) = typed(connection, column("timestamp"), [text])
    assert value is None
    assert reason.startswith("not a moment")


def test_a_day_begins_even_where_the_clocks_skipped_its_midnight(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    rows = pa.table({"x": ["1975-04-01"], "line": [1]})
    contract = Table(
        name="t", about="One column.", columns=(column("timestamp"),), key=("x",), dated=False
    )
    checked(connection, rows, contract, Clock("Asia/Taipei", RECEIVED))
    assert connection.execute("SELECT faults FROM checked").fetchall() == [(None,)]


@pytest.mark.parametrize("year", ["0000", "0001", "1849"])
def test_a_date_before_any_bank_is_too_long_ago(
    connection: duckdb.DuckDBPyConnection, year: str
) -> None:
    """F06"""
    for kind in ("date", "timestamp"):
        found = typed(connection, column(kind), [f"{year}-01-01"])
        assert found[0][1] == "too long ago"


def test_nobody_was_born_after_the_delivery(connection: duckdb.DuckDBPyConnection) -> None:
    """F06"""
    found = typed(connection, column("date", "birth_date", past=True), ["2024-06-30", "9999-12-31"])
    assert [reason for _, reason in found] == ["", f"later than the delivery ({RECEIVED})"]


def test_who_is_born_today_is_born_by_the_banks_calendar(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """F06: five in the morning in Taipei, still yesterday in UTC."""
    born = column("date", "birth_date", past=True)
    contract = Table(name="t", about="One.", columns=(born,), key=("birth_date",), dated=False)
    rows = pa.table({"birth_date": ["2024-07-01", "2024-07-02"], "line": [1, 2]})
    checked(connection, rows, contract, Clock("Asia/Taipei", "2024-06-30T21:00:00+00:00"))
    found = connection.execute("SELECT faults IS NULL FROM checked ORDER BY line").fetchall()
    assert found == [(True,), (False,)]


def test_a_promise_may_lie_in_the_future(connection: duckdb.DuckDBPyConnection) -> None:
    found = typed(connection, column("date", "valid_until"), ["2026-12-31"])
    assert found == [(date(2026, 12, 31), "")]


@pytest.mark.parametrize(
    "kind, text, value",
    [
        ("count", "42", 42),
        ("count", "-1", -1),
        ("ratio", "0.0350", 35000),
        ("ratio", "-0.000001", -1),
        ("flag", "true", True),
        ("flag", "False", False),
        ("identifier", "C-00042/x", "C-00042/x"),
        ("text", "臺北市信義區　松仁路", "臺北市信義區　松仁路"),
        ("date", "2024-02-29", date(2024, 2, 29)),
    ],
)
def test_sound_values(
    connection: duckdb.DuckDBPyConnection, kind: Kind, text: str, value: object
) -> None:
    assert typed(connection, column(kind), [text]) == [(value, "")]


@pytest.mark.parametrize(
    "kind, text, reason",
    [
        ("count", "4.0", "not a whole number"),
        ("count", "1e3", "not a whole number"),
        ("ratio", "0.0000001", "not a number with at most six decimals"),
        ("flag", "yes", "neither true nor false"),
        ("flag", "1", "neither true nor false"),
        ("identifier", "C 1", "not an identifier: 1 to 64 characters of ASCII without blanks"),
        ("identifier", "x" * 65, "not an identifier: 1 to 64 characters of ASCII without blanks"),
        ("text", "a\x1b[2J", "control character, or more than 400 characters"),
        ("text", "x" * 401, "control character, or more than 400 characters"),
        ("date", "2023-02-29", "not a calendar day, YYYY-MM-DD"),
        ("count", "", "missing"),
    ],
)
def test_unsound_values_and_their_reasons(
    connection: duckdb.DuckDBPyConnection, kind: Kind, text: str, reason: str
) -> None:
    assert typed(connection, column(kind), [text]) == [(None, reason)]


def test_a_code_must_be_listed_letter_by_letter(connection: duckdb.DuckDBPyConnection) -> None:
    x = column("code", values=("online", "branch"))
    found = typed(connection, x, ["online", "Online", "branch "])
    assert [reason for _, reason in found] == ["", *["not one of online, branch"] * 2]


def test_bounds_are_told_in_the_units_people_write(connection: duckdb.DuckDBPyConnection) -> None:
    x = column("money", minimum=1, maximum=100_000)
    found = typed(connection, x, ["0.00", "0.01", "1000.00", "1000.01"])
    assert [reason for _, reason in found] == ["below 0.01", "", "", "above 1000.00"]


def test_an_optional_value_may_be_empty_or_what_the_source_writes_for_nothing(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    x = column("count", required=False, nulls=("?",))
    found = typed(connection, x, ["", "?", "3", "-"])
    assert found == [(None, ""), (None, ""), (3, ""), (None, "not a whole number")]


@pytest.mark.parametrize("kind", [pa.float32(), pa.float64()])
def test_money_never_comes_through_a_float(
    connection: duckdb.DuckDBPyConnection, kind: pa.DataType
) -> None:
    """F07"""
    with pytest.raises(
        ContractBroken, match=r"column x of table 't' .* cannot carry money exactly"
    ):
        typed(connection, column("money"), pa.array([12.5], kind))


def test_a_decimal_is_money_if_two_decimals_hold_it(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    values = ["12.50", "12.505", "1.0000000001", "1e15", "-0.01", "123456789012345678901"]
    array = pa.array([Decimal(v) for v in values], pa.decimal128(38, 10))
    found = [value for value, _ in typed(connection, column("money"), array)]
    assert found == [1250, None, None, None, -1, None]


@pytest.mark.parametrize("kind", [pa.int8(), pa.int64(), pa.uint64()])
def test_whole_numbers_are_whole_units(
    connection: duckdb.DuckDBPyConnection, kind: pa.DataType
) -> None:
    found = typed(connection, column("money"), pa.array([12, None], kind))
    assert found == [(1200, ""), (None, "missing")]


def test_a_whole_number_beyond_money_is_refused_and_does_not_overflow(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    found = typed(connection, column("money"), pa.array([2**62, -(2**63)], pa.int64()))
    assert [value for value, _ in found] == [None, None]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Taipei"])
def test_typed_moments_of_any_unit(
    connection: duckdb.DuckDBPyConnection, unit: Any, zone: str | None
) -> None:
    noon = datetime(2024, 2, 1, 12, tzinfo=UTC)
    moment = noon if zone else noon.replace(tzinfo=None)
    found = typed(connection, column("timestamp"), pa.array([moment], pa.timestamp(unit, zone)))
    assert found == [("2024-02-01 12:00:00+00" if zone else "2024-02-01 11:00:00+00", "")]


def test_a_typed_day_is_its_midnight(connection: duckdb.DuckDBPyConnection) -> None:
    found = typed(connection, column("timestamp"), pa.array([date(2024, 2, 1)]))
    assert found == [("2024-01-31 23:00:00+00", "")]


@pytest.mark.parametrize("seconds", [2**62, -(2**62)])
def test_a_typed_moment_beyond_all_calendars_is_refused(
    connection: duckdb.DuckDBPyConnection, seconds: int
) -> None:
    with pytest.raises(ContractBroken, match="beyond what can be kept"):
        typed(connection, column("timestamp"), pa.array([seconds], pa.timestamp("s", "UTC")))


@pytest.mark.parametrize(
    "kind, array",
    [
        ("identifier", pa.array([1])),
        ("text", pa.array([b"abc"])),
        ("count", pa.array([1.0])),
        ("date", pa.array([datetime(2024, 2, 1)])),  # noqa: DTZ001 - a column without a zone
        ("flag", pa.array([1])),
        ("money", pa.array([timedelta(1)])),
        ("money", pa.array([[1]])),
    ],
)
def test_a_type_that_cannot_carry_the_kind_is_refused(
    connection: duckdb.DuckDBPyConnection, kind: Kind, array: Any
) -> None:
    with pytest.raises(ContractBroken, match=f"cannot carry {kind} exactly"):
        typed(connection, column(kind), array)


def test_a_column_of_nothing_is_nothing(connection: duckdb.DuckDBPyConnection) -> None:
    found = typed(connection, column("money", required=False), pa.nulls(2))
    assert found == [(None, ""), (None, "")]


def test_a_long_list_of_columns_is_told_in_short() -> None:
    contract = Table(name="t", about="One.", columns=(column("count"),), key=("x",), dated=False)
    present = [f"c{number}" for number in range(500)]
    with pytest.raises(ContractBroken, match="c19 and 480 more"):
        check_columns("file.csv", present, contract)
