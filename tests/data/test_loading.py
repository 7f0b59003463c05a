"""A load keeps what is sound, sets aside what is broken, and accounts for every row."""

import hashlib
from pathlib import Path

import pytest

from data.errors import ConfigurationError, ContractBroken, SourceError, UnknownTable
from data.loading import load
from data.simulation import simulate
from data.sources import open_source
from tests.data.small_bank import HEADERS, SmallBank, account, bookings

BOOKED = "2024-02-01T10:00:00,2024-02-02"


def test_a_file_with_broken_rows_loads_its_good_rows(bank: SmallBank) -> None:
    """F01"""
    bank.csv(
        "transactions",
        f"T1,A1,{BOOKED},-12.50,card,groceries,false,",
        f"T2,A1,{BOOKED},twelve,card,groceries,false,",  # an amount in words
        f"T3,A1,{BOOKED},-1.00,card,groceries",  # short
        f"T4,A1,{BOOKED},-1.00,card,groceries,false,,",  # long
        f'T5,A1,{BOOKED},-1.00,card,groceries,false,"Shop',  # quote never closed
        f"T6,A1,{BOOKED},2000.00,branch,cash_in,false,",
    )
    loaded = bank.load()
    assert account(loaded, "transactions.csv") == (6, 2, 4, 0)
    assert bank.rows("SELECT transaction_id, amount FROM transactions") == [
        ("T1", -1250),
        ("T6", 200000),
    ]


def test_a_reject_says_file_line_column_and_reason(bank: SmallBank) -> None:
    """F01"""
    bank.csv("transactions", *bookings([1]), f"T2,A1,{BOOKED},-1.00,card,beer,false,")
    bank.load()
    (found,) = bank.rejects
    assert found == ("transactions.csv", 3, "category", "not one of the listed values")


def test_a_reject_keeps_the_digest_of_the_raw_line_and_not_the_line(bank: SmallBank) -> None:
    """F01"""
    broken = f"T2,A1,{BOOKED},1.234,card,groceries,false,"
    orphan = f"T3,A9,{BOOKED},1.00,card,groceries,false,"
    bank.csv("transactions", *bookings([1]), broken, orphan)
    bank.load()
    (batch,) = bank.warehouse.manifest.rejects
    path = str(bank.warehouse.folder / batch.file)
    digests = bank.rows(f"SELECT sha256 FROM '{path}' ORDER BY line")
    assert digests == [(hashlib.sha256(text.encode()).hexdigest(),) for text in (broken, orphan)]


def test_a_row_with_two_faults_is_one_rejected_row_with_two_reasons(bank: SmallBank) -> None:
    """F01"""
    bank.csv("transactions", *bookings([1]), f"T2,A1,{BOOKED},abc,card,beer,false,")
    assert account(bank.load(), "transactions.csv") == (2, 1, 1, 0)
    assert [column for _, _, column, _ in bank.rejects] == ["amount", "category"]


def test_the_five_lines_that_a_guessing_reader_takes_for_none(bank: SmallBank) -> None:
    """F01"""
    bank.csv(
        "customers",
        'C1,2024-01-01,2024-01-01,"Ann',  # never closed
        "C2,2024-01-01,2024-01-01,Bob",
        "C3,2024-01-01,2024-01-01,Cai",
        "C4,2024-01-01,2024-01-01,Dee",
        "C5,2024-01-01,2024-01-01,Eve",
    )
    assert account(bank.load(), "customers.csv") == (5, 4, 1, 0)


def test_the_same_file_twice_is_all_duplicates_and_changes_nothing(bank: SmallBank) -> None:
    """F02"""
    bank.csv("transactions", *bookings(range(5)))
    first = bank.load()
    second = bank.load()
    assert account(second, "transactions.csv") == (5, 0, 0, 5)
    assert second.manifest == first.manifest
    assert bank.rows("SELECT count(*) FROM transactions") == [(5,)]


def test_a_broken_file_twice_is_rejected_twice_and_recorded_once(bank: SmallBank) -> None:
    bank.csv("transactions", *bookings([1, 2]), "T3,A1")
    first = bank.load()
    second = bank.load()
    assert account(second, "transactions.csv") == (3, 0, 1, 2)
    assert second.manifest == first.manifest
    assert len(bank.rejects) == 1


