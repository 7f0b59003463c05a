"""Wrong bookings, found days to weeks later: reversed, and some booked again as they should be."""

from dataclasses import replace

import numpy as np
from numpy.random import Generator

from data.simulation.book import Book, Wrong, none_wrong
from data.simulation.chains import CLOSED, FADING
from data.simulation.columns import Ints
from data.simulation.journal import (
    CATEGORY,
    POCKET_SAVINGS,
    POCKETS,
    Journal,
)
from data.simulation.months import DAY, Month

# Of what customers pay: booked twice, or with a wrong amount.
DOUBLED, MISKEYED = 0.0007, 0.0007
SHORTEST, LONGEST = 1, 24
AGAIN = 90
# The amount keyed in, as a multiple of the right one.
KEYED = (0.2, 1.5)


def _joined(parts: list[Wrong]) -> Wrong:
    columns = zip(*(vars(part).values() for part in parts), strict=True)
    return Wrong(*(np.concatenate(column) for column in columns))


def correct(book: Book, month: Month, journal: Journal, rng: Generator) -> None:
    """Book the corrections that fall in the month.

    Whatever is wrong on an account about to be closed is put right before.
    """
    wrong = book.wrong
    last = _last_day(book, month)[wrong.slot // POCKETS]
    day = np.minimum(wrong.day - month.first_day + 1, last)
    now = day <= month.days
    second = (day[now] - 1) * DAY + rng.integers(3_600, 27_000, int(now.sum()))
    _reverse(wrong.some(now), second, journal)
    book.wrong = wrong.some(~now)


def _last_day(book: Book, month: Month) -> Ints:
    """The last day of the month on which an account is surely open; far off if it stays so."""
    closing = ((book.mood == CLOSED) | (book.mood == FADING)) & (book.leaves > 0)
    return np.where(closing, book.leaves, 10 * month.days)


def _reverse(wrong: Wrong, second: Ints, journal: Journal) -> None:
    journal.book(wrong.slot, second, -wrong.amount, "correction", "automatic", automatic=True)
    journal.book(
        wrong.slot,
        second + 60,
        wrong.right,
        wrong.category,
        wrong.channel,
        automatic=True,
        counterparty=wrong.counterparty,
    )


def err(book: Book, month: Month, journal: Journal, rng: Generator) -> None:
    """Make a few of the month's payments wrong, and correct what is found before its end."""
    last = _last_day(book, month)
    parts = [none_wrong()]
    for place in range(len(journal.slot)):
        if not journal.automatic[place][0]:
            parts.append(_double(journal, place, last, rng))
            parts.append(_miskey(journal, place, last, rng))
    wrong = _joined(parts)
    found = month.first_day + rng.integers(SHORTEST, LONGEST + 1, len(wrong.slot))
    later, book.wrong = book.wrong, replace(wrong, day=wrong.day + found)
    correct(book, month, journal, rng)
    book.wrong = _joined([later, book.wrong])


def _double(journal: Journal, place: int, last: Ints, rng: Generator) -> Wrong:
    """Book a few payments twice."""
    wrong = _taken(journal, place, _chosen(journal, place, DOUBLED, last, rng))
    journal.book(
        wrong.slot,
        wrong.second + AGAIN,
        wrong.amount,
        wrong.category,
        wrong.channel,
        automatic=True,
        counterparty=wrong.counterparty,
    )
    return wrong


def _miskey(journal: Journal, place: int, last: Ints, rng: Generator) -> Wrong:
    """Book a few payments with a wrong amount."""
    some = _chosen(journal, place, MISKEYED, last, rng)
    wrong = _taken(journal, place, some)
    keyed = np.rint(wrong.amount * rng.uniform(*KEYED, len(some)) / 100).astype(np.int64) * 100
    keyed = np.where(keyed == wrong.amount, wrong.amount - 1_00, np.minimum(keyed, -1_00))
    journal.change(place, some, keyed)
    return replace(wrong, amount=keyed, right=wrong.amount)


def _chosen(journal: Journal, place: int, share: float, last: Ints, rng: Generator) -> Ints:
    """Payments of one entry of the journal on which the bank errs, early enough to be corrected."""
    slot = journal.slot[place]
    some = np.unique(rng.integers(0, len(slot), rng.poisson(share * len(slot))))
    slot, day = slot[some], journal.second[place][some] // DAY
    pays = (journal.amount[place][some] <= -2_00) & (slot % POCKETS != POCKET_SAVINGS)
    pays &= journal.category[place][some] != CATEGORY["investment"]
    chosen: Ints = some[pays & (day + 1 < last[slot // POCKETS])]
    return chosen


def _taken(journal: Journal, place: int, some: Ints) -> Wrong:
    return Wrong(
        slot=journal.slot[place][some],
        second=journal.second[place][some],
        day=journal.second[place][some] // DAY,
        amount=journal.amount[place][some],
        right=np.zeros(len(some), np.int64),
        category=journal.category[place][some],
        channel=journal.channel[place][some],
        counterparty=journal.counterparty[place][some],
    )
