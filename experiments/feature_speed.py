"""How fast are profiles built, in how much memory, and is the cost linear?

A simulated bank of 20,000 persons over 41 months has 10 million transactions in four systems, under
66,000 identifiers; its facts are spread over three customers for each, some 200,000. The whole
catalogue is built for their last 24 month-ends and written as a snapshot. In the same run DuckDB
groups the same transactions by customer and month; and for a bank of a hundredth of the persons
the additive features are reckoned with pandas, whose numbers must be the same.

Each build has a process of its own, so that its memory is its own; it builds 50 profiles first,
since compiling is no part of the speed. ``--scale 0.1`` takes a tenth of the persons. No tool that
makes features by itself is compared: featuretools and getML are no dependencies of ours.
"""

import multiprocessing
import os
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

import numpy as np
import pandas as pd

from data.errors import ConfigurationError
from data.loading import load
from data.settings import settings
from data.simulation import simulate
from data.sources import open_source
from data.warehouse import Warehouse
from experiments._by_pandas import additive, by_pandas, facts_of
from experiments._thinned_bank import thinned
from features.batches import build_snapshot
from features.catalogue import CATALOGUE
from features.engines import DuckEngine
from features.profile import build
from features.spine import customers_as_of, extent, month_ends

PERSONS, MONTHS, COPIES, MONTH_ENDS, SEED = 20_000, 41, 3, 24, 11
QUICK_SCALE, FEWEST_PERSONS, WARM_UP, PAIRS = 0.01, 100, 50, 3
KIBIBYTES_PER_GIGABYTE = 1e6 / 1.024
# Share of the customers, and month-ends; the last is the whole.
SIZES = ((0.25, 24), (0.5, 24), (1.0, 6), (1.0, 12), (1.0, 24))
_GROUPED = """
    SELECT customer_id, date_trunc('month', t.event_at) AS month, sum(amount), count(*), max(amount)
    FROM transactions t JOIN accounts a USING (account_id) GROUP BY ALL
"""
_Asked = ParamSpec("_Asked")
_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class Built:
    """A build: profiles, features, seconds, and the memory of its process in GB."""

    profiles: int
    features: int
    seconds: float
    gigabytes: float

    @property
    def cells_per_second(self) -> float:
        """Feature values a second."""
        return self.profiles * self.features / self.seconds


def built(folder: Path, share: float, count: int) -> Built:
    """Build the catalogue of a share of the customers for some month-ends, and write it."""
    warehouse = Warehouse(folder)
    spine = _spine(warehouse, share, count)
    build(warehouse, spine.head(WARM_UP))
    start = time.perf_counter()
    snapshot = build_snapshot(warehouse, spine)
    seconds = time.perf_counter() - start
    shutil.rmtree(snapshot.folder)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIBIBYTES_PER_GIGABYTE
    return Built(len(spine), len(snapshot.features), seconds, peak)


def grouped(folder: Path) -> float:
    """Seconds of one group-by of the transactions by customer and month."""
    connection = Warehouse(folder).connect()
    start = time.perf_counter()
    connection.sql(_GROUPED).to_arrow_table()
    return time.perf_counter() - start


def times_pandas(folder: Path) -> float:
    """How many times longer pandas takes for the additive features; the median of pairs.

    Raises:
        AssertionError: the numbers differ.
    """
    warehouse = Warehouse(folder)
    spine = _spine(warehouse, 1.0, MONTH_ENDS)
    engine = DuckEngine(warehouse)
    features = additive(engine)
    names = [feature.name for feature in features]
    sources = list({f.source.name: f.source for f in features if f.source}.values())
    customers = pd.Index(spine["customer_id"].unique())
    build(warehouse, spine.head(WARM_UP))
    ratios = []
    for _ in range(PAIRS):
        start = time.perf_counter()
        ours = build(warehouse, spine, names)
        between = time.perf_counter()
        theirs = by_pandas(facts_of(engine, sources, customers), spine, features)
        end = time.perf_counter()
        ratios.append((end - between) / (between - start))
        np.testing.assert_array_equal(ours.values, theirs[names].to_numpy())
    print(
        f"{len(names)} additive features of {len(spine):,} profiles: ours {between - start:.1f} s,"
        f" pandas {end - between:.1f} s",
        flush=True,
    )
    return statistics.median(ratios)


def run(quick: bool = False, scale: float | None = None) -> dict[str, float]:
    """Simulate a bank into a folder that is deleted afterwards, and build its profiles."""
    share = scale if scale is not None else QUICK_SCALE if quick else 1.0
    if not 0 < share <= 1:
        raise ConfigurationError(f"--scale {share} is no share; give one over 0 and at most 1.")
    with tempfile.TemporaryDirectory() as folder:
        persons = round(PERSONS * share)
        bank = _bank(Path(folder) / "whole", max(FEWEST_PERSONS, persons))
        hundredth = _bank(Path(folder) / "hundredth", max(FEWEST_PERSONS, persons // 100))
        groupby_seconds = _apart(grouped, bank)
        print(f"group by customer, month: {groupby_seconds:.2f} s", flush=True)
        print(f"{'profiles':>12}{'of customers':>14}{'month-ends':>12}", end="")
        print(f"{'seconds':>9}{'cells/s':>13}{'GB':>6}{'load':>6}", flush=True)
        for part, count in SIZES:
            whole = _apart(built, bank, part, count)
            print(f"{whole.profiles:>12,}{part:>14.0%}{count:>12}", end="")
            print(f"{whole.seconds:>9.1f}{whole.cells_per_second:>13,.0f}", end="")
            print(f"{whole.gigabytes:>6.1f}{os.getloadavg()[0]:>6.1f}", flush=True)
        faster = _apart(times_pandas, hundredth)
    return {
        "features": len(CATALOGUE),
        "cells_per_second": round(whole.cells_per_second),
        "peak_gb": round(whole.gigabytes, 2),
        "build_seconds": round(whole.seconds, 2),
        "groupby_seconds": round(groupby_seconds, 2),
        "times_pandas": round(faster, 1),
    }


def _bank(folder: Path, persons: int) -> Path:
    simulate(folder / "files", customers=persons, months=MONTHS, seed=SEED)
    bank = Warehouse(folder / "bank")
    load(open_source("simulated", folder / "files"), bank)
    shutil.rmtree(folder / "files")
    thin = thinned(bank, folder / "thin", COPIES)
    shutil.rmtree(folder / "bank")
    rows = sum(batch.rows for batch in thin.manifest.of("transactions"))
    print(f"{rows:,} transactions; {settings().threads} threads", flush=True)
    return thin.folder


def _spine(warehouse: Warehouse, share: float, count: int) -> pd.DataFrame:
    rows = customers_as_of(warehouse, month_ends(extent(warehouse)[1], count))
    names = np.unique(rows["customer_id"])
    chosen = names[:: round(1 / share)]
    return rows[rows["customer_id"].isin(chosen)].reset_index(drop=True)


def _apart(ask: Callable[_Asked, _Answer], *args: _Asked.args, **named: _Asked.kwargs) -> _Answer:
    """Ask in a process of its own, which has the memory of nothing else."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(ask, *args, **named).result()