def test_a_row_said_twice_in_a_file_is_kept_once(bank: SmallBank) -> None:
    """F02"""
    bank.csv("transactions", *bookings([1, 2, 1, 1]))
    assert account(bank.load(), "transactions.csv") == (4, 2, 0, 2)


def test_a_row_said_again_in_a_later_delivery_is_kept_once(bank: SmallBank) -> None:
    """F02"""
    bank.csv("transactions", *bookings([1, 2]))
    bank.load()
    bank.csv("transactions", *bookings([2, 3]))
    assert account(bank.load(), "transactions.csv") == (2, 1, 0, 1)
    assert bank.rows("SELECT count(*) FROM transactions") == [(3,)]


def test_a_booking_on_an_account_nobody_has_is_rejected(bank: SmallBank) -> None:
    bank.csv("transactions", *bookings([1]), f"T2,A9,{BOOKED},-1.00,card,groceries,false,")
    assert account(bank.load(), "transactions.csv") == (2, 1, 1, 0)
    assert bank.rejects == [("transactions.csv", 3, "account_id", "no such row in accounts")]


def test_what_hangs_on_a_rejected_row_is_rejected_with_it(bank: SmallBank) -> None:
    bank.csv("accounts", "A1,C1,P1,2024-01-01,2024-01-01,TWD", "A2,C9,P1,2024-01-01,2024-01-01,TWD")
    bank.csv("transactions", *bookings([1]), f"T2,A2,{BOOKED},-1.00,card,groceries,false,")
    loaded = bank.load()
    assert account(loaded, "accounts.csv") == (2, 1, 1, 0)
    assert account(loaded, "transactions.csv") == (2, 1, 1, 0)


def test_an_outcome_without_any_loans_is_an_orphan_and_no_crash(bank: SmallBank) -> None:
    bank.csv("loan_outcomes", "L1,2024-02-01,2024-02-01,repaid,")
    assert account(bank.load(), "loan_outcomes.csv") == (1, 0, 1, 0)


def test_an_orphan_is_taken_in_once_its_account_has_come(bank: SmallBank) -> None:
    bank.csv("transactions", *bookings([1]), f"T2,A9,{BOOKED},-1.00,card,groceries,false,")
    bank.load()
    bank.csv("accounts", "A9,C2,P1,2024-01-01,2024-01-01,TWD")
    assert account(bank.load(), "transactions.csv") == (2, 1, 0, 1)


def test_a_fact_dated_after_the_delivery_is_rejected(bank: SmallBank) -> None:
    """F06"""
    bank.csv(
        "transactions",
        "T1,A1,2024-06-30T10:00:00,2024-07-01,-1.00,card,groceries,false,",
        "T2,A1,2024-07-02T10:00:00,2024-07-02,-1.00,card,groceries,false,",  # tomorrow
        "T3,A1,2024-06-30T10:00:00,2042-06-30,-1.00,card,groceries,false,",  # known in 2042
    )
    assert account(bank.load(), "transactions.csv") == (3, 1, 2, 0)
    assert {column for _, _, column, _ in bank.rejects} == {"event_at", "known_at"}


def test_a_fact_known_before_it_happened_is_rejected(bank: SmallBank) -> None:
    bank.csv("transactions", "T1,A1,2024-02-02,2024-02-01,-1.00,card,groceries,false,")
    bank.load()
    assert bank.rejects == [("transactions.csv", 2, "known_at", "known before it happened")]


def test_too_many_broken_rows_refuse_the_file_and_lose_nothing(bank: SmallBank) -> None:
    """F01"""
    before = bank.load().manifest
    bank.csv("transactions", *bookings([1]), "T2,A1", "T3,A1")
    with pytest.raises(ContractBroken, match=r"transactions.csv: 2 of 3 rows.*limit of 50%") as why:
        bank.load(reject_limit=0.5)
    assert bank.warehouse.manifest.digest == before
    kept = str(why.value).split("reasons are in ")[1].split(".parquet")[0] + ".parquet"
    assert bank.rows(f"SELECT line FROM '{kept}'") == [(3,), (4,)]


