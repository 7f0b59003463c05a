"""Who works at the bank, whom they look after, and the districts and economy around them."""

import numpy as np
import pyarrow as pa
from numpy.random import Generator

from data.simulation.book import Book, Desk, branch, minutes_later, office_hours
from data.simulation.chains import MACRO_LEVELS
from data.simulation.columns import (
    MICROSECONDS,
    Ints,
    codes,
    counts,
    dates,
    money,
    ratio,
    stamps,
    tokens,
)
from data.simulation.files import Folder
from data.simulation.months import DAY, Month
from data.simulation.names import DISTRICTS
from data.simulation.records import CORE

BRANCHES, STAFF = 40, 400


def write_districts(folder: Folder, months: list[Month], rng: Generator) -> None:
    """Statistics of the districts, published every January and once before the extract."""
    n = len(DISTRICTS)
    salary = np.linspace(58_000, 38_000, n) + rng.normal(0, 2_000, n)
    days = [months[0].first_day - 200] + [m.first_day for m in months if m.number == 1]
    base = rng.integers(60_000, 420_000, n)
    urban = np.clip(np.linspace(0.98, 0.45, n) + rng.normal(0, 0.05, n), 0.2, 1.0)
    event = np.repeat(np.array(days, np.int64) * DAY * MICROSECONDS, n)
    rows, years = len(event), len(days)
    pay = np.concatenate([salary * 1.02**year for year in range(years)])
    columns = {
        "district_id": tokens("D", np.tile(np.arange(n), years), 4),
        "event_at": stamps(event),
        "known_at": stamps(event + 45 * DAY * MICROSECONDS),
        "name": pa.array([DISTRICTS[i % n][0] for i in range(rows)]),
        "region": pa.array([DISTRICTS[i % n][1] for i in range(rows)]),
        "inhabitants": counts(np.tile(base, years)),
        "urban": ratio(np.tile(urban, years)),
        "average_salary": money(np.rint(pay).astype(np.int64) * 100),
        "unemployment": ratio(np.clip(rng.normal(0.036, 0.004, rows), 0.02, 0.06)),
        "entrepreneurs": counts(np.tile(rng.integers(60, 160, n), years)),
        "crimes": counts(rng.integers(400, 5_000, rows)),
    }
    folder.put("districts", columns)


def write_staff(folder: Folder, months: list[Month], rng: Generator) -> None:
    """The people at the branches, all there before the extract begins."""
    number = np.arange(STAFF, dtype=np.int64)
    event = office_hours(months[0].first_day - rng.integers(100, 4_000, STAFF), rng)
    roles = ("manager", "adviser", "teller", "call_centre", "other")
    columns = {
        "staff_id": tokens("S", number, 4),
        "event_at": stamps(event),
        "known_at": stamps(minutes_later(event, rng)),
        "branch_id": tokens("B", number % BRANCHES, 4),
        "role": codes(np.array([0, 1, 1, 1, 2, 2, 2, 3, 3, 4])[number // BRANCHES], roles),
    }
    folder.put("staff", columns)


def write_assignments(book: Book, months: list[Month], desk: Desk) -> None:
    """Everybody has a branch; the affluent have a manager, and some managers change."""
    t = book.traits
    who = np.arange(len(book), dtype=np.int64)
    _assign(book, who, office_hours(t.joined, desk.rng), 0, desk)
    years = len(months) / 12
    moved = np.flatnonzero((desk.rng.random(len(book)) < 0.04 * years) & (t.affluence > 0.3))
    last = months[-1].first_day
    start = np.minimum(np.maximum(t.joined[moved], months[0].first_day) + 1, last)
    day = start + (desk.rng.random(len(moved)) * (last - start)).astype(np.int64)
    _assign(book, moved, office_hours(day, desk.rng), 1, desk)


def _assign(book: Book, who: Ints, event: Ints, turn: int, desk: Desk) -> None:
    place = branch(book.first + who)
    manager = place + BRANCHES * ((book.first + who + turn) % 4)
    managed = book.traits.affluence[who] > 0.3
    columns = {
        "customer_id": book.registry.ids(CORE, who, event),
        "event_at": stamps(event),
        "known_at": stamps(minutes_later(event, desk.rng)),
        "staff_id": tokens("S", manager, 4, managed),
        "branch_id": tokens("B", place, 4),
    }
    desk.folder.put("assignments", columns)


def write_macro(folder: Folder, months: list[Month], path: Ints) -> None:
    """The hidden level of the economy by month."""
    days = np.array([m.first_day for m in months], np.int64)
    levels = pa.array(MACRO_LEVELS[path])
    folder.put_truth("macro", {"month": dates(days), "level": levels})
