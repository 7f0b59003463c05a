"""Investments bought and sold and loans paid out, as they pass through the current account."""

import numpy as np
from numpy.random import Generator

from data.simulation.book import Book
from data.simulation.columns import Flags, Ints
from data.simulation.journal import POCKET_CURRENT, Journal, slots
from data.simulation.months import DAY, Month
from data.simulation.prices import INVESTMENTS, LOAN


def fresh(book: Book, family: int, month: Month) -> Flags:
    """Who opened an account of the family this month."""
    new: Flags = book.holds(family) & (book.opened[:, family] >= month.first_day)
    return new


def place(book: Book, month: Month, journal: Journal, rng: Generator) -> None:
    """Book the month's purchases, proceeds and loans paid out."""
    for family in (*INVESTMENTS, LOAN):
        who = np.flatnonzero(fresh(book, family, month))
        cents = np.rint(book.value[who, family]).astype(np.int64)
        second = (book.opened[who, family] - month.first_day) * DAY
        second += rng.integers(30_000, 50_000, len(who))
        if family == LOAN:
            journal.book(
                slots(who, POCKET_CURRENT), second, cents, "transfer_in", "branch", automatic=True
            )
        else:
            journal.book(slots(who, POCKET_CURRENT), second, -cents, "investment", "branch")
    who = np.flatnonzero(book.proceeds)
    second = (book.proceeds_day[who] - 1) * DAY + rng.integers(30_000, 50_000, len(who))
    journal.book(
        slots(who, POCKET_CURRENT),
        second,
        book.proceeds[who],
        "investment",
        "other",
        automatic=True,
    )


def first_purchase(book: Book, month: Month) -> Ints:
    """The day of the month by which money for a purchase must be there; the last without one."""
    first = np.full(len(book), month.days, np.int64)
    for family in INVESTMENTS:
        day = book.opened[:, family] - month.first_day + 1
        first = np.where(fresh(book, family, month), np.minimum(first, day), first)
    return first


def last_inflow(book: Book, month: Month) -> Ints:
    """The day of the month after which a loan or proceeds may be passed on."""
    lent = book.opened[:, LOAN] - month.first_day + 2
    lent = np.where(fresh(book, LOAN, month), lent, 1)
    return np.maximum(lent, np.where(book.proceeds > 0, book.proceeds_day + 1, 1))
