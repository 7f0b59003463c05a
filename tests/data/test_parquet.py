"""A Parquet delivery is whole or refused; its types carry money to the cent or are refused."""

import random
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from data.errors import ContractBroken, SourceError
from tests.data.small_bank import SmallBank, account

NOON = datetime(2024, 2, 1, 4, tzinfo=UTC)  # in Taipei


def balances(**other: Any) -> pa.Table:
    columns = {
        "account_id": ["A1", "A2"],
        "event_at": pa.array([NOON, NOON], pa.timestamp("us", "UTC")),
        "known_at": pa.array([NOON, NOON], pa.timestamp("us", "UTC")),
        "ledger_balance": pa.array([Decimal("10.50"), Decimal("-3.00")], pa.decimal128(12, 2)),
    }
    return pa.table(columns | other)


def many(count: int) -> pa.Table:
    """So many bookings of A1."""
    numbers = range(count)
    return pa.table(
        {
            "transaction_id": [f"T{n}" for n in numbers],
            "account_id": ["A1"] * count,
            "event_at": pa.array([NOON] * count, pa.timestamp("us", "UTC")),
            "known_at": pa.array([NOON] * count, pa.timestamp("us", "UTC")),
            "amount": pa.array([Decimal(n) / 100 for n in numbers], pa.decimal128(12, 2)),
            "channel": pa.array(["card"] * count).dictionary_encode(),
            "category": ["dining"] * count,
            "automatic": [False] * count,
        }
    )


def test_typed_columns_load_as_they_are(bank: SmallBank) -> None:
    bank.parquet("balances", balances())
    assert account(bank.load(), "balances.parquet") == (2, 2, 0, 0)
    assert bank.rows("SELECT account_id, ledger_balance FROM balances") == [
        ("A1", 1050),
        ("A2", -300),
    ]


def test_text_columns_load_as_a_text_file_would(bank: SmallBank) -> None:
    bank.parquet("balances", balances(ledger_balance=["10.50", "1.234"]))
    assert account(bank.load(), "balances.parquet") == (2, 1, 1, 0)
    assert bank.rejects[0][:3] == ("balances.parquet", 2, "ledger_balance")


def test_money_as_a_float_refuses_the_file(bank: SmallBank) -> None:
    path = bank.parquet("balances", balances(ledger_balance=[10.5, -3.0]))
    with pytest.raises(ContractBroken, match=f"{path}.*ledger_balance.*double.*cannot carry money"):
        bank.load()
    assert not bank.warehouse.manifest.batches


def test_the_same_rows_as_text_and_as_parquet_are_duplicates(bank: SmallBank) -> None:
    bank.parquet("balances", balances())
    bank.csv("balances", "A1,2024-02-01T12:00:00,2024-02-01T12:00:00,10.50")
    loaded = bank.load()
    assert account(loaded, "balances.csv") == (1, 1, 0, 0)
    assert account(loaded, "balances.parquet") == (2, 1, 0, 1)


def test_a_broken_row_is_found_by_its_place_in_the_file(bank: SmallBank) -> None:
    rows = many(1_000).to_pydict()
    rows["category"][776] = "beer"
    bank.parquet("transactions", pa.table(rows).cast(many(1).schema), row_group_size=100)
    assert account(bank.load(), "transactions.parquet") == (1_000, 999, 1, 0)
    assert bank.rejects[0][:3] == ("transactions.parquet", 777, "category")


def test_categories_as_dictionaries_are_text(bank: SmallBank) -> None:
    bank.parquet("transactions", many(10))
    assert account(bank.load(), "transactions.parquet") == (10, 10, 0, 0)


def test_text_that_is_no_text_refuses_the_file(bank: SmallBank) -> None:
    raw = pa.array([b"A1", b"A\xff"], pa.binary()).view(pa.string())
    bank.parquet("balances", balances(account_id=raw))
    with pytest.raises(SourceError, match="Invalid UTF8"):
        bank.load()


def test_a_missing_column_is_named(bank: SmallBank) -> None:
    bank.parquet("balances", balances().drop_columns(["known_at"]))
    with pytest.raises(ContractBroken, match="lacks the column.* known_at"):
        bank.load()


def test_a_column_twice_is_refused(bank: SmallBank) -> None:
    twice = balances().append_column("account_id", balances()["account_id"])
    bank.parquet("balances", twice)
    with pytest.raises(ContractBroken, match="names a column twice"):
        bank.load()


def test_a_file_without_rows_is_no_fault(bank: SmallBank) -> None:
    bank.parquet("balances", balances().slice(0, 0))
    assert account(bank.load(), "balances.parquet") == (0, 0, 0, 0)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"account_id,event_at\n", b"PAR1" * 100])
def test_what_is_no_parquet_file_is_refused(bank: SmallBank, content: bytes) -> None:
    bank.raw("balances.parquet", content)
    with pytest.raises(SourceError, match="is not a whole Parquet file"):
        bank.load()


def delivered(folder: Path) -> tuple[SmallBank, Path, bytes]:
    """A bank whose bookings are in a file of several pages with checksums."""
    bank = SmallBank(folder)
    path = bank.parquet(
        "transactions", many(5_000), write_page_checksum=True, data_page_size=4_096
    )
    return bank, path, path.read_bytes()


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    bank, path, whole = delivered(tmp_path)
    for length in range(0, len(whole), 1_024):
        path.write_bytes(whole[:length])
        with pytest.raises(SourceError, match="is not a whole Parquet file"):
            bank.load()
    assert not bank.warehouse.manifest.batches


def test_a_flipped_bit_in_the_data_is_refused_before_a_row_is_visible(tmp_path: Path) -> None:
    bank, path, whole = delivered(tmp_path)
    footer = int.from_bytes(whole[-8:-4], "little") + 8
    lots = random.Random(1)
    for _ in range(40):
        place = lots.randrange(4, len(whole) - footer)
        damaged = bytearray(whole)
        damaged[place] ^= 1 << lots.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(SourceError):
            bank.load()
    assert not bank.warehouse.manifest.batches
