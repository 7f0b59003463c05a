"""What moves current accounts and savings besides spending: salary, transfers, postings."""

import numpy as np
from numpy.random import Generator

from data.simulation.book import LAST_SECOND, Book
from data.simulation.chains import DISTRESSED, FADING, SILENT_1, UNHAPPY
from data.simulation.columns import Flags, Ints, Smalls
from data.simulation.journal import (
    CATEGORY,
    CHANNEL,
    EMPLOYERS,
    MERCHANTS,
    POCKET_CURRENT,
    POCKET_SAVINGS,
    Journal,
    slots,
)
from data.simulation.months import DAY, Month
from data.simulation.prices import CURRENT, SAVINGS
from data.simulation.wealth import SAVINGS_STAY

FEE_PER_TRANSFER = 15_00
DORMANT_FEE = 10_00
TRANSFERS = 1.6
INTEREST = {CURRENT: 0.0005, SAVINGS: 0.0110}
# A salary that does not come: by money trouble.
UNPAID = np.array([0.006, 0.35, 0.65, 0.4, 0.4, 0.4, 0.5, 0.5, 0.5, 0.5, 0.5, 0.3])


def live(book: Book) -> Flags:
    """Who acts this month."""
    acting: Flags = book.here & (book.leaves > 0) & book.holds(CURRENT)
    return acting


def pay_salaries(book: Book, month: Month, journal: Journal, rng: Generator) -> Ints:
    """Book salaries, pensions and the bonus before Lunar New Year; returns cents received."""
    t = book.traits
    lost = rng.random(len(book)) < UNPAID[book.trouble]
    day = np.minimum(t.payday + rng.integers(0, 2, len(book)), month.days)
    gets = live(book) & book.paid_here & ~lost & (day >= book.comes) & (day <= book.leaves)
    raised = 1.02 ** (month.first_day / 365.25 - 55)
    wage = t.income * raised * np.where(t.retired, 0.45, 1.0)
    wage = wage * (1 + 0.03 * rng.standard_normal(len(book)))
    bonus = (month.festive > 0.5) * t.income * rng.uniform(0.3, 2.0, len(book)) * ~t.retired
    who = np.flatnonzero(gets)
    second = (day[who] - 1) * DAY + rng.integers(3_600, 10_000, len(who))
    cents = np.rint((wage + bonus)[who] * 100).astype(np.int64) // 100 * 100
    employer = MERCHANTS + book.customer[who] * 13 % EMPLOYERS
    kind: Smalls = np.where(t.retired[who], CATEGORY["pension"], CATEGORY["salary"])
    journal.book(
        slots(who, POCKET_CURRENT),
        second,
        cents,
        kind.astype(np.int8),
        "other",
        counterparty=employer,
    )
    received = np.zeros(len(book), np.int64)
    received[who] = cents
    return received


def move_savings(book: Book, month: Month, target: Ints, journal: Journal, rng: Generator) -> Ints:
    """Move money between current account and savings; returns what reaches the current account."""
    has = book.holds(SAVINGS) & live(book)
    change = target - book.cash[:, POCKET_SAVINGS]
    stays = (rng.random(len(book)) < SAVINGS_STAY) | (np.abs(change) < 2_000_00)
    fresh = book.opened[:, SAVINGS] >= month.first_day
    who = np.flatnonzero(has & ~stays & ~fresh)
    amount = change[who] // 100 * 100
    day = np.clip(book.traits.payday[who] + 2, book.comes[who], book.leaves[who])
    second = (day - 1) * DAY + rng.integers(10_000, 30_000, len(who))
    channel = by_digital(book, who, "mobile", "branch", rng)
    out: Smalls = np.where(amount > 0, CATEGORY["transfer_in"], CATEGORY["transfer_out"])
    back: Smalls = np.where(amount > 0, CATEGORY["transfer_out"], CATEGORY["transfer_in"])
    journal.book(slots(who, POCKET_SAVINGS), second, amount, out.astype(np.int8), channel)
    journal.book(slots(who, POCKET_CURRENT), second, -amount, back.astype(np.int8), channel)
    reached = np.zeros(len(book), np.int64)
    reached[who] = -amount
    return reached


