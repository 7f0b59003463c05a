"""The faults a delivery may have, one test or more for each row of the fault matrix."""

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.checking import SKEW
from data.errors import ContractBroken, SourceError
from data.tables import CATEGORIES
from tests.data.small_bank import HEADERS, RECEIVED, SmallBank, account, bookings
from tests.data.test_parquet import NOON, balances, many

CHECKOUT = Path(__file__).resolve().parents[2]
BOOKED = "2024-02-01T10:00:00,2024-02-02"
NAMES = ("王小明", "Ann Lee")


def accepted_moments(bank: SmallBank, *moments: str) -> list[bool]:
    """Whether a booking made and known at each moment is taken."""
    rows = [f"T{n},A1,{at},{at},-1.00,card,dining,false," for n, at in enumerate(moments)]
    bank.csv("transactions", *rows)
    bank.load()
    taken = bank.rows("SELECT transaction_id FROM transactions")
    return [(f"T{n}",) in taken for n in range(len(moments))]


@pytest.mark.parametrize(
    "encoding, refused_at",
    [
        ("utf-8", None),
        ("utf-8-sig", None),
        ("utf-16", "byte 0"),
        ("utf-16-le", "byte 1"),
        ("utf-32-be", "byte 0"),
        ("gb18030", "byte 61"),
        ("big5", "byte 61"),
        ("latin-1", "byte 62"),
    ],
)
def test_a_table_is_read_in_its_declared_encoding_or_refused_by_the_byte(
    bank: SmallBank, encoding: str, refused_at: str | None
) -> None:
    """F05"""
    name = "Jörg" if encoding == "latin-1" else "王小明"
    text = f"{HEADERS['customers']}\r\nC1,2024-01-01,2024-01-01,{name}\nC2,2024-01-01,2024-01-01,\n"
    bank.raw("customers.csv", text.encode(encoding))
    if refused_at:
        with pytest.raises(SourceError, match=rf"customers.csv is .*{refused_at}\b"):
            bank.load()
        assert not bank.warehouse.manifest.batches
    else:
        bank.load()
        assert bank.rows("SELECT name FROM customers ORDER BY customer_id") == [(name,), (None,)]


def test_a_booking_may_be_as_late_as_clocks_differ_and_no_later(bank: SmallBank) -> None:
    """F06"""
    limit = RECEIVED + SKEW
    moments = [limit - timedelta(seconds=1), limit, limit + timedelta(seconds=1)]
    assert accepted_moments(bank, *(f"{m:%Y-%m-%dT%H:%M:%SZ}" for m in moments)) == [
        True,
        True,
        False,
    ]


def test_a_booking_has_a_day_that_was_within_a_banks_lifetime(bank: SmallBank) -> None:
    """F06"""
    days = {
        "0001-01-01": False,
        "1849-12-30": False,
        "1850-01-02": True,
        "1900-02-29": False,  # no leap year
        "1970-01-01": True,
        "2000-02-29": True,
        "2023-02-29": False,
        "2024-02-29": True,
        "2024-06-31": False,
        "9999-12-31": False,
        "2024-02-01T23:59:59": True,
        "2024-02-01T24:00:00": False,
        "2024-02-01T23:59:60": False,
    }
    assert accepted_moments(bank, *days) == list(days.values())


