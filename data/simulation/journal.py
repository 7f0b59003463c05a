"""The month's bookings: sorted, balanced and written with end-of-day positions."""

from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from data.simulation.book import Book, Desk, accounts, next_morning
from data.simulation.columns import (
    MICROSECONDS,
    Arrow,
    Flags,
    Ints,
    Smalls,
    codes,
    counts,
    flags,
    money,
    repeated,
    stamps,
)
from data.simulation.months import DAY, Month
from data.simulation.prices import CARD, CURRENT, SAVINGS
from data.tables import CATEGORIES, CHANNELS

POCKETS = 3
POCKET_CURRENT, POCKET_SAVINGS, POCKET_CARD = range(POCKETS)
POCKET_FAMILY = np.array([CURRENT, SAVINGS, CARD])
CATEGORY = {name: i for i, name in enumerate(CATEGORIES)}
CHANNEL = {name: i for i, name in enumerate(CHANNELS)}
CLOSE_OF_DAY = 57_540

MERCHANTS, EMPLOYERS = 4_000, 800
NOBODY = -1
COUNTERPARTIES = tuple(f"M{i:05d}" for i in range(MERCHANTS)) + tuple(
    f"E{i:05d}" for i in range(EMPLOYERS)
)


def slots(who: Ints, pocket: int) -> Ints:
    """A pocket's place in the journal."""
    return who * POCKETS + pocket


@dataclass
class Journal:
    """Bookings collected through a month; ``slot`` is customer times three plus pocket."""

    slot: list[Ints] = field(default_factory=list)
    second: list[Ints] = field(default_factory=list)
    amount: list[Ints] = field(default_factory=list)
    category: list[Smalls] = field(default_factory=list)
    channel: list[Smalls] = field(default_factory=list)
    automatic: list[Flags] = field(default_factory=list)
    counterparty: list[Ints] = field(default_factory=list)
    _sums: Ints | None = None
    _summed: int = 0

    def book(
        self,
        slot: Ints,
        second: Ints,
        amount: Ints,
        category: Smalls | str,
        channel: Smalls | str,
        *,
        automatic: bool = False,
        counterparty: Ints | None = None,
    ) -> None:
        """Add bookings of cents at seconds into the month; zero amounts are left out."""
        kept = amount != 0
        count = int(kept.sum())
        if not count:
            return
        self.slot.append(slot[kept])
        self.second.append(second[kept])
        self.amount.append(amount[kept])
        self.category.append(_code(category, CATEGORY, kept, count))
        self.channel.append(_code(channel, CHANNEL, kept, count))
        self.automatic.append(np.full(count, automatic))
        other = np.full(count, NOBODY, np.int64) if counterparty is None else counterparty[kept]
        self.counterparty.append(other)

    def totals(self, count: int) -> Ints:
        """Sum of the bookings so far by customer and pocket."""
        if self._sums is None:
            self._sums, self._summed = np.zeros(count * POCKETS, np.int64), 0
        for place in range(self._summed, len(self.slot)):
            sums = np.bincount(self.slot[place], self.amount[place], count * POCKETS)
            self._sums += sums.astype(np.int64)
        self._summed = len(self.slot)
        return self._sums.reshape(count, POCKETS).copy()

    def change(self, place: int, some: Ints, amount: Ints) -> None:
        """Give some bookings of the entry ``place`` another amount."""
        self.amount[place][some] = amount
        self._sums = None


def _code(value: Smalls | str, known: dict[str, int], kept: Flags, count: int) -> Smalls:
    if isinstance(value, str):
        return np.full(count, known[value], np.int8)
    return value[kept]


@dataclass(frozen=True)
class Booked:
    """The month's bookings in order, with the accounts they are on: ``names[place]``."""

    order: NDArray[np.intp]
    slot: Ints
    second: Ints
    amount: Ints
    balance: Ints
    names: Arrow
    place: Ints