def test_the_limit_itself_may_be_reached(bank: SmallBank) -> None:
    bank.csv("transactions", *bookings([1]), "T2,A1")
    assert account(bank.load(reject_limit=0.5), "transactions.csv") == (2, 1, 1, 0)


def test_the_refusal_quotes_a_row_of_the_refused_file(bank: SmallBank) -> None:
    bank.csv("customers", "C1,2024-01-01,2024-01-01,", "C2,2024-01-01,2024-01-01,", "C3")
    bank.csv("transactions", "T1,A1")
    with pytest.raises(ContractBroken, match=r"First: transactions.csv line 2: 2 fields"):
        bank.load(reject_limit=0.5)


def test_columns_may_stand_in_any_order_with_the_same_result(tmp_path: Path) -> None:
    """F04"""
    digests = []
    for number, order in enumerate(((0, 1, 2, 3), (3, 1, 0, 2), (2, 3, 1, 0))):
        bank = SmallBank(tmp_path / str(number))
        rows = (HEADERS["customers"], "C1,2024-01-01,2024-01-02,Ann", "C2,2024-01-01,2024-01-03,Bo")
        header, *facts = [",".join(row.split(",")[place] for place in order) for row in rows]
        bank.csv("customers", *facts, header=header)
        bank.load()
        digests.append(bank.warehouse.manifest.of("customers"))
    assert digests[0] == digests[1] == digests[2]


def test_a_column_nobody_asked_for_is_ignored_with_a_note(bank: SmallBank) -> None:
    """F04"""
    bank.csv("products", "P1,current,,,blue", header=HEADERS["products"] + ",colour")
    assert "products.csv: columns not used: colour" in bank.load().warnings


def test_a_missing_column_refuses_the_file_and_says_what_there_is(bank: SmallBank) -> None:
    """F04"""
    bank.csv("products", "P1,current", header="product,family")
    with pytest.raises(ContractBroken, match=r"lacks the column.* product_id .*product, family"):
        bank.load()
    assert not bank.warehouse.manifest.batches


def test_a_column_that_changed_its_type_refuses_the_file(bank: SmallBank) -> None:
    """F04"""
    bank.csv("balances", *(f"A1,2024-02-0{d},2024-02-0{d},EUR {d}" for d in range(1, 9)))
    with pytest.raises(ContractBroken, match=r"8 of 8 rows are broken.*column ledger_balance"):
        bank.load(reject_limit=0.5)


def test_an_unknown_table_is_refused_with_the_names_of_the_known(bank: SmallBank) -> None:
    bank.csv("cheques", "1", header="cheque_id")
    with pytest.raises(UnknownTable, match=r"'cheques'. The tables are: customers, products"):
        bank.load()


def test_a_folder_without_a_required_table_is_refused(bank: SmallBank) -> None:
    (bank.folder / "accounts.csv").unlink()
    with pytest.raises(SourceError, match=r"lacks the table\(s\) accounts"):
        bank.load()


@pytest.mark.parametrize("name", ["transactions.csv.gz", "transactions.xlsx", "transactions/a.zip"])
def test_a_table_in_a_format_we_do_not_read_is_not_passed_over(bank: SmallBank, name: str) -> None:
    bank.raw(name, b"whatever")
    with pytest.raises(SourceError, match=r"neither .csv nor .parquet"):
        bank.load()


def test_a_table_may_come_in_parts(bank: SmallBank) -> None:
    for part in (1, 2, 3):
        bank.csv("transactions", *bookings([part, part + 10]), file=f"transactions/{part}.csv")
    bank.raw("transactions/_SUCCESS", b"")
    loaded = bank.load()
    assert account(loaded, "transactions/2.csv") == (2, 2, 0, 0)
    assert bank.rows("SELECT transaction_id FROM transactions") == [
        (name,) for name in ("T1", "T11", "T2", "T12", "T3", "T13")
    ]


def test_a_file_without_rows_is_taken_with_a_note(bank: SmallBank) -> None:
    bank.csv("transactions")
    assert "transactions.csv: no rows" in bank.load().warnings


