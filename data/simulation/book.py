"""The state of a chunk of customers: hidden states, accounts held, money in them."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator, SeedSequence

from data.simulation.columns import (
    MICROSECONDS,
    Arrow,
    Flags,
    Floats,
    Ints,
    Smalls,
    codes,
    dates,
    stamps,
    tokens,
)
from data.simulation.files import Folder
from data.simulation.months import DAY, LAST_DAY, Month
from data.simulation.prices import (
    CREDIT,
    CURRENT_CODE,
    OTHER,
    PLAIN,
    PRODUCTS,
    SYSTEM_OF,
    TAKEN_UP,
)
from data.simulation.records import Registry
from data.simulation.traits import Traits
from data.sources.systems import SYSTEMS

FAMILIES = 9
ACCOUNTS_EACH = 1_000
ABSENT = -1
# Openings and closings come before the end-of-day position is struck.
LAST_SECOND = 57_000
CLOSING_REASONS = ("customer", "matured", "repaid", "written_off", "bank", "deceased")
ACCOUNT_DIGITS = 12


@dataclass(frozen=True)
class Desk:
    """Where facts are written, and by which chance they come about."""

    folder: Folder
    rng: Generator


@dataclass(frozen=True)
class Desks:
    """Desks with independent sources of chance, so that more paper never changes a life."""

    folder: Folder
    life: Desk
    paper: Desk
    credit: Desk
    touch: Desk
    people: Desk
    person: Desk


def desks_of(folder: Folder, seed: int, part: int) -> Desks:
    """The desks of one chunk of customers."""
    children = SeedSequence(seed, spawn_key=(1, part)).spawn(6)
    return Desks(folder, *(Desk(folder, np.random.default_rng(child)) for child in children))


@dataclass(frozen=True)
class Wrong:
    """Wrong bookings that are not yet corrected.

    ``slot`` is the place in the journal, ``day`` (since 1970) when the correction is due; the
    ``right`` amount is booked again unless it is zero.
    """

    slot: Ints
    second: Ints
    day: Ints
    amount: Ints
    right: Ints
    category: Smalls
    channel: Smalls
    counterparty: Ints

    def some(self, mask: Flags) -> "Wrong":
        """Those of the mask."""
        return Wrong(*(values[mask] for values in vars(self).values()))


def none_wrong() -> Wrong:
    """No wrong booking."""
    none, small = np.zeros(0, np.int64), np.zeros(0, np.int8)
    return Wrong(none, none, none, none, none, small, small, none)


@dataclass
class Book:
    """Everything that changes; arrays have a row per customer, some a column per family.

    ``start`` is the first day of the extract, ``account`` the account number or -1, ``value`` what
    the account is worth in cents: principal, market value, or principal owed. ``cash`` are the
    cents on current account, savings and card (owed is negative). ``leaves`` is the last day in
    this month on which the customer acts, ``comes`` the first. ``behind`` counts the unpaid
    instalments. By product of ``TAKEN_UP``, ``urged`` are the months for which a contact still
    works and ``contact`` is its number. ``proceeds`` are the cents of investments given up.
    ``home`` is what the home behind a mortgage is worth in cents. By family of ``CREDIT``,
    ``claim`` is the number of an account written off, or -1, and ``promised`` the cents that its
    debtor will still pay (of a mortgage: still owes); ``chased`` are the months since then, or -1. ``wrong`` is booked
    and not yet corrected.
    """

    registry: Registry
    start: int
    traits: Traits
    age: Floats
    mood: Smalls
    trouble: Smalls
    invest: Smalls
    borrow: Smalls
    swing: Floats
    account: Ints
    product: Ints
    opened: Ints
    value: Floats
    cash: Ints
    used: Ints
    instalment: Floats
    left: Ints
    rate: Floats
    statement: Ints
    paid_here: Flags
    comes: Ints
    leaves: Ints
    here: Flags
    behind: Ints
    urged: Ints
    contact: Ints
    proceeds: Ints
    proceeds_day: Ints
    home: Floats
    claim: Ints
    promised: Floats
    chased: Ints
    wrong: Wrong

    def __len__(self) -> int:
        return len(self.mood)

    @property
    def first(self) -> int:
        """Number of the first customer over the whole bank."""
        return self.registry.first

    @property
    def customer(self) -> Ints:
        """Numbers of the customers over the whole bank."""
        return self.first + np.arange(len(self), dtype=np.int64)

    @property
    def held(self) -> Flags:
        """Which families each customer holds."""
        return self.account >= 0

    def holds(self, family: int) -> Flags:
        """Who holds an account of the family."""
        return self.account[:, family] >= 0


def empty_book(registry: Registry, traits: Traits, month: Month) -> Book:
    """A book in which nobody has come yet."""
    n = len(traits)
    state = np.zeros(n, np.int8)
    wide = np.zeros((n, FAMILIES), np.int64, "F")
    return Book(
        registry=registry,
        start=month.first_day,
        traits=traits,
        age=traits.age(month),
        mood=state.copy(),
        trouble=state.copy(),
        invest=state.copy(),
        borrow=state.copy(),
        swing=np.zeros(n),
        account=wide - 1,
        product=wide.copy("F"),
        opened=wide.copy("F"),
        value=np.zeros((n, FAMILIES), order="F"),
        cash=np.zeros((n, 3), np.int64),
        used=np.zeros(n, np.int64),
        instalment=np.zeros((n, FAMILIES), order="F"),
        left=np.zeros((n, FAMILIES), np.int64, "F"),
        rate=np.zeros((n, FAMILIES), order="F"),
        statement=np.zeros(n, np.int64),
        paid_here=traits.works.copy(),
        comes=np.ones(n, np.int64),
        leaves=np.ones(n, np.int64),
        here=np.zeros(n, np.bool_),
        behind=np.zeros(n, np.int64),
        urged=np.zeros((n, len(TAKEN_UP)), np.int64),
        contact=np.zeros((n, len(TAKEN_UP)), np.int64),
        proceeds=np.zeros(n, np.int64),
        proceeds_day=np.ones(n, np.int64),
        home=np.zeros(n),
        claim=np.full((n, len(CREDIT)), ABSENT, np.int64),
        promised=np.zeros((n, len(CREDIT))),
        chased=np.full(n, ABSENT, np.int64),
        wrong=none_wrong(),
    )


def accounts(numbers: Ints) -> Arrow:
    """Account identifiers."""
    return tokens("A", numbers, ACCOUNT_DIGITS)


def branch(customer: Ints) -> Ints:
    """The branch that keeps a customer's accounts, by number."""
    return customer * 7 % 40