def post(book: Book, month: Month, journal: Journal, numbers: Ints, desk: Desk) -> None:
    """Write the journal and the positions it leads to, and move the book's cash.

    ``numbers`` are the account numbers by customer and pocket as they were before any closing;
    its running count gives the identifiers of the bookings.
    """
    slot, second = np.concatenate(journal.slot), np.concatenate(journal.second)
    order = _order(slot, second)
    slot = slot[order]
    amount = np.concatenate(journal.amount)[order]
    changes = np.diff(slot, prepend=-1) != 0
    starts, place = np.flatnonzero(changes), np.cumsum(changes) - 1
    running = np.cumsum(amount)
    cash = book.cash.reshape(-1)
    before = cash[slot[starts]] - running[starts] + amount[starts]
    balance = running + before[place]
    names = accounts(numbers.reshape(-1)[slot[starts]])
    booked = Booked(order, slot, second[order], amount, balance, names, place)
    _write_bookings(month, journal, booked, desk)
    _write_positions(month, booked, desk)
    ends = np.append(starts[1:], len(slot)) - 1
    cash[slot[ends]] = balance[ends]


def _order(slot: Ints, second: Ints) -> NDArray[np.intp]:
    """By account, then time; keys are unique, so that every machine sorts alike."""
    key = (slot << 43) | (second << 21) | np.arange(len(slot))
    key.sort()
    return key & ((1 << 21) - 1)


def _write_bookings(month: Month, journal: Journal, booked: Booked, desk: Desk) -> None:
    event = month.microseconds(booked.second)
    first = desk.folder.next_numbers("transactions", len(booked.order))
    category = np.concatenate(journal.category)[booked.order]
    known = event + _delay(category == CATEGORY["correction"], desk.rng)
    channel, automatic = np.concatenate(journal.channel), np.concatenate(journal.automatic)
    counterparty = np.concatenate(journal.counterparty)
    on_card = booked.slot % POCKETS == POCKET_CARD
    for system, mask in (("core", ~on_card), ("cards", on_card)):
        some = np.flatnonzero(mask)
        order = booked.order[some]
        columns = {
            "transaction_id": counts(first + some),
            "account_id": repeated(booked.names, booked.place[some]),
            "event_at": stamps(event[some]),
            "known_at": stamps(known[some]),
            "amount": money(booked.amount[some]),
            "channel": codes(channel[order], CHANNELS),
            "category": codes(category[some], CATEGORIES),
            "automatic": flags(automatic[order]),
            "counterparty": codes(counterparty[order], COUNTERPARTIES),
            "balance_after": money(booked.balance[some]),
        }
        desk.folder.put("transactions", columns, system)


def _delay(own: Flags, rng: Generator) -> Ints:
    """Minutes for most bookings, days for late cards, weeks for back-dated entries.

    The bank learns of its ``own`` corrections at once.
    """
    count = len(own)
    luck = rng.random(count)
    minutes = 60 + rng.random(count) * 1_740
    late = np.where(luck < 0.004, 5 + 20 * rng.random(count), 1 + 2.5 * rng.random(count))
    seconds = np.where((luck < 0.02) & ~own, late * DAY, minutes).astype(np.int64)
    return seconds * MICROSECONDS


def _write_positions(month: Month, booked: Booked, desk: Desk) -> None:
    """End-of-day rows of current accounts and savings, for every day with a booking."""
    day = booked.second // DAY
    last = (np.diff(booked.place, append=-1) != 0) | (np.diff(day, append=-1) != 0)
    last &= booked.slot % POCKETS != POCKET_CARD
    event = month.microseconds(day[last] * DAY + CLOSE_OF_DAY)
    columns = {
        "account_id": repeated(booked.names, booked.place[last]),
        "event_at": stamps(event),
        "known_at": stamps(next_morning(event, desk.rng)),
        "ledger_balance": money(booked.balance[last]),
    }
    desk.folder.put("balances", columns)
