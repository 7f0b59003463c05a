"""What four systems write about the simulated persons: keys, slips, duplicates, families."""

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from data.simulation.persons import LETTER_VALUES
from data.simulation.records import HABITS, luck, record_ids
from data.sources.systems import SYSTEMS, extract
from data.tables import CANONICAL
from data.warehouse import Warehouse

OWNED = [t.name for t in CANONICAL if any(c.refers_to == "customers" for c in t.columns)]


@pytest.fixture(scope="module")
def raw(loaded_home: Path, bank_files: Path) -> duckdb.DuckDBPyConnection:
    """The records as delivered, and ``whose`` they truly are."""
    connection = Warehouse(loaded_home / "warehouse").connect(resolved=False)
    connection.execute(f"CREATE TABLE whose AS FROM '{bank_files}/truth/records/*.parquet'")
    return connection


@pytest.fixture(scope="module")
def records(raw: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """The first version of every record with the person behind it."""
    found: pd.DataFrame = (
        raw.sql(
            "SELECT c.*, person_id FROM customers c JOIN whose ON record_id = c.customer_id"
            " QUALIFY row_number() OVER (PARTITION BY c.customer_id ORDER BY event_at) = 1"
        )
        .to_arrow_table()
        .to_pandas()
    )
    return found


def sound(number: str) -> bool:
    """Whether the check digit of a resident identity number holds, digit by digit."""
    value = int(LETTER_VALUES[ord(number[0]) - ord("A")])
    digits = [value // 10, value % 10, *map(int, number[1:])]
    weights = [1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1]
    return sum(d * w for d, w in zip(digits, weights, strict=True)) % 10 == 0


def test_a_number_that_is_known_to_be_sound_is_sound() -> None:
    assert sound("A123456789")
    assert not sound("A123456788")


def test_everybody_is_a_party_of_core_banking(records: pd.DataFrame) -> None:
    assert set(records.loc[records["system"] == "core", "person_id"]) == set(records["person_id"])
    assert set(records["system"]) == set(SYSTEMS)


@pytest.mark.parametrize("system", SYSTEMS)
def test_systems_know_some_persons_twice(records: pd.DataFrame, system: str) -> None:
    each = records[records["system"] == system].groupby("person_id").size()
    wanted = HABITS[SYSTEMS.index(system)].again
    assert each.max() == 2
    assert 0.3 * wanted < (each == 2).mean() < 1.5 * wanted


def test_keys_are_unique_over_a_large_bank_and_tell_nothing() -> None:
    person = np.arange(200_000, dtype=np.int64)
    for system in range(len(SYSTEMS)):
        keys = [record_ids(system, person, np.full_like(person, turn)) for turn in (0, 1)]
        assert len(set(keys[0].to_pylist()) | set(keys[1].to_pylist())) == 400_000
    some = record_ids(0, person[:2_000], 0 * person[:2_000])
    numbers = [int(str(key)[3:]) for key in some.to_pylist()]
    assert abs(np.corrcoef(numbers, person[:2_000])[0, 1]) < 0.1


def test_luck_is_even_and_the_same_every_time() -> None:
    person = np.arange(100_000, dtype=np.int64)
    salt = np.full_like(person, 17)
    drawn = luck(person, salt)
    assert np.array_equal(drawn, luck(person, salt))
    assert abs(drawn.mean() - 0.5) < 0.01
    assert abs(np.corrcoef(drawn, luck(person, salt + 1))[0, 1]) < 0.02


def test_most_identity_numbers_are_sound_and_some_are_mistyped(records: pd.DataFrame) -> None:
    resident = records[records["identity_type"].isin(["resident", "residence_permit"])]
    holds = resident["identity_number"].map(sound)
    assert 0.97 < holds.mean() < 0.998
    spoken = records[records["system"] == "call_centre"]["identity_number"]
    assert 0.4 < spoken.isna().mean() < 0.6


def test_one_person_is_written_in_chinese_and_in_latin_letters(records: pd.DataFrame) -> None:
    def written(system: str, column: str) -> float:
        return float(records.loc[records["system"] == system, column].notna().mean())

    assert written("core", "name") == 1
    assert written("cards", "name") == 0
    assert written("cards", "latin_name") == 1
    assert 0 < written("call_centre", "latin_name") < 0.5


def test_families_share_a_telephone(records: pd.DataFrame) -> None:
    home = records.dropna(subset="phone")
    home = home[home["phone"].str.replace(r"\D", "", regex=True).str.match("0?[2-8]")]
    persons = home.groupby(home["phone"].str.replace("-", ""))["person_id"].nunique()
    assert (persons > 1).sum() > 20


def test_some_addresses_are_outdated_because_a_system_was_not_told(
    raw: duckdb.DuckDBPyConnection,
) -> None:
    newest = (
        raw.sql("""
        SELECT person_id, system, arg_max(postcode, event_at) AS postcode
        FROM customers JOIN whose ON record_id = customer_id
        WHERE system IN ('core', 'cards') AND postcode IS NOT NULL GROUP BY ALL""")
        .to_arrow_table()
        .to_pandas()
    )
    wide = newest.pivot(index="person_id", columns="system", values="postcode").dropna()
    assert 0.01 < (wide["core"] != wide["cards"]).mean() < 0.15


def test_a_slip_stays_until_it_is_corrected(raw: duckdb.DuckDBPyConnection) -> None:
    changed = (
        raw.sql("""
        SELECT count(DISTINCT birth_date) AS births, count(DISTINCT identity_number) AS numbers
        FROM customers GROUP BY customer_id HAVING count(*) > 1""")
        .to_arrow_table()
        .to_pandas()
    )
    assert len(changed) > 50
    assert (changed <= 1).all().all()


@pytest.mark.parametrize("table", OWNED)
def test_a_system_knows_whom_a_fact_is_about(raw: duckdb.DuckDBPyConnection, table: str) -> None:
    early = raw.execute(
        f"SELECT count(*) FROM {table} f JOIN (SELECT customer_id, min(known_at) AS known"
        " FROM customers GROUP BY 1) c USING (customer_id) WHERE f.known_at < c.known"
    ).fetchall()
    assert early == [(0,)]


def test_an_extract_names_every_required_column_or_fixes_it() -> None:
    for contract in CANONICAL:
        for system in SYSTEMS:
            try:
                kind = extract(system, contract.name)
            except KeyError:
                continue
            named = set(kind.columns) | set(kind.fixed)
            assert {c.name for c in contract.columns if c.required} <= named, kind.name
