"""Build a snapshot of any size, some customers at a time, in memory that does not grow with it."""

import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import accumulate
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data.warehouse import Warehouse
from features.engines import DuckEngine, Engine, PartedEngine
from features.profile import Plan, Progress, planned, reckoned, spine_table, stale_on
from features.snapshot import Draft, Lineage, Snapshot

BATCH_ROWS = 400_000  # of 225 features: 0.7 GB of numbers, two of them at a time
BATCH_FACTS = 8_000_000  # of the largest table: DuckDB takes some 300 bytes for each of them


def build_snapshot(
    store: Warehouse | Engine,
    spine: pd.DataFrame,
    features: Iterable[str] | None = None,
    *,
    batch_rows: int = BATCH_ROWS,
    batch_facts: int = BATCH_FACTS,
    progress: Progress | None = None,
) -> Snapshot:
    """Build and write the profiles of a spine, by customer and then by day.

    The bytes do not depend on ``batch_rows`` and ``batch_facts``: of about as many rows the numbers
    are in hand at a time, and about as many facts, such as transactions, of the customers in hand.

    Raises:
        FeatureError: as a build in one piece.
    """
    rows = spine_table(spine)
    rows = rows.take(
        pc.sort_indices(rows, [("customer_id", "ascending"), ("as_of_day", "ascending")])
    )
    manifest = store.manifest
    plan = planned(manifest, features)
    customers, parts = _parts(rows, batch_rows, _customers_at_once(store, batch_facts))
    stale = stale_on(manifest, plan.present, spine["as_of"].unique())
    with Draft(Lineage(manifest.digest, plan.present, plan.absent, stale)) as draft:
        engine = _reader(store, customers, draft.folder, len(parts))
        built = _each_built(engine, parts, plan, draft.schema, progress)
        # One thread writes what was built while the next part is being built.
        with ThreadPoolExecutor(1) as writer:
            written: list[Future[None]] = []
            for found in built:
                _wait(written)
                written = [writer.submit(draft.add, found)]
            _wait(written)
        return draft.kept()


def _wait(written: list[Future[None]]) -> None:
    for one in written:
        one.result()


def _reader(store: Warehouse | Engine, customers: pa.Table, folder: Path, parts: int) -> Engine:
    if not isinstance(store, Warehouse):
        return store
    return PartedEngine(store, customers, folder / "facts") if parts > 1 else DuckEngine(store)


def _each_built(
    engine: Engine, parts: list[pa.Table], plan: Plan, schema: pa.Schema, progress: Progress | None
) -> Iterator[pa.Table]:
    for number, part in enumerate(parts):
        if progress:
            progress("profiles", number, len(parts))
        if isinstance(engine, PartedEngine):
            engine.part = number
        yield _built(engine, part, plan, schema)


def _customers_at_once(store: Warehouse | Engine, facts: int) -> int:
    """How many customers of the bank have about so many facts together."""
    if not isinstance(store, Warehouse):
        return sys.maxsize
    manifest = store.manifest
    largest = max(sum(batch.rows for batch in manifest.of(table)) for table in manifest.tables)
    known = store.frame("SELECT count(DISTINCT customer_id) AS known FROM customers")["known"]
    return max(1, facts * int(known.iloc[0]) // largest)


def _parts(
    rows: pa.Table, batch_rows: int, customers_at_once: int
) -> tuple[pa.Table, list[pa.Table]]:
    """The part that each customer is in, and the rows of each part; no customer is in two."""
    names = rows["customer_id"].combine_chunks().dictionary_encode()
    number = names.indices.to_numpy()
    counts = np.bincount(number, minlength=len(names.dictionary))
    by_rows = (np.cumsum(counts) - counts) // batch_rows
    by_customers = np.arange(len(counts)) // customers_at_once
    begins = (np.diff(by_rows, prepend=0) > 0) | (np.diff(by_customers, prepend=0) > 0)
    part = np.cumsum(begins)
    sizes = np.bincount(part, weights=counts).astype(np.int64).tolist()
    cut = [rows.slice(end - size, size) for size, end in zip(sizes, accumulate(sizes), strict=True)]
    return pa.table({"customer_id": names.dictionary, "part": pa.array(part)}), cut


def _built(engine: Engine, rows: pa.Table, plan: Plan, schema: pa.Schema) -> pa.Table:
    place = pa.array(np.arange(len(rows)))
    values = reckoned(engine, rows.set_column(2, "place", place), plan)
    columns = [pa.array(values[name], from_pandas=True) for name in plan.present]
    days = rows["as_of_day"].cast(pa.int32()).cast(pa.date32())
    return pa.table([rows["customer_id"], days, *columns], schema=schema)
