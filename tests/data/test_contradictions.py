"""F03: what is kept of rows that contradict each other depends on the rows, not on their order."""

from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.data.small_bank import HEADERS, SmallBank, account, bookings

OUTVOTED = "another row has the same key and says otherwise"
OUTDATED = "another row has the same key, says otherwise and was known later"


def booking(amount: int, *, number: int = 1, known: int = 2, account: str = "A1") -> str:
    """What a file says of a booking, known on a day of February."""
    happened = "2024-02-01T10:00:00"
    return f"T{number},{account},{happened},2024-02-{known:02},-{amount}.00,card,groceries,false,"


def loaded(folder: Path, *deliveries: tuple[str, ...]) -> SmallBank:
    """A bank to which transactions came in so many loads, one after the other."""
    bank = SmallBank(folder)
    for rows in deliveries:
        bank.csv("transactions", *rows)
        bank.load()
    return bank


def visible(bank: SmallBank, table: str = "transactions") -> list[tuple[Any, ...]]:
    return sorted(bank.rows(f"SELECT COLUMNS(*)::VARCHAR FROM {table}"), key=str)


def set_aside(bank: SmallBank) -> list[tuple[Any, ...]]:
    """Contents of the bookings that are out of sight but heard when their key comes again."""
    files = [str(bank.warehouse.folder / batch.file) for batch in bank.warehouse.manifest.aside]
    query = f"SELECT COLUMNS(*)::VARCHAR FROM read_parquet({files})"
    return sorted(bank.rows(query), key=str) if files else []


def reconciled(bank: SmallBank) -> bool:
    """Whether all that was accepted and not withdrawn is there."""
    manifest = bank.warehouse.manifest
    accepted = sum(file.accepted for file in manifest.files)
    withdrawn = sum(withdrawal.rows for withdrawal in manifest.withdrawn)
    return accepted - withdrawn == sum(batch.rows for batch in manifest.batches)


def test_a_contradiction_leaves_neither_row_whichever_was_loaded_first(tmp_path: Path) -> None:
    said, otherwise = booking(1), booking(2)
    one_way = loaded(tmp_path / "a", (said, *bookings([7])), (otherwise,))
    other_way = loaded(tmp_path / "b", (otherwise, *bookings([7])), (said,))
    at_once = loaded(tmp_path / "c", (said, otherwise, *bookings([7])))
    assert visible(one_way) == visible(other_way) == visible(at_once)
    assert one_way.rows("SELECT transaction_id FROM transactions") == [("T7",)]
    assert set_aside(one_way) == set_aside(other_way) == set_aside(at_once)
    assert len(set_aside(one_way)) == 2


def test_the_row_known_last_is_kept_whichever_was_loaded_first(tmp_path: Path) -> None:
    first, corrected = booking(1, known=2), booking(2, known=5)
    banks = [
        loaded(tmp_path / "a", (first,), (corrected,)),
        loaded(tmp_path / "b", (corrected,), (first,)),
        loaded(tmp_path / "c", (first, corrected)),
        loaded(tmp_path / "d", (corrected, first)),
    ]
    assert [bank.rows("SELECT amount FROM transactions") for bank in banks] == [[(-200,)]] * 4
    assert {str(visible(bank)) for bank in banks} == {str(visible(banks[0]))}
    assert {str(set_aside(bank)) for bank in banks} == {str(set_aside(banks[0]))}


def test_a_withdrawn_row_stands_in_the_reconciliation_and_among_the_rejects(
    bank: SmallBank,
) -> None:
    bank.csv("transactions", *bookings([7]), booking(1))
    bank.load()
    (before,) = bank.warehouse.manifest.of("transactions")
    bank.csv("transactions", booking(2), *bookings([8]))
    second = bank.load()
    assert account(second, "transactions.csv") == (2, 1, 1, 0)
    assert second.withdrawn == {"transactions": 1}
    assert second.rows["transactions"] == 2
    assert reconciled(bank)
    assert sorted(bank.rejects) == [
        (before.file, 2, "transaction_id", f"withdrawn: {OUTVOTED}"),
        ("transactions.csv", 2, "transaction_id", OUTVOTED),
    ]


def test_a_withdrawal_changes_the_manifest_and_no_batch(bank: SmallBank) -> None:
    bank.csv("transactions", *bookings([7]), booking(1))
    former = bank.load().manifest
    held = {path: path.read_bytes() for path in bank.warehouse.folder.rglob("*.parquet")}
    bank.csv("transactions", booking(2))
    assert bank.load().manifest != former
    assert {path: path.read_bytes() for path in held} == held


