"""The simulated bank: its shared tables, then its customers chunk by chunk."""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.errors import ConfigurationError
from data.settings import settings
from data.simulation import people
from data.simulation.book import desks_of
from data.simulation.chains import MACRO, MACRO_START
from data.simulation.chunk import World, months_of
from data.simulation.files import Folder, Format, write_sums
from data.simulation.months import extract_months
from data.simulation.prices import write_products

MOST_PER_PART = 20_000
# Fewer customer-months than this are done before a second process would have started.
WORTH_A_PROCESS = 400_000
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Part:
    """One chunk of a bank: enough to write its files in any process."""

    out: Path
    number: int
    first: int
    count: int
    months: int
    seed: int
    form: Format


def simulate(
    out: Path,
    *,
    customers: int,
    months: int,
    seed: int,
    form: Format = "parquet",
    progress: Progress | None = None,
) -> None:
    """Write a simulated bank as its four systems deliver it under ``out``, and its truth apart.

    The bytes depend on the arguments only. ``progress`` is told the customer-months done and the
    customer-months in all.

    Raises:
        ConfigurationError: no customers, a number of months that cannot be, or ``out`` holds files.
    """
    if customers < 1 or seed < 0:
        raise ConfigurationError(
            f"cannot simulate {customers} customers with seed {seed}: "
            "at least one customer and a seed from 0 are needed."
        )
    if out.exists() and any(out.iterdir()):
        raise ConfigurationError(
            f"{out} is not empty, and what is there would be mixed with the bank."
            " Empty it, or choose another folder."
        )
    world = the_world(months, seed)
    chance = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
    with Folder(out, 0, form) as shared:
        write_products(shared)
        people.write_districts(shared, world.calendar, chance)
        people.write_staff(shared, world.calendar, chance)
        people.write_macro(shared, world.calendar, world.economy)
    size = min(MOST_PER_PART, -(-customers // 2))
    parts = [
        Part(out, number, first, min(size, customers - first), months, seed, form)
        for number, first in enumerate(range(0, customers, size))
    ]
    done = 0
    for more in _written(parts, customers * months):
        done += more
        if progress is not None:
            progress(done, customers * months)
    write_sums(out, settings().threads)


def the_world(months: int, seed: int) -> World:
    """The calendar, the level of the economy and the market's shock, month by month."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2,)))
    level, path = MACRO_START, []
    for _ in range(months):
        level = int(rng.choice(len(MACRO), p=MACRO[level]))
        path.append(level)
    calendar = extract_months(months)
    return World(calendar, np.array(path, np.int64), rng.standard_normal(months))


def _written(parts: list[Part], size: int) -> Iterator[int]:
    """Write the parts, side by side where it pays; yields the customer-months newly done."""
    workers = min(settings().threads, len(parts))
    if workers < 2 or size < WORTH_A_PROCESS:
        for part in parts:
            yield from _months(part)
        return
    # Arrow keeps threads, which a forked child would not have.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        for finished in as_completed([pool.submit(write_part, part) for part in parts]):
            yield finished.result()


def write_part(part: Part) -> int:
    """Write one chunk; returns its customer-months."""
    return sum(_months(part))


def _months(part: Part) -> Iterator[int]:
    world = the_world(part.months, part.seed)
    with Folder(part.out, part.number, part.form) as folder:
        desks = desks_of(folder, part.seed, part.number)
        for _ in months_of(part.first, part.count, part.seed, world, desks):
            yield part.count
