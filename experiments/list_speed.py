"""How fast is a list drafted and sealed over a million customers and eight products?

Book and facts are drawn, not simulated and scored, which would take hours: the warehouse's tables
and the book's Parquet files are laid out as real ones, so that everything a draft reads is read.
``draft_seconds`` runs from the request to the draft that stands: offers and facts from the
warehouse, weighing every customer and product against every rule, placing, and writing. The home is
made by one process and listed by another, so that the memory is the list's own.
"""

import multiprocessing
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

from data.database import migrated
from data.warehouse import Warehouse
from experiments._home import home
from experiments._made_book import DAY, OFFERED, drawn_answers, load_drawn, write_book
from serving.book.folder import PART
from serving.lists import Arms, ListRequest, draft, policies, seal

CUSTOMERS, QUICK_CUSTOMERS, SEED = 1_000_000, 5_000, 12
KIBIBYTES_PER_GIGABYTE = 1e6 / 1.024


def run(quick: bool = False, customers: int | None = None) -> dict[str, float]:
    """Seconds and gigabytes of a draft and its seal.

    Args:
        customers: in the book; a million by default.
    """
    count = customers or (QUICK_CUSTOMERS if quick else CUSTOMERS)
    with tempfile.TemporaryDirectory(prefix="zhike-list-") as folder:
        _alone(make, Path(folder), count)
        found: dict[str, float] = _alone(measured, Path(folder), count)
        return found


def make(folder: Path, count: int) -> None:
    """A home with a drawn book and its facts."""
    names = [f"C{number:08}" for number in range(count)]
    with home(folder):
        database = migrated()
        load_drawn(Warehouse(), names, SEED)
        write_book(database, names, drawn_answers(count, SEED), PART)
        policies.publish(database, "standard", max_pd=0.05, unscored=True, actor="made")


def measured(folder: Path, count: int) -> dict[str, float]:
    """What drafting and sealing a list of a tenth of the customers took."""
    request = ListRequest(
        products=OFFERED,
        size=count // 10,
        channel="call_centre",
        policy="standard",
        arms=Arms(champion=0.6, challenger=0.3, random=0.1),
        seed=SEED,
        cost=60.0,
        day=DAY,
        contact_until=DAY + timedelta(days=30),
    )
    with home(folder):
        database, warehouse = migrated(), Warehouse()
        began, steps = time.monotonic(), dict[str, float]()

        def report(step: str, _: int, __: int) -> None:
            steps.setdefault(step, time.monotonic() - began)

        made = draft(database, warehouse, request, actor="made", report=report)
        drafted = time.monotonic()
        sealed = seal(database, warehouse, made.list_id, actor="made")
        ended = time.monotonic()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "customers": sealed.counts.book,
        "products": len(OFFERED),
        "listed": sealed.counts.listed,
        "control": sealed.counts.control,
        "suppressed": sealed.counts.suppressed,
        "facts_seconds": round(steps["weigh"], 1),
        "weigh_seconds": round(steps["place"] - steps["weigh"], 1),
        "place_seconds": round(drafted - began - steps["place"], 1),
        "draft_seconds": round(drafted - began, 1),
        "seal_seconds": round(ended - drafted, 1),
        "gigabytes": round(peak / KIBIBYTES_PER_GIGABYTE, 2),
    }


def _alone(work: Any, *arguments: Any) -> Any:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(work, *arguments).result()