def by_digital(book: Book, who: Ints, online: str, offline: str, rng: Generator) -> Smalls:
    """The channel each customer takes: one online, or one with people and machines."""
    chosen = rng.random(len(who)) < book.traits.digital[who]
    channel: Smalls = np.where(chosen, CHANNEL[online], CHANNEL[offline]).astype(np.int8)
    return channel


def collect(
    book: Book, month: Month, paid: Ints, category: str, journal: Journal, rng: Generator
) -> None:
    """Take a standing collection from current accounts: on the due day, or once there is money."""
    who = np.flatnonzero((paid > 0) & book.holds(CURRENT))
    thin = book.cash[who, POCKET_CURRENT] < 2 * paid[who]
    due = book.traits.due_day[who]
    due = np.where(thin, np.maximum(due, book.traits.payday[who] + 3), due)
    day = np.clip(due, book.comes[who], month.days)
    second = (day - 1) * DAY + rng.integers(30_000, 50_000, len(who))
    journal.book(
        slots(who, POCKET_CURRENT), second, -paid[who], category, "automatic", automatic=True
    )


def utilities(book: Book, month: Month, rng: Generator) -> Ints:
    """Cents of the electricity and telephone bills, for those who gave a standing order."""
    heat = 1 + 0.5 * (month.number in (7, 8, 9))
    bill = (700 + 0.012 * book.traits.income) * heat * rng.uniform(0.7, 1.3, len(book))
    orders = (
        live(book) & (book.customer % 10 < 8) & (book.mood < UNHAPPY) & (book.leaves == month.days)
    )
    orders &= book.trouble < DISTRESSED
    return np.where(orders, np.rint(bill) * 100, 0).astype(np.int64)


def post_automatic(book: Book, month: Month, journal: Journal, rng: Generator) -> None:
    """Interest and fees on the last day, also on accounts whose owners are silent."""
    total = book.cash + journal.totals(len(book))
    end = np.full(len(book), (month.days - 1) * DAY + LAST_SECOND - 300)
    for family, pocket in ((CURRENT, POCKET_CURRENT), (SAVINGS, POCKET_SAVINGS)):
        who = np.flatnonzero(book.holds(family) & book.here)
        interest = np.rint(np.maximum(total[who, pocket], 0) * INTEREST[family] / 12)
        journal.book(
            slots(who, pocket),
            end[who],
            interest.astype(np.int64),
            "interest",
            "automatic",
            automatic=True,
        )
    sent = rng.poisson(np.where(live(book), TRANSFERS * np.exp(0.7 * book.traits.price), 0.0))
    fee = np.where(total[:, POCKET_CURRENT] > 2_000_00, sent * FEE_PER_TRANSFER, 0)
    dormant = (book.mood >= SILENT_1) & (total[:, POCKET_CURRENT] > 100_00)
    fee = np.where(dormant, DORMANT_FEE, fee)
    who = np.flatnonzero(book.holds(CURRENT) & book.here & (book.mood != FADING))
    journal.book(
        slots(who, POCKET_CURRENT), end[who] + 60, -fee[who], "fee", "automatic", automatic=True
    )


def empty_pockets(
    book: Book, who: Ints, pocket: int, journal: Journal, keep: Ints, rng: Generator
) -> None:
    """Take out what is left in an account on the last day of its owner, but for ``keep`` cents."""
    left = (book.cash + journal.totals(len(book)))[who, pocket] - keep
    second = (book.leaves[who] - 1) * DAY + LAST_SECOND - 500
    kind: Smalls = np.where(left > 0, CATEGORY["transfer_out"], CATEGORY["transfer_in"])
    journal.book(
        slots(who, pocket),
        second,
        -left,
        kind.astype(np.int8),
        by_digital(book, who, "mobile", "branch", rng),
    )
