"""How fast is the simulated bank made, and how much memory does it take?

A million customers over 36 months by default: some 20 GB of files, deleted at the end.
"""

import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from data.settings import settings
from data.simulation import simulate

CUSTOMERS, MONTHS, SEED = 1_000_000, 36, 1
QUICK_CUSTOMERS, QUICK_MONTHS = 2_000, 12
KIBIBYTES_PER_GIGABYTE = 1e6 / 1.024


def rows_in(table: Path) -> int:
    """Rows of a table of several files, from their footers."""
    return sum(pq.read_metadata(file).num_rows for file in table.glob("*.parquet"))


def peak_gigabytes(processes: int) -> float:
    """Most memory held at once, at most: this process and as many as the largest child."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return (own + processes * largest) / KIBIBYTES_PER_GIGABYTE


@dataclass
class Tenths:
    """Prints each tenth of the way once."""

    last: int = -1

    def __call__(self, done: int, of: int) -> None:
        share = 10 * done // of
        if share > self.last:
            self.last = share
            print(f"{done:>12,} of {of:,} customer-months", flush=True)


def run(
    quick: bool = False, customers: int | None = None, months: int | None = None
) -> dict[str, float]:
    """Simulate a bank into a folder that is deleted afterwards; speed, memory and size."""
    customers = customers or (QUICK_CUSTOMERS if quick else CUSTOMERS)
    months = months or (QUICK_MONTHS if quick else MONTHS)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        start = time.perf_counter()
        simulate(out, customers=customers, months=months, seed=SEED, progress=Tenths())
        seconds = time.perf_counter() - start
        transactions = rows_in(out / "core" / "booking") + rows_in(out / "cards" / "debit")
        size = sum(path.stat().st_size for path in out.rglob("*.parquet"))
    return {
        "customers": customers,
        "months": months,
        "seconds": round(seconds, 2),
        "customer_months_per_second": round(customers * months / seconds),
        "transactions": transactions,
        "gigabytes": round(size / 1e9, 3),
        "peak_gb": round(peak_gigabytes(settings().threads), 2),
        "processes": settings().threads,
    }
