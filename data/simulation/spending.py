"""Spending from the current account: habits, seasons, tastes, and what transfers make up."""

import numpy as np
from numpy.random import Generator

from data.simulation.book import Book
from data.simulation.cards import YEAR, moments_in
from data.simulation.chains import DISTRESSED, STRETCHED
from data.simulation.columns import Flags, Floats, Ints, Smalls
from data.simulation.flows import by_digital, live
from data.simulation.journal import (
    CATEGORY,
    CHANNEL,
    MERCHANTS,
    POCKET_CURRENT,
    Journal,
    slots,
)
from data.simulation.months import DAY, Month
from data.simulation.placements import first_purchase, last_inflow

SPENT = {
    "groceries": 0.24,
    "dining": 0.19,
    "shopping": 0.13,
    "travel": 0.05,
    "household": 0.09,
    "health": 0.05,
    "education": 0.03,
    "leasing": 0.02,
    "cash_out": 0.12,
    "transfer_out": 0.08,
}
SIZE = {"leasing": 2.0, "education": 1.6, "travel": 1.8, "household": 1.5, "transfer_out": 1.8}
RHYTHM = {
    "travel": (0.8, 1.3, 0.7, 0.9, 0.8, 0.9, 1.7, 1.7, 0.9, 0.9, 0.8, 1.1),
    "education": (0.6, 1.9, 0.7, 0.6, 0.6, 0.7, 0.8, 2.2, 1.9, 0.7, 0.6, 0.6),
    "shopping": (1.2, 0.9, 0.9, 0.9, 1.1, 1.0, 1.0, 1.0, 0.9, 1.0, 1.4, 1.2),
}
FESTIVE = {"shopping": 1.6, "groceries": 1.3, "cash_out": 2.3, "transfer_out": 1.6, "travel": 1.3}
BOOKINGS = 7.0
LEAST_TRANSFER = 500_00
MOOD_SPENDING = np.array([1, 0.7, 0.52, 0.36, 0.26, 0.18, 0.25, 0.2, 0, 0, 0])


def spend(
    book: Book,
    month: Month,
    target: Ints,
    flowing: Ints,
    early: Ints,
    journal: Journal,
    rng: Generator,
) -> None:
    """Spend what the target leaves, within the customer's habits; transfers make up the rest.

    ``flowing`` is the net of all that is booked already, ``early`` the part of it that came in
    as salary or savings.
    """
    acts = live(book)
    free = book.cash[:, POCKET_CURRENT] + flowing - target
    habit = _habit(book, month, rng) * 100
    spent = np.clip(free, 0.6 * habit, 1.5 * habit)
    rest = np.where(acts, free - spent, 0.0)
    spent = np.where(np.abs(rest) < LEAST_TRANSFER, free, spent)
    rest = np.where(np.abs(rest) < LEAST_TRANSFER, 0, rest).astype(np.int64) // 100 * 100
    thin = book.cash[:, POCKET_CURRENT] < 0.7 * spent
    ready = np.where(thin & (early > 0), np.minimum(book.traits.payday + 1, month.days), 1)
    _transfer(book, month, rest, journal, rng)
    number = _number(book, month, acts, rng)
    _buy(book, month, np.maximum(spent, 0), number, ready, journal, rng)


def _habit(book: Book, month: Month, rng: Generator) -> Floats:
    """TWD that a customer is used to spending from here."""
    share = np.where(book.paid_here, 0.6, 0.25) * MOOD_SPENDING[book.mood]
    share = share * np.exp(-0.22 * book.traits.prudence)
    share = share * np.where(book.trouble >= DISTRESSED, 0.7, 1.0)
    share = share * np.where(book.trouble == STRETCHED, 1.1, 1.0)
    noise = np.exp(0.2 * rng.standard_normal(len(book)))
    season = YEAR[month.number - 1] * (1 + 0.25 * month.festive)
    habit: Floats = book.traits.income * share * noise * season
    return habit


def _number(book: Book, month: Month, acts: Flags, rng: Generator) -> Ints:
    """Bookings of the month; at least one from anybody who has not fallen silent."""
    lively = np.exp(0.35 * book.traits.engagement) * MOOD_SPENDING[book.mood]
    lively = lively * np.where(book.paid_here, 1.0, 0.6)
    slack = np.exp(0.3 * rng.standard_normal(len(book)))
    rate = BOOKINGS * lively * slack * YEAR[month.number - 1]
    number = np.maximum(rng.poisson(np.minimum(rate, 60.0)), 1)
    return np.where(acts, number, 0)


