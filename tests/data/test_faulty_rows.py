"""Whatever is done to k rows of a delivery, k rows are set aside and the rest is loaded."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.small_bank import SmallBank, account

Row = list[str]
Fault = Callable[[Row], str]
AMOUNT, EVENT, KNOWN, CHANNEL, COUNTERPARTY = 4, 2, 3, 5, 8


def sound(number: int) -> Row:
    return [
        f"T{number}",
        "A1",
        "2024-02-01T10:00:00",
        "2024-02-02",
        f"-{number}.50",
        "card",
        "groceries",
        "false",
        f"SHOP-{number}",
    ]


def instead(place: int, value: str) -> Fault:
    return lambda row: ",".join([*row[:place], value, *row[place + 1 :]])


FAULTS: dict[str, Fault] = {
    "wrong type": instead(AMOUNT, "twelve"),
    "three decimals": instead(AMOUNT, "12.345"),
    "thousands separator": instead(AMOUNT, '"1,234.50"'),
    "decimal comma": instead(AMOUNT, '"1.234,50"'),
    "accountant's minus": instead(AMOUNT, "(5.00)"),
    "scientific": instead(AMOUNT, "1e30"),
    "not a number": instead(AMOUNT, "NaN"),
    "infinite": instead(AMOUNT, "-Infinity"),
    "no amount": instead(AMOUNT, ""),
    "impossible date": instead(EVENT, "2023-02-29T10:00:00"),
    "24 o'clock": instead(EVENT, "2024-02-01T24:00:00"),
    "American date": instead(EVENT, "02/01/2024"),
    "tomorrow": instead(KNOWN, "2024-07-02"),
    "known too soon": instead(KNOWN, "2024-01-31"),
    "bad code": instead(CHANNEL, "carrier pigeon"),
    "nobody's account": instead(1, "A404"),
    "NUL": instead(COUNTERPARTY, "SHOP\0"),
    "escape sequence": instead(COUNTERPARTY, "\x1b[2J"),
    "unclosed quote": instead(COUNTERPARTY, '"SHOP'),
    "quote within quotes": instead(COUNTERPARTY, '"SH"OP"'),
    "stray delimiter": instead(COUNTERPARTY, "SHOP,1"),
    "short": lambda row: ",".join(row[:-2]),
    "shifted by one": lambda row: ",".join([*row[1:], ""]),
}


@settings(max_examples=20, deadline=None)
@given(faults=st.lists(st.none() | st.sampled_from(sorted(FAULTS)), min_size=1, max_size=40))
def test_rows_in_are_accepted_rejected_or_duplicate(faults: list[str | None]) -> None:
    """F01"""
    rows = [sound(number) for number in range(len(faults))]
    broken = sum(fault is not None for fault in faults)
    with tempfile.TemporaryDirectory() as folder:
        bank = SmallBank(Path(folder))
        written = [
            FAULTS[f](row) if f else ",".join(row) for f, row in zip(faults, rows, strict=True)
        ]
        bank.csv("transactions", *written)
        loaded = bank.load()
        lines = {line for _, line, _, _ in bank.rejects}
    assert account(loaded, "transactions.csv") == (len(rows), len(rows) - broken, broken, 0)
    assert lines == {line for line, fault in enumerate(faults, start=2) if fault}


@settings(max_examples=8, deadline=None)
@given(
    numbers=st.lists(st.integers(0, 9), max_size=30),
    parts=st.integers(1, 3),
)
def test_repeated_rows_count_once_however_they_are_spread(numbers: list[int], parts: int) -> None:
    """F02"""
    with tempfile.TemporaryDirectory() as folder:
        bank = SmallBank(Path(folder))
        for part in range(parts):
            rows = [",".join(sound(number)) for number in numbers[part::parts]]
            bank.csv("transactions", *rows, file=f"transactions/{part}.csv")
        files = [f for f in bank.load().files if f.file.startswith("transactions")]
    assert sum(f.rows_in for f in files) == len(numbers)
    assert sum(f.accepted for f in files) == len(set(numbers))
    assert sum(f.duplicate for f in files) == len(numbers) - len(set(numbers))


def test_every_fault_of_the_grammar_is_one(bank: SmallBank) -> None:
    rows = [fault(sound(number)) for number, fault in enumerate(FAULTS.values())]
    bank.csv("transactions", *rows)
    assert account(bank.load(), "transactions.csv") == (len(rows), 0, len(rows), 0)
