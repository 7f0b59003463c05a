"""A profile as of a day knows what the bank knew the evening before, and nothing else."""

import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.warehouse import Warehouse
from features.catalogue import CATALOGUE
from features.profile import build, day_number
from tests.features.dated_bank import SCHEMAS, DatedBank, same_bits, spoilt

FACTS = sorted({table for f in CATALOGUE.values() for s in f.sources for table in s.tables})
DATED = [table for table in FACTS if "event_day" in SCHEMAS[table].names]


def first_day(spine: pd.DataFrame) -> int:
    return day_number(min(spine["as_of"]))


@pytest.fixture(scope="module")
def honest(little: Warehouse, spine: pd.DataFrame) -> pd.DataFrame:
    return build(little, spine).frame


@pytest.mark.parametrize("days_later", [0, 1, 400])
def test_what_happens_from_the_as_of_day_on_changes_nothing(
    little: Warehouse, spine: pd.DataFrame, honest: pd.DataFrame, tmp_path: Path, days_later: int
) -> None:
    """F15"""
    day = first_day(spine) + days_later
    early = spine[spine["as_of"] == min(spine["as_of"])]
    both = f"CAST({day} AS INTEGER) AS event_day, CAST(0 AS INTEGER) AS known_day"
    future = spoilt(little, tmp_path, both, DATED)
    assert same_bits(build(future, early).frame, honest.head(len(early)))


@pytest.mark.parametrize("days_later", [0, 1, 400])
def test_what_is_learnt_from_the_as_of_day_on_changes_nothing(
    little: Warehouse, spine: pd.DataFrame, honest: pd.DataFrame, tmp_path: Path, days_later: int
) -> None:
    """F16"""
    day = first_day(spine) + days_later
    early = spine[spine["as_of"] == min(spine["as_of"])]
    late = spoilt(little, tmp_path, f"CAST({day} AS INTEGER) AS known_day", DATED)
    assert same_bits(build(late, early).frame, honest.head(len(early)))


def test_the_same_facts_a_day_earlier_change_every_source(
    little: Warehouse, spine: pd.DataFrame, honest: pd.DataFrame, tmp_path: Path
) -> None:
    # Otherwise the two tests above would prove nothing.
    day = f"CAST({first_day(spine) - 1} AS INTEGER)"
    seen = spoilt(little, tmp_path, f"{day} AS event_day, {day} AS known_day", DATED)
    early = spine[spine["as_of"] == min(spine["as_of"])]
    now, before = build(seen, early).frame, honest.head(len(early))
    changed = {name for name in CATALOGUE if not now[name].equals(before[name])}
    read = {s.name for f in CATALOGUE.values() for s in f.sources}
    assert {s.name for name in changed for s in CATALOGUE[name].sources} == read


def test_a_payment_booked_tomorrow_changes_nothing(hand: DatedBank) -> None:
    """F15"""
    today = date(2024, 7, 1)
    hand.add("transactions", on="2024-06-30", amount=-500)
    hand.add("transactions", on="2024-07-01", amount=-70)  # today
    hand.add("transactions", on="2024-07-02", amount=-9)  # tomorrow
    assert hand.value("spend_90d", today) == 500
    assert hand.value("spend_90d", today + timedelta(1)) == 570


def test_a_payment_learnt_late_counts_from_the_day_after_it_was_learnt(hand: DatedBank) -> None:
    """F16"""
    hand.add("transactions", on="2024-06-10", known="2024-07-05", amount=-500)
    found = [hand.value("spend_90d", date(2024, 7, day)) for day in (1, 5, 6)]
    assert found == [0, 0, 500]


def test_a_fact_of_an_account_waits_until_the_account_is_known(hand: DatedBank) -> None:
    hand.add("accounts", on="2024-06-01", known="2024-07-05", account_id="A2", product_id="savings")
    hand.add("balances", on="2024-06-02", account_id="A2", ledger_balance=900)
    found = [hand.value("assets", date(2024, 7, day)) for day in (1, 5, 6)]
    assert found == [0, 0, 900]