def test_an_hour_that_the_clocks_skipped_never_was(
    bank: SmallBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F06"""
    monkeypatch.setenv("ZHIKE_ZONE", "Europe/Prague")
    hours = {
        "2024-03-31T01:59:59": True,
        "2024-03-31T02:00:00": False,
        "2024-03-31T02:59:59": False,
        "2024-03-31T03:00:00": True,
        "2023-10-29T02:30:00": True,  # there twice
    }
    assert accepted_moments(bank, *hours) == list(hours.values())


@pytest.mark.parametrize(
    "category, signs",
    [
        ("salary", "0+"),
        ("pension", "0+"),
        ("cash_in", "0+"),
        ("transfer_in", "0+"),
        ("write_off", "0+"),
        ("cash_out", "-0"),
        ("transfer_out", "-0"),
        ("groceries", "-0"),
        ("utilities", "-0"),
        ("leasing", "-0"),
        ("correction", "-0+"),
        ("interest", "-0+"),
        ("investment", "-0+"),
        ("card_payment", "-0+"),
        ("fee", "-0+"),
        ("other", "-0+"),
    ],
)
def test_money_goes_the_way_its_category_says(bank: SmallBank, category: str, signs: str) -> None:
    """F07"""
    amounts = {"-": "-0.01", "0": "0.00", "+": "0.01"}
    bank.csv(
        "transactions",
        *(f"T{s},A1,{BOOKED},{a},other,{category},false," for s, a in amounts.items()),
    )
    loaded = bank.load()
    kept = [name[1] for (name,) in bank.rows("SELECT transaction_id FROM transactions")]
    assert kept == list(signs)
    assert account(loaded, "transactions.csv") == (3, len(signs), 3 - len(signs), 0)
    assert all(column == "amount" for _, _, column, _ in bank.rejects)


def test_a_wrong_sign_is_told_with_the_categories_that_have_the_other(bank: SmallBank) -> None:
    """F07"""
    bank.csv("transactions", *bookings([1]), f"T2,A1,{BOOKED},-5.00,other,salary,false,")
    bank.load()
    assert bank.rejects == [
        (
            "transactions.csv",
            3,
            "amount",
            "negative where the category is salary, pension, cash_in, transfer_in, write_off",
        )
    ]


def test_amounts_of_every_category_are_kept_to_the_cent_or_refused(bank: SmallBank) -> None:
    """F07"""
    bad = ["1,234.50", "1.234,50", "(5.00)", "1e30", "NaN", "Inf", "0.001", "1" + "0" * 15]
    rows = [
        f'T{n}-{m},A1,{BOOKED},"{text}",other,{category},false,'
        for n, category in enumerate(CATEGORIES)
        for m, text in enumerate(bad)
    ]
    bank.csv("transactions", *rows)
    assert account(bank.load(), "transactions.csv") == (len(rows), 0, len(rows), 0)


def damage(bank: SmallBank, rounds: int) -> list[str]:
    """What is said of a vouched-for file when one bit of it is another, round by round."""
    path = bank.parquet("transactions", many(500), write_page_checksum=True)
    bank.vouch()
    whole, lots, said = path.read_bytes(), random.Random(8), []
    for _ in range(rounds):
        damaged = bytearray(whole)
        damaged[lots.randrange(len(whole))] ^= 1 << lots.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(SourceError) as refusal:
            bank.load()
        said.append(str(refusal.value))
    return said


@pytest.mark.parametrize(
    "rounds", [pytest.param(10, id="few"), pytest.param(200, id="many", marks=pytest.mark.slow)]
)
def test_a_flipped_bit_in_a_file_that_was_vouched_for_is_always_refused(
    bank: SmallBank, rounds: int
) -> None:
    """F08"""
    said = damage(bank, rounds)
    assert [text for text in said if "transactions.parquet is damaged" in text] == said
    assert not bank.warehouse.manifest.batches


@pytest.mark.parametrize(
    "step", [pytest.param(20_000, id="few"), pytest.param(1_024, id="many", marks=pytest.mark.slow)]
)
def test_a_cut_file_is_refused_before_a_row_is_visible(bank: SmallBank, step: int) -> None:
    """F08"""
    path = bank.parquet("transactions", many(3_000), compression="none", row_group_size=1_000)
    whole = path.read_bytes()
    for cut in range(0, len(whole), step):
        path.write_bytes(whole[:cut])
        with pytest.raises(SourceError, match=r"transactions.parquet is not a whole Parquet file"):
            bank.load()
    assert not bank.warehouse.manifest.batches


@pytest.mark.parametrize(
    "header", ["", "\n", HEADERS["transactions"] + "\n"], ids=["empty", "blank", "header only"]
)
def test_a_text_file_without_rows_hides_nothing(bank: SmallBank, header: str) -> None:
    """F08"""
    bank.raw("transactions.csv", header.encode())
    if header.strip():
        assert "transactions.csv: no rows" in bank.load().warnings
    else:
        with pytest.raises(ContractBroken, match=r"transactions.csv is empty"):
            bank.load()


def repeated(text: str, rows: int) -> "pa.Array[Any]":
    """A text so many times, kept once."""
    return pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([text]))


def test_a_small_file_that_unpacks_to_gigabytes_is_never_unpacked(bank: SmallBank) -> None:
    """F11: 10,000 times a megabyte."""
    rows = 10_000
    moments = pa.array([NOON] * rows, pa.timestamp("us", "UTC"))
    huge = balances().schema.empty_table().to_pydict() | {
        "account_id": repeated("x" * 1_000_000, rows),
        "event_at": moments,
        "known_at": moments,
        "ledger_balance": pa.array([1] * rows),
    }
    path = bank.parquet("balances", pa.table(huge), compression="zstd")
    assert path.stat().st_size < 100_000
    assert account(bank.load(), "balances.parquet") == (rows, 0, rows, 0)


def test_more_rows_than_a_file_of_its_size_can_hold_are_refused(bank: SmallBank) -> None:
    """F11"""
    rows = 2_000_000
    same = {name: repeated("A1", rows) for name in ("account_id", "event_at", "known_at")}
    bank.parquet("balances", pa.table({**same, "ledger_balance": repeated("1", rows)}))
    with pytest.raises(ContractBroken, match=r"balances.parquet has 2,000,000 rows in"):
        bank.load()


def test_a_column_that_unpacks_to_more_than_memory_holds_is_refused(bank: SmallBank) -> None:
    """F11"""
    path = bank.folder / "balances.parquet"
    texts = pa.array(["x" * 60_000_000])
    row = pa.table(
        {"account_id": texts, "event_at": [""], "known_at": [""], "ledger_balance": [""]}
    )
    rows = pa.concat_tables([row] * 10)
    pq.write_table(rows, path, compression="zstd", use_dictionary=False, write_statistics=False)
    assert path.stat().st_size < 1_000_000
    with pytest.raises(ContractBroken, match=r"column account_id unpacks to 600,000,\d+ bytes"):
        bank.load()


@pytest.mark.parametrize("packing", ["DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"])
def test_a_packing_that_hides_its_size_is_refused(bank: SmallBank, packing: str) -> None:
    """F11"""
    bank.parquet(
        "balances", balances(), use_dictionary=False, column_encoding={"account_id": packing}
    )
    with pytest.raises(ContractBroken, match="column account_id has a delta encoding of text"):
        bank.load()


def test_a_column_of_lists_is_refused_unread(bank: SmallBank) -> None:
    """F11"""
    bank.parquet("balances", balances(account_id=[["A1"], ["A2"]]))
    with pytest.raises(ContractBroken, match=r"column account_id has the type list"):
        bank.load()


def test_too_wide_and_too_long_is_refused(bank: SmallBank) -> None:
    """F11"""
    bank.csv(
        "transactions", *bookings([1]), f"T2,A1,{BOOKED},-1.00,card,dining,false," + "x" * 2_000_000
    )
    assert account(bank.load(), "transactions.csv") == (2, 1, 1, 0)
    assert bank.rejects[0][3] == "line longer than 1,000,000 characters"
    bank.parquet("balances", balances(**{f"c{n}": [1, 1] for n in range(1_000)}))
    with pytest.raises(ContractBroken, match="more than 1,000"):
        bank.load()


@pytest.mark.slow
def test_a_file_larger_than_memory_is_loaded_within_two_gigabytes(bank: SmallBank) -> None:
    """F11: the address space ends at 2 GB, as if the machine had no more."""
    rows, path = 2_000_000, bank.folder / "transactions.csv"
    with path.open("w") as file:
        file.write(HEADERS["transactions"] + "\n")
        for number in range(rows):
            shop = "SHOP" if number % 100 else "x" * 300  # one in a hundred is too long
            file.write(f"T{number},A1,{BOOKED},-{number}.50,card,groceries,false,{shop}\n")
    script = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
from pathlib import Path
from data.loading import load
from data.sources import open_source
from data.warehouse import Warehouse
loaded = load(open_source("canonical", Path(sys.argv[1])), Warehouse(Path(sys.argv[2])), reject_limit=1)
file = next(f for f in loaded.files if f.file == "transactions.csv")
print(file.rows_in, file.accepted, file.rejected, file.duplicate)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, bank.folder, bank.warehouse.folder],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    )
    assert (done.stderr[-2_000:], done.stdout.split()) == (
        "",
        ["2000000", "1980000", "20000", "0"],
    )


def test_a_file_that_the_list_leaves_out_is_still_under_way(bank: SmallBank) -> None:
    """F12"""
    bank.vouch()
    assert bank.load().rows["customers"] == 2
    bank.csv("transactions", *bookings([1]), file="transactions/1.csv")
    with pytest.raises(SourceError, match=r"SHA256SUMS does not list transactions/1.csv"):
        bank.load()
    bank.vouch()
    assert account(bank.load(), "transactions/1.csv") == (1, 1, 0, 0)


def appended(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"T9,A1")


def replaced(path: Path) -> None:
    other = path.with_name("_next")
    shutil.copy2(path, other)
    other.replace(path)


def altered_in_place(path: Path) -> None:
    """Another byte, with inode, size and time of change as they were."""
    before = path.stat()
    path.write_bytes(path.read_bytes().replace(b"-1.50", b"-9.50"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def removed(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("meddled", [appended, replaced, altered_in_place, removed])
def test_a_file_that_is_not_the_same_at_the_end_is_refused(
    bank: SmallBank, meddled: Callable[[Path], None]
) -> None:
    """F12"""
    path = bank.csv("transactions", *bookings([1]))

    def somebody_meddles(step: str, done: int, total: int) -> None:
        if step == "writing":
            meddled(path)

    with pytest.raises((SourceError, OSError), match=r"transactions.csv"):
        bank.load(progress=somebody_meddles)
    assert not bank.warehouse.manifest.batches


def daily(bank: SmallBank, *days: int) -> None:
    """Deliver bookings of some days of February, each day in its file."""
    for day in days:
        at = f"2024-02-{day:02}"
        row = f"T{day},A1,{at}T10:00:00,{at}T10:00:00,-1.00,card,groceries,false,"
        bank.csv("transactions", row, file=f"transactions/{at}.csv")


def told(bank: SmallBank) -> list[str]:
    """What another load says of the transactions."""
    return [warning for warning in bank.load().warnings if warning.startswith("transactions")]


def test_a_missing_day_is_told_and_kept_in_mind_until_it_comes(bank: SmallBank) -> None:
    """F13: day 3 of 5 is dropped."""
    daily(bank, 1, 2, 4, 5)
    assert told(bank) == ["transactions: no file for 2024-02-03"]
    assert [(g.table, str(g.day)) for g in bank.warehouse.manifest.gaps] == [
        ("transactions", "2024-02-03")
    ]
    assert told(bank) == ["transactions: no file for 2024-02-03"]  # and again
    daily(bank, 3)
    late = "transactions: 2024-02-03 came after a later day; what was built in between lacks it"
    assert told(bank) == [late]
    manifest = bank.warehouse.manifest
    assert manifest.gaps == ()
    assert [str(day.day) for day in manifest.late] == ["2024-02-03"]


def test_a_day_that_comes_after_a_later_one_is_told_once(bank: SmallBank) -> None:
    """F13: day 2 comes after day 4."""
    daily(bank, 1, 3, 4)
    bank.load()
    daily(bank, 2)
    assert [text[:48] for text in told(bank)] == [
        "transactions: 2024-02-02 came after a later day;"
    ]
    digest = bank.warehouse.manifest.digest
    assert told(bank) == []
    assert bank.warehouse.manifest.digest == digest


def test_a_day_without_bookings_is_no_missing_day(bank: SmallBank) -> None:
    """F13"""
    daily(bank, 1, 3)
    bank.load()
    bank.csv("transactions", file="transactions/2024-02-02.csv")
    bank.load()
    assert bank.warehouse.manifest.gaps == ()


def test_files_that_are_not_named_after_days_have_no_gaps(bank: SmallBank) -> None:
    """F13"""
    for name in ("1", "2024-02-30", "2024-02"):
        bank.csv("transactions", *bookings([1]), file=f"transactions/{name}.csv")
    assert told(bank) == []
    assert bank.warehouse.manifest.gaps == ()


HOSTILE = (
    "=cmd|' /C calc'!A0",
    "@SUM(1+1)",
    "'; DROP TABLE customers; --",
    "../../etc/passwd",
    "{{7*7}}",
    "[link=file:///]x[/link]",
    "\u202egnp.exe",
)


def test_hostile_text_is_stored_as_it_came_and_obeyed_by_nobody(bank: SmallBank) -> None:
    """F14"""
    quoted = [text.replace('"', '""') for text in HOSTILE]
    rows = [f'H{n},2024-01-01,2024-01-01,"{text}"' for n, text in enumerate(quoted)]
    bank.csv("customers", *rows, "H9,2024-01-01,2024-01-01,\x1b]0;title\x07")
    bank.load()
    assert [name for (name,) in bank.rows("SELECT name FROM customers")] == list(HOSTILE)
    assert [line for _, line, _, _ in bank.rejects if line == len(HOSTILE) + 2]