def test_what_was_set_aside_is_not_accepted_when_it_comes_again(tmp_path: Path) -> None:
    said, otherwise = booking(1), booking(2)
    bank = loaded(tmp_path, (said, *bookings([7])), (otherwise,))
    bank.csv("transactions", said)
    again = bank.load()
    assert account(again, "transactions.csv") == (1, 0, 1, 0)
    assert bank.load().manifest == again.manifest  # nothing new the second time
    assert bank.rows("SELECT transaction_id FROM transactions") == [("T7",)]


def test_a_correction_ends_a_contradiction(tmp_path: Path) -> None:
    bank = loaded(tmp_path, (booking(1),), (booking(2),), (booking(3, known=9),))
    assert bank.rows("SELECT amount FROM transactions") == [(-300,)]
    assert reconciled(bank)


def test_undated_rows_have_no_order_so_none_is_kept(bank: SmallBank) -> None:
    bank.csv("products", "P1,current,,", "P2,savings,0.01,")
    bank.load()
    bank.csv("products", "P1,current,,", "P2,savings,0.02,")
    assert account(bank.load(), "products.csv") == (2, 0, 1, 1)
    assert bank.rows("SELECT product_id FROM products") == [("P1",)]


def test_what_hangs_on_a_withdrawn_row_is_withdrawn_with_it(tmp_path: Path) -> None:
    twice = ("A2,C1,P1,2024-01-01,2024-01-01,TWD", "A2,C2,P1,2024-01-01,2024-01-01,TWD")
    seen = []
    for first, second in (twice, twice[::-1]):
        bank = SmallBank(tmp_path / first[3:5])
        bank.csv("accounts", "A1,C1,P1,2024-01-01,2024-01-01,TWD", first)
        bank.csv("loans", "L1,A2,2024-02-01,2024-02-01,10.00,12,1.00")
        bank.csv("loan_outcomes", "L1,2024-03-01,2024-03-01,repaid,")
        bank.csv("transactions", booking(1), booking(2, number=2, account="A2"))
        bank.load()
        for file in ("loans", "loan_outcomes", "transactions"):
            (bank.folder / f"{file}.csv").unlink()
        bank.csv("accounts", "A1,C1,P1,2024-01-01,2024-01-01,TWD", second)
        withdrawn = bank.load().withdrawn
        assert withdrawn == {"accounts": 1, "transactions": 1, "loans": 1, "loan_outcomes": 1}
        assert reconciled(bank)
        seen.append([visible(bank, t) for t in ("accounts", "loans", "transactions")])
    assert seen[0] == seen[1]
    assert [len(rows) for rows in seen[0]] == [1, 0, 1]


@pytest.mark.slow
@settings(max_examples=6, deadline=None, phases=[Phase.generate])
@given(
    st.lists(
        st.tuples(st.integers(1, 2), st.integers(1, 3), st.integers(2, 4)), min_size=2, max_size=4
    )
)
def test_any_order_of_loads_ends_in_the_same_bank(
    tmp_path_factory: pytest.TempPathFactory, said: list[tuple[int, int, int]]
) -> None:
    rows = [booking(amount, number=number, known=known) for number, amount, known in said]
    banks = [
        loaded(tmp_path_factory.mktemp("bank"), *((row,) for row in order))
        for order in list(permutations(rows))[:: max(1, len(rows) - 1)][:3]
    ]
    banks.append(loaded(tmp_path_factory.mktemp("bank"), tuple(rows)))
    assert {str(visible(bank)) for bank in banks} == {str(visible(banks[0]))}
    assert {str(set_aside(bank)) for bank in banks} == {str(set_aside(banks[0]))}
    assert all(reconciled(bank) for bank in banks)


def test_two_files_of_one_load_count_their_rows_apart(tmp_path: Path) -> None:
    for first, second in (("a", "b"), ("b", "a")):
        bank = SmallBank(tmp_path / first)
        for name, row in ((first, booking(1)), (second, booking(2))):
            bank.csv(
                "transactions", row, header=HEADERS["transactions"], file=f"transactions/{name}.csv"
            )
        outcome = bank.load()
        assert account(outcome, "transactions/a.csv") == (1, 0, 1, 0)
        assert account(outcome, "transactions/b.csv") == (1, 0, 1, 0)