def test_a_file_that_is_still_being_written_is_refused(bank: SmallBank) -> None:
    """F12"""
    path = bank.csv("transactions", *bookings([1]))

    def somebody_writes(step: str, done: int, total: int) -> None:
        if step == "transactions.csv":
            path.write_bytes(path.read_bytes() + b"T2,A1")

    with pytest.raises(SourceError, match="changed while it was read"):
        bank.load(progress=somebody_writes)
    assert not bank.warehouse.manifest.batches


def test_the_files_of_another_bank_are_refused(bank: SmallBank) -> None:
    bank.load()
    other = bank.folder.parent / "other"
    simulate(other, customers=10, months=3, seed=1)
    with pytest.raises(SourceError, match=r"holds 'canonical', not 'simulated'.*--replace"):
        load(open_source("simulated", other), bank.warehouse)


def test_replacing_keeps_the_former_manifest(bank: SmallBank) -> None:
    former = bank.load()
    bank.csv("customers", "C1,2024-01-01,2024-01-01,Ann", "C2,2024-01-01,2024-01-01,Bo")
    latter = bank.load(replace=True)
    kept = {path.stem for path in (bank.warehouse.folder / "manifests").iterdir()}
    assert kept == {former.manifest, latter.manifest}
    assert bank.rows("SELECT name FROM customers ORDER BY 1") == [("Ann",), ("Bo",)]


def test_progress_names_the_files_and_ends_with_writing(bank: SmallBank) -> None:
    steps: list[tuple[str, int, int]] = []
    bank.load(progress=lambda *step: steps.append(step))
    assert steps == [
        ("customers.csv", 0, 3),
        ("products.csv", 1, 3),
        ("accounts.csv", 2, 3),
        ("writing", 3, 3),
    ]


def test_text_that_wants_to_be_more_stays_text(bank: SmallBank) -> None:
    """F14"""
    texts = [
        "=cmd|' /C calc'!A0",
        "+1+1",
        "'; DROP TABLE customers; --",
        "../../etc/passwd",
        "[bold red]",
        "{placeholder}",
        "\u202ereversed",
    ]
    bank.csv("customers", *(f'K{n},2024-01-01,2024-01-01,"{t}"' for n, t in enumerate(texts)))
    bank.load()
    assert [name for (name,) in bank.rows("SELECT name FROM customers")] == texts


def test_text_with_control_characters_is_rejected(bank: SmallBank) -> None:
    """F14"""
    controls = ["\x1b[31m", "\x07", "\x9b31m", "\x7f", "\t"]
    rows = (f"C{n},2024-01-01,2024-01-01,Ann{text}" for n, text in enumerate(controls))
    bank.csv("customers", *rows)
    assert account(bank.load(), "customers.csv") == (5, 0, 5, 0)


def test_a_file_name_is_a_label_and_never_a_path(bank: SmallBank) -> None:
    """F14"""
    name = "transactions/;DROP TABLE x; \x1b[31m$(id).csv"
    bank.csv("transactions", *bookings([1]), "T2", file=name)
    bank.load()
    shown = r"transactions/;DROP TABLE x; \x1b[31m$(id).csv"
    assert bank.rejects[0][0] == shown
    assert bank.warehouse.manifest.files[-1].file == shown
    stored = [path.name for path in (bank.warehouse.folder / "batches").rglob("*.parquet")]
    assert all(len(part) == len("0" * 24 + ".parquet") for part in stored)


def test_a_zone_that_does_not_exist_is_refused(
    bank: SmallBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZHIKE_ZONE", "Asia/Tapei")
    with pytest.raises(ConfigurationError, match="there is no time zone 'Asia/Tapei'"):
        open_source("canonical", bank.folder)


def test_the_business_day_is_the_banks_and_not_utcs(bank: SmallBank) -> None:
    bank.csv(
        "transactions",
        "T1,A1,2024-02-01T23:30:00,2024-02-02,-1.00,card,groceries,false,",  # Taipei, as declared
        "T2,A1,2024-02-01T23:30:00Z,2024-02-02T01:00:00Z,-1.00,card,groceries,false,",
    )
    bank.load()
    days = bank.rows("SELECT DATE '1970-01-01' + event_day FROM transactions")
    assert [day.isoformat()[:10] for (day,) in days] == ["2024-02-01", "2024-02-02"]