def test_a_repayment_waits_until_its_loan_is_known(hand: DatedBank) -> None:
    hand.add("loans", on="2024-06-01", known="2024-07-05")
    hand.add("repayments", on="2024-06-30", outstanding=900)
    found = [hand.value("loans_outstanding", date(2024, 7, day)) for day in (1, 5, 6)]
    assert found == [0, 0, 900]


def test_a_balance_corrected_later_is_the_old_one_until_the_correction_is_known(
    hand: DatedBank,
) -> None:
    hand.add("balances", on="2024-06-30", ledger_balance=100)
    hand.add("balances", on="2024-06-30T12:00", known="2024-07-03", ledger_balance=80)  # corrected
    found = [hand.value("current_balance", date(2024, 7, day)) for day in (1, 3, 4)]
    assert found == [100, 100, 80]


def test_a_customer_alone_has_the_bits_they_have_in_the_batch(
    little: Warehouse, spine: pd.DataFrame, honest: pd.DataFrame
) -> None:
    for place in (0, len(spine) // 2, len(spine) - 1):
        alone = build(little, spine.iloc[[place]])
        assert same_bits(alone.frame, honest.iloc[[place]].reset_index(drop=True))


def test_the_order_of_the_spine_is_the_order_of_the_profiles(
    little: Warehouse, spine: pd.DataFrame, honest: pd.DataFrame
) -> None:
    shuffled = np.random.default_rng(1).permutation(len(spine))
    built = build(little, spine.iloc[shuffled])
    assert same_bits(built.frame, honest.iloc[shuffled].reset_index(drop=True))


def test_the_bits_do_not_depend_on_the_number_of_threads(
    little: Warehouse,
    spine: pd.DataFrame,
    honest: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ZHIKE_THREADS", "1")
    assert same_bits(build(little, spine).frame, honest)
    monkeypatch.setenv("ZHIKE_THREADS", "2")
    assert same_bits(build(little, spine).frame, honest)


def test_the_order_in_which_rows_arrived_does_not_matter(
    little: Warehouse, spine: pd.DataFrame, honest: pd.DataFrame, tmp_path: Path
) -> None:
    turned = Warehouse(tmp_path)
    connection, batches = little.connect(), []
    for table in little.manifest.tables:
        rows = connection.sql(f"SELECT * FROM {table}").to_arrow_table()
        backwards = rows.take(list(reversed(range(len(rows)))))
        batches.append(turned.write(table, backwards.to_batches(), rows.schema))
    turned.commit(little.manifest.model_copy(update={"batches": tuple(batches)}))
    assert same_bits(build(turned, spine).frame, honest)


PRINT_DIGEST = """
import sys
from pathlib import Path
from data.warehouse import Warehouse
from features.profile import build
from features.snapshot import read_spine, write_snapshot

print(write_snapshot(build(Warehouse(Path(sys.argv[1])), read_spine(Path(sys.argv[2])))).digest)
"""


@pytest.mark.slow
def test_the_bits_do_not_depend_on_the_time_zone_of_the_process(
    little: Warehouse, spine: pd.DataFrame, tmp_path: Path
) -> None:
    """F20"""
    spine.to_csv(tmp_path / "spine.csv", index=False)
    digests = set()
    for zone in ("UTC", "Asia/Shanghai", "America/New_York", "Pacific/Apia"):
        around = {**os.environ, "TZ": zone, "ZHIKE_HOME": str(tmp_path / "home")}
        words = [
            sys.executable,
            "-c",
            PRINT_DIGEST,
            str(little.folder),
            str(tmp_path / "spine.csv"),
        ]
        said = subprocess.run(words, env=around, capture_output=True, text=True, check=True)
        digests.add(said.stdout.strip())
    assert len(digests) == 1


def test_the_whole_little_bank_has_no_infinite_value_and_no_minus_zero(
    honest: pd.DataFrame,
) -> None:
    values = honest[list(CATALOGUE)].to_numpy(np.float64)
    assert not np.isinf(values).any()
    assert not (np.signbit(values) & (values == 0)).any()
