"""A Parquet delivery is whole or refused; its types carry money to the cent or are refused."""

import random
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.errors import ContractBroken, SourceError
from data.reading import chunks_of
from data.sources.source import Delivery
from data.tables import table
from tests.data.small_bank import SmallBank, account

NOON = datetime(2024, 2, 1, 4, tzinfo=UTC)  # in Taipei


def balances(**other: Any) -> pa.Table:
    columns: dict[str, Any] = {
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
            "amount": pa.array([-Decimal(n) / 100 for n in numbers], pa.decimal128(12, 2)),
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
    with pytest.raises(
        ContractBroken, match=rf"{path}.*ledger_balance.*double.*cannot carry money"
    ):
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
    with pytest.raises(ContractBroken, match=r"lacks the column.* known_at"):
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
    """F08"""
    bank.raw("balances.parquet", content)
    with pytest.raises(SourceError, match="is not a whole Parquet file"):
        bank.load()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file of several pages with checksums."""
    path = tmp_path_factory.mktemp("sound") / "transactions.parquet"
    pq.write_table(many(3_000), path, write_page_checksum=True, data_page_size=4_096)
    return path.read_bytes()


def rows_of(path: Path, content: bytes) -> pa.Table | None:
    """What would be loaded of such a file; None where it is refused."""
    path.write_bytes(content)
    try:
        chunks = list(chunks_of(Delivery(path, table("transactions"))))
    except SourceError:
        return None
    return pa.concat_tables(chunk.rows for chunk in chunks)


def test_a_file_cut_anywhere_is_refused(tmp_path: Path, whole: bytes) -> None:
    """F08"""
    path = tmp_path / "transactions.parquet"
    assert rows_of(path, whole) is not None
    cuts = [*range(0, len(whole), 1_024), len(whole) - 1]
    assert [rows_of(path, whole[:cut]) for cut in cuts] == [None] * len(cuts)


def test_a_flipped_bit_in_the_data_is_never_other_data(tmp_path: Path, whole: bytes) -> None:
    """F08"""
    path, lots = tmp_path / "transactions.parquet", random.Random(1)
    sound = rows_of(path, whole)
    footer = int.from_bytes(whole[-8:-4], "little") + 8
    refused = 0
    for _ in range(200):
        damaged = bytearray(whole)
        damaged[lots.randrange(4, len(whole) - footer)] ^= 1 << lots.randrange(8)
        found = rows_of(path, bytes(damaged))
        assert found is None or found == sound  # a statistic in a page's header may be anything
        refused += found is None
    assert refused > 190


def test_a_damaged_file_refuses_the_load_before_a_row_is_visible(
    bank: SmallBank, whole: bytes
) -> None:
    """F08"""
    bank.raw("transactions.parquet", whole[:9_000] + b"?" + whole[9_001:])
    with pytest.raises(SourceError, match=r"transactions.parquet is not a whole Parquet file"):
        bank.load()
    assert not bank.warehouse.manifest.batches


def test_what_the_sender_vouches_for_must_arrive(bank: SmallBank, whole: bytes) -> None:
    """F08"""
    path = bank.raw("transactions.parquet", whole)
    bank.vouch()
    assert account(bank.load(), "transactions.parquet")[1] == 3_000
    path.write_bytes(whole[:-500] + bytes([whole[-500] ^ 1]) + whole[-499:])  # in the footer
    with pytest.raises(SourceError, match=r"transactions.parquet is damaged"):
        bank.load()


def test_a_file_that_the_sender_lists_must_be_there(bank: SmallBank) -> None:
    """F12"""
    bank.raw("SHA256SUMS", b"0" * 64 + b"  balances.parquet\n")
    with pytest.raises(SourceError, match=r"lacks balances.parquet, which its SHA256SUMS lists"):
        bank.load()


def test_sums_that_are_none_are_refused(bank: SmallBank) -> None:
    bank.raw("SHA256SUMS", b"\xff\xfe nonsense\n")
    with pytest.raises(SourceError, match="as sha256sum writes it"):
        bank.load()
