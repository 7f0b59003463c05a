"""Identification of a bank of four systems: accurate, stable as it grows, the same every time."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pyarrow as pa
import pytest

from data.database import Database
from data.simulation import simulate
from data.warehouse import CROSSWALK, GOLDEN_RECORDS, Manifest, Warehouse
from experiments._true_bank import true_records
from features.identity.run import Identified, identify

PERSONS, MONTHS = 500, 12


@pytest.fixture(scope="module")
def delivered_records(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[pa.Table, dict[str, str]]:
    files = tmp_path_factory.mktemp("records")
    simulate(files, customers=PERSONS, months=MONTHS, seed=3)
    return true_records(files)


@pytest.fixture
def rows(delivered_records: tuple[pa.Table, dict[str, str]]) -> pa.Table:
    return delivered_records[0]


@pytest.fixture
def truth(delivered_records: tuple[pa.Table, dict[str, str]]) -> dict[str, str]:
    return delivered_records[1]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[Warehouse, Database]]:
    database = Database(f"sqlite:///{tmp_path / 'zhike.db'}")
    database.migrate()
    yield Warehouse(tmp_path / "warehouse"), database
    database.engine.dispose()


def delivered(warehouse: Warehouse, rows: pa.Table) -> None:
    """Add records to what the warehouse has."""
    days = pa.array([18_000] * len(rows), pa.int32())
    dated = rows.append_column("event_day", days).append_column("known_day", days)
    batch = warehouse.write("customers", dated.to_batches(), dated.schema)
    assert batch is not None
    before = warehouse.manifest
    warehouse.commit(Manifest(source="test", zone="Asia/Taipei", batches=(*before.batches, batch)))


def persons(warehouse: Warehouse) -> dict[str, str]:
    return dict(warehouse.connect().sql("SELECT record_id, customer_id FROM owners").fetchall())


def run(place: tuple[Warehouse, Database], rows: pa.Table) -> Identified:
    delivered(place[0], rows)
    return identify(*place)


def pairs(sizes: Counter[object]) -> int:
    return sum(size * (size - 1) // 2 for size in sizes.values())


def test_hardly_anyone_is_taken_for_another_or_missed(
    place: tuple[Warehouse, Database], rows: pa.Table, truth: dict[str, str]
) -> None:
    run(place, rows)
    found = persons(place[0])
    agreed = pairs(Counter((found[record], truth[record]) for record in truth))
    assert agreed / pairs(Counter(found.values())) >= 0.995
    assert agreed / pairs(Counter(truth.values())) >= 0.95


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_more_records_split_nobody_and_rename_only_who_is_merged(
    place: tuple[Warehouse, Database], rows: pa.Table, seed: int
) -> None:
    ids = sorted(map(str, set(rows["customer_id"].to_pylist())))
    first = set(Random(seed).sample(ids, len(ids) // 2))
    known = pa.array([record in first for record in rows["customer_id"].to_pylist()])
    run(place, rows.filter(known))
    before = persons(place[0])
    later = run(place, rows.filter(pa.array([not there for there in known.to_pylist()])))
    after = persons(place[0])
    assert later.split == 0
    renamed = {
        (before[record], after[record]) for record in before if before[record] != after[record]
    }
    assert len({old for old, _ in renamed}) == len(renamed) == later.merged
    assert {new for _, new in renamed} <= set(before.values())


def test_threads_and_the_order_of_delivery_change_no_byte(
    tmp_path: Path, rows: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = []
    for threads, order in ((1, rows), (2, rows.take(list(range(len(rows)))[::-1]))):
        monkeypatch.setenv("ZHIKE_THREADS", str(threads))
        database = Database(f"sqlite:///{tmp_path / f'{threads}.db'}")
        database.migrate()
        warehouse = Warehouse(tmp_path / f"warehouse-{threads}")
        run((warehouse, database), order)
        database.engine.dispose()
        manifest = warehouse.manifest
        digests.append([b.sha256 for t in (CROSSWALK, GOLDEN_RECORDS) for b in manifest.of(t)])
    assert digests[0] == digests[1]


def test_every_record_is_one_customers_and_every_customer_has_a_golden_record(
    place: tuple[Warehouse, Database], rows: pa.Table
) -> None:
    found = run(place, rows)
    warehouse = place[0]
    assert persons(warehouse).keys() == set(rows["customer_id"].to_pylist())
    [(customers, doubled)] = (
        warehouse.connect()
        .sql(
            "SELECT count(DISTINCT customer_id), count(*) - count(DISTINCT (customer_id, event_at))"
            " FROM customers"
        )
        .fetchall()
    )
    assert (customers, doubled) == (found.customers, 0)
