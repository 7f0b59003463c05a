"""What moves current accounts and savings in a month: salary, spending, transfers, postings."""

import numpy as np
from numpy.random import Generator

from data.simulation.book import LAST_SECOND, Book
from data.simulation.cards import YEAR, moments_in
from data.simulation.chains import DISTRESSED, FADING, SILENT_1, STRETCHED, UNHAPPY
from data.simulation.columns import Flags, Floats, Ints, Smalls
from data.simulation.journal import (
    CATEGORY,
    CHANNEL,
    EMPLOYERS,
    MERCHANTS,
    POCKET_CURRENT,
    POCKET_SAVINGS,
    POCKETS,
    Journal,
)
from data.simulation.months import DAY, Month
from data.simulation.prices import CURRENT, SAVINGS
from data.simulation.wealth import SAVINGS_STAY

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
FESTIVE = {"shopping": 1.6, "groceries": 1.3, "cash_out": 1.7, "transfer_out": 1.6, "travel": 1.3}
BOOKINGS = 7.0
FEE_PER_TRANSFER = 15_00
TRANSFERS = 1.6
INTEREST = {CURRENT: 0.0005, SAVINGS: 0.0110}
# A salary that does not come: by money trouble.
UNPAID = np.array([0.008, 0.25, 0.6, 0.4, 0.4, 0.4, 0.5, 0.5, 0.5, 0.5, 0.5, 0.3])
LEAST_TRANSFER = 500_00
MOOD_SPENDING = np.array([1, 0.7, 0.52, 0.36, 0.26, 0.18, 0.25, 0.2, 0, 0, 0])


def slots(who: Ints, pocket: int) -> Ints:
    """A pocket's place in the journal."""
    return who * POCKETS + pocket


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
    channel = _by_digital(book, who, "mobile", "branch", rng)
    out: Smalls = np.where(amount > 0, CATEGORY["transfer_in"], CATEGORY["transfer_out"])
    back: Smalls = np.where(amount > 0, CATEGORY["transfer_out"], CATEGORY["transfer_in"])
    journal.book(slots(who, POCKET_SAVINGS), second, amount, out.astype(np.int8), channel)
    journal.book(slots(who, POCKET_CURRENT), second, -amount, back.astype(np.int8), channel)
    reached = np.zeros(len(book), np.int64)
    reached[who] = -amount
    return reached


def _by_digital(book: Book, who: Ints, online: str, offline: str, rng: Generator) -> Smalls:
    chosen = rng.random(len(who)) < book.traits.digital[who]
    channel: Smalls = np.where(chosen, CHANNEL[online], CHANNEL[offline]).astype(np.int8)
    return channel


def collect(
    book: Book, month: Month, paid: Ints, category: str, journal: Journal, rng: Generator
) -> None:
    """Take a standing collection from current accounts on the due day."""
    who = np.flatnonzero((paid > 0) & book.holds(CURRENT))
    day = np.clip(book.traits.due_day[who], book.comes[who], month.days)
    second = (day - 1) * DAY + rng.integers(3_600, 9_000, len(who))
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
    early = np.clip(rng.integers(1, 8, len(who)), book.comes[who], book.leaves[who])
    late = np.clip(rng.integers(12, month.days + 1, len(who)), book.comes[who], book.leaves[who])
    day = np.where(rest[who] > 0, late, early)
    second = (day - 1) * DAY + rng.integers(10_001, 50_000, len(who))
    kind: Smalls = np.where(rest[who] > 0, CATEGORY["transfer_out"], CATEGORY["transfer_in"])
    journal.book(
        slots(who, POCKET_CURRENT),
        second,
        -rest[who],
        kind.astype(np.int8),
        _by_digital(book, who, "mobile", "atm", rng),
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
    _double(who, second, amount, category, channel, month, journal, rng)


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


def _double(
    who: Ints,
    second: Ints,
    amount: Ints,
    category: Smalls,
    channel: Smalls,
    month: Month,
    journal: Journal,
    rng: Generator,
) -> None:
    """A few purchases are booked twice and corrected some days later."""
    twice = (rng.random(len(who)) < 0.002) & (second < (month.days - 7) * DAY)
    slot, again = slots(who[twice], POCKET_CURRENT), second[twice] + 90
    journal.book(slot, again, -amount[twice], category[twice], channel[twice], automatic=True)
    later = again + rng.integers(1, 6, len(again)) * DAY
    journal.book(slot, later, amount[twice], "correction", "automatic", automatic=True)


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
    fee = np.where(dormant, 10_00, fee)
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
        _by_digital(book, who, "mobile", "branch", rng),
    )