def office_hours(days: Ints, rng: Generator) -> Ints:
    """A moment between nine and half past three in Taipei, as microseconds, on each day."""
    seconds = days * DAY + rng.integers(3_600, 27_000, len(days))
    return seconds * MICROSECONDS


def minutes_later(moments: Ints, rng: Generator) -> Ints:
    """When the bank learns of what its own systems do."""
    return moments + rng.integers(20, 1_800, len(moments)) * MICROSECONDS


def next_morning(moments: Ints, rng: Generator) -> Ints:
    """When the bank learns of what is struck at the end of the day."""
    day = DAY * MICROSECONDS
    return (moments // day + 1) * day + rng.integers(900, 7_000, len(moments)) * MICROSECONDS


def open_accounts(book: Book, who: Ints, family: int, moments: Ints, desk: Desk) -> None:
    """Open an account of the family for each of ``who``; richer customers get the better one."""
    number = (book.first + who) * ACCOUNTS_EACH + book.used[who]
    better = book.traits.affluence[who] + 0.5 * desk.rng.standard_normal(len(who)) > 1.1
    book.account[who, family] = number
    book.product[who, family] = np.where(better, OTHER[family], PLAIN[family])
    book.opened[who, family] = moments // (DAY * MICROSECONDS)
    book.used[who] += 1
    names = [product.product_id for product in PRODUCTS]
    columns = {
        "account_id": accounts(number),
        "customer_id": book.registry.ids(SYSTEMS.index(SYSTEM_OF[family]), who, moments),
        "product_id": codes(book.product[who, family], names),
        "event_at": stamps(moments),
        "known_at": stamps(minutes_later(moments, desk.rng)),
        "currency": codes(np.zeros(len(who), np.int8), (CURRENT_CODE,)),
    }
    if SYSTEM_OF[family] == "core":
        columns["branch_id"] = tokens("B", branch(book.first + who), 4)
    desk.folder.put("accounts", columns, SYSTEM_OF[family])
    covered = {
        "account_id": accounts(number),
        "covered_from": dates(np.maximum(book.opened[who, family], book.start)),
        "covered_until": dates(np.full(len(who), LAST_DAY)),
    }
    desk.folder.put("coverage", covered, SYSTEM_OF[family])


def close_accounts(
    book: Book, who: Ints, family: int, moments: Ints, reason: str, desk: Desk
) -> None:
    """Close the accounts of the family of each of ``who``."""
    if not len(who):
        return
    columns = {
        "account_id": accounts(book.account[who, family]),
        "event_at": stamps(moments),
        "known_at": stamps(minutes_later(moments, desk.rng)),
        "reason": codes(np.full(len(who), CLOSING_REASONS.index(reason)), CLOSING_REASONS),
    }
    desk.folder.put("closings", columns, SYSTEM_OF[family])
    book.account[who, family] = ABSENT
    book.value[who, family] = 0.0


def day_in(month: Month, days: Ints) -> Ints:
    """Days of the month (1 to 31) as days since 1970."""
    return month.first_day + days - 1