def _transfer(book: Book, month: Month, rest: Ints, journal: Journal, rng: Generator) -> None:
    """Money from or to other banks: in early, out after the salary."""
    who = np.flatnonzero(rest)
    early = np.minimum(rng.integers(1, 4, len(who)), first_purchase(book, month)[who])
    late = np.maximum(rng.integers(12, month.days + 1, len(who)), last_inflow(book, month)[who])
    day = np.clip(np.where(rest[who] > 0, late, early), book.comes[who], book.leaves[who])
    second = (day - 1) * DAY + rng.integers(10_001, 29_000, len(who))
    kind: Smalls = np.where(rest[who] > 0, CATEGORY["transfer_out"], CATEGORY["transfer_in"])
    journal.book(
        slots(who, POCKET_CURRENT),
        second,
        -rest[who],
        kind.astype(np.int8),
        by_digital(book, who, "mobile", "atm", rng),
    )


def _weights(month: Month) -> Floats:
    mix = [
        share
        * RHYTHM.get(name, (1,) * 12)[month.number - 1]
        * (1 + (FESTIVE.get(name, 1.0) - 1) * month.festive)
        for name, share in SPENT.items()
    ]
    total: Floats = np.cumsum(mix) / np.sum(mix)
    return total


def _buy(
    book: Book,
    month: Month,
    spent: Floats,
    number: Ints,
    ready: Ints,
    journal: Journal,
    rng: Generator,
) -> None:
    """Split the month's spending over purchases, cash and small transfers."""
    who = np.repeat(np.arange(len(book)), number)
    kind = np.searchsorted(_weights(month), rng.random(len(who)))
    kind = _preferred(book, who, kind, rng)
    size = np.array([SIZE.get(name, 1.0) for name in SPENT])
    weight = size[kind] * np.exp(0.7 * rng.standard_normal(len(who)))
    total = np.bincount(who, weight, len(book))
    amount = np.floor(spent[who] * weight / total[who] / 100).astype(np.int64) * 100
    second = moments_in(book, month, who, rng)
    first = np.minimum(ready, np.maximum(book.leaves, 1))[who]
    span = np.maximum(book.leaves[who] - first + 1, 1)
    early = second // DAY + 1 < first
    day = first + (rng.random(len(who)) * span).astype(np.int64)
    second = np.where(early, (day - 1) * DAY + second % DAY, second)
    category = np.array([CATEGORY[name] for name in SPENT], np.int8)[kind]
    merchant = (MERCHANTS * rng.random(len(who)) ** 3).astype(np.int64)
    channel = _channels(book, who, kind, rng)
    journal.book(
        slots(who, POCKET_CURRENT), second, -amount, category, channel, counterparty=merchant
    )


def _preferred(book: Book, who: Ints, kind: Ints, rng: Generator) -> Ints:
    """Price-sensitive customers dine out less, prudent ones shop and travel less."""
    t, names = book.traits, list(SPENT)
    for trait, dear, plain in (
        (t.price, "dining", "groceries"),
        (t.prudence, "shopping", "household"),
        (t.prudence, "travel", "health"),
    ):
        pull, luck = 0.6 * trait[who], rng.random(len(who))
        cheap, costly = names.index(plain), names.index(dear)
        saves, treats = (kind == costly) & (luck < pull), (kind == cheap) & (luck < -pull)
        kind = np.where(saves, cheap, np.where(treats, costly, kind))
    return kind


def _channels(book: Book, who: Ints, kind: Ints, rng: Generator) -> Smalls:
    names = list(SPENT)
    online = rng.random(len(who)) < book.traits.digital[who]
    digital = np.where(rng.random(len(who)) < 0.6, CHANNEL["mobile"], CHANNEL["online"])
    shop = np.where(online & (rng.random(len(who)) < 0.5), digital, CHANNEL["card"])
    sent = np.where(online, digital, CHANNEL["branch"])
    channel = np.where(kind == names.index("transfer_out"), sent, shop)
    channel = np.where(kind == names.index("cash_out"), CHANNEL["atm"], channel)
    result: Smalls = channel.astype(np.int8)
    return result
