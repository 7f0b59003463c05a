"""Credit cards: purchases, payment, interest, statements and arrears."""

import numpy as np
from numpy.random import Generator

from data.simulation.book import (
    LAST_SECOND,
    Book,
    Desk,
    accounts,
    close_accounts,
    next_morning,
    office_hours,
)
from data.simulation.chains import DISTRESSED, WRITTEN_OFF
from data.simulation.columns import Flags, Ints, Smalls, counts, money, stamps
from data.simulation.journal import (
    CATEGORY,
    CHANNEL,
    MERCHANTS,
    POCKET_CARD,
    POCKETS,
    Journal,
    slots,
)
from data.simulation.lending import GRACE, days_past_due, next_statement
from data.simulation.months import DAY, Month
from data.simulation.prices import CARD
from data.simulation.recoveries import hand_over

CARD_RATE = 0.13
PENALTY = 300_00
ANNUAL_FEE = 1_200_00
PURCHASES = 4.0
SPENT_OF_INCOME = 0.24
BLOCKED_FROM = 2
# By money trouble: sound, stretched, distressed.
SPENT_MORE = np.array([1.0, 1.2, 1.35])
PAID_LESS = np.array([1.0, 0.5, 0.3])
CATEGORIES_BOUGHT = ("shopping", "dining", "groceries", "travel", "utilities")
BOUGHT = np.array([0.34, 0.26, 0.2, 0.08, 0.12])
# Spending from January to December, before the weeks of Lunar New Year.
YEAR = np.array([1, 0.95, 0.95, 0.97, 1.0, 1.05, 1.12, 1.1, 0.98, 0.98, 1.08, 1.12])


def old_cards(book: Book, month: Month) -> Flags:
    """Cards that were there before this month."""
    old: Flags = book.holds(CARD) & (book.opened[:, CARD] < month.first_day)
    return old


def purchase(book: Book, month: Month, journal: Journal, rng: Generator) -> None:
    """Book what is bought by card."""
    using = book.holds(CARD) & (book.behind < BLOCKED_FROM) & (book.leaves > 0)
    using &= book.trouble < WRITTEN_OFF
    lively = np.exp(0.3 * book.traits.engagement) * np.minimum(1.2 - book.mood / 6, 1.0)
    rate = np.where(using, PURCHASES * np.maximum(lively, 0.1), 0.0)
    number = rng.poisson(rate * YEAR[month.number - 1] * (1 + 0.3 * month.festive))
    who = np.repeat(np.arange(len(book)), number)
    if not len(who):
        return
    budget = book.traits.income * SPENT_OF_INCOME * (1 + 0.15 * (book.borrow - 1.0))
    budget *= SPENT_MORE[np.minimum(book.trouble, DISTRESSED)]
    budget *= np.exp(0.3 * rng.standard_normal(len(book))) * YEAR[month.number - 1]
    room = np.maximum(book.value[:, CARD] * 0.97 + book.cash[:, POCKET_CARD], 0)
    budget = np.minimum(budget * 100, room)
    weight = np.exp(0.8 * rng.standard_normal(len(who)))
    total = np.bincount(who, weight, len(book))
    amount = np.floor(budget[who] * weight / total[who] / 100).astype(np.int64) * 100
    bought = rng.choice(len(BOUGHT), len(who), p=BOUGHT)
    category = np.array([CATEGORY[name] for name in CATEGORIES_BOUGHT], np.int8)[bought]
    online = rng.random(len(who)) < 0.2 + 0.5 * book.traits.digital[who]
    channel: Smalls = np.where(online, CHANNEL["online"], CHANNEL["card"]).astype(np.int8)
    second = moments_in(book, month, who, rng)
    merchant = (MERCHANTS * rng.random(len(who)) ** 3).astype(np.int64)
    journal.book(slots(who, POCKET_CARD), second, -amount, category, channel, counterparty=merchant)


def moments_in(book: Book, month: Month, who: Ints, rng: Generator) -> Ints:
    """Seconds into the month within the days on which each customer acts; weekends are busier."""
    chances = month.days_weighted((0.9, 0.9, 0.95, 1.0, 1.2, 1.3, 1.1))
    day = np.searchsorted(chances, rng.random(len(who)))
    day = np.clip(day, book.comes[who] - 1, np.maximum(book.leaves[who] - 1, book.comes[who] - 1))
    return day * DAY + rng.integers(3_600, LAST_SECOND - 600, len(who))


def settle(book: Book, month: Month, before: Ints, journal: Journal, rng: Generator) -> Ints:
    """Pay last month's statement; returns the cents that leave the current account.

    Those in arrears pay nothing, those who catch up pay all, revolvers pay their share.
    """
    old = old_cards(book, month) & (book.trouble < WRITTEN_OFF) & (book.leaves == month.days)
    tight = PAID_LESS[np.minimum(book.trouble, DISTRESSED)]
    share = np.where(before > 0, 1.0, book.traits.revolving * tight)
    due = np.maximum(book.statement, 0)
    paid = np.where(old & (book.behind == 0), np.rint(due * share / 100) * 100, 0.0)
    small = due < 1_000_00
    paid = np.where(small & old & (book.behind == 0), due, paid).astype(np.int64)
    who = np.flatnonzero(old)
    second = (book.traits.due_day[who] - 1) * DAY + rng.integers(3_600, 40_000, len(who))
    journal.book(
        slots(who, POCKET_CARD), second, paid[who], "card_payment", "other", automatic=True
    )
    unpaid = (due - paid)[who]
    later = second + GRACE * DAY
    interest = np.rint(unpaid * CARD_RATE / 12).astype(np.int64)
    journal.book(slots(who, POCKET_CARD), later, -interest, "interest", "automatic", automatic=True)
    penalty = np.where(book.behind[who] > 0, PENALTY, 0)
    journal.book(
        slots(who, POCKET_CARD),
        later + 60,
        -penalty,
        "penalty_interest",
        "automatic",
        automatic=True,
    )
    yearly = (book.customer[who] % 5 < 2) & (book.customer[who] % 12 + 1 == month.number)
    fee = np.where(yearly, ANNUAL_FEE, 0)
    journal.book(slots(who, POCKET_CARD), later + 120, -fee, "fee", "automatic", automatic=True)
    return paid


def write_statements(
    book: Book,
    months: list[Month],
    month: Month,
    paid: Ints,
    journal: Journal,
    desk: Desk,
) -> None:
    """Write the statements of the month, from the journal up to the statement's day."""
    who = np.flatnonzero(old_cards(book, month) & (book.leaves == month.days))
    who = who[book.trouble[who] < WRITTEN_OFF]
    moments = next_statement(book, month, who, desk.rng)
    cut = np.zeros(len(book), np.int64)
    cut[who] = (book.traits.due_day[who] + GRACE) * DAY
    owed = np.maximum(-book.cash[:, POCKET_CARD] - _booked_until(book, journal, cut), 0)
    book.statement[who] = owed[who]
    least = np.minimum(np.maximum(owed[who] // 10, 1_000_00), owed[who])
    columns = {
        "account_id": accounts(book.account[who, CARD]),
        "event_at": stamps(moments),
        "known_at": stamps(next_morning(moments, desk.rng)),
        "credit_limit": money(book.value[who, CARD].astype(np.int64)),
        "balance": money(owed[who]),
        "minimum_due": money(least),
        "paid": money(paid[who]),
        "days_past_due": counts(days_past_due(months, month, book.behind[who])),
    }
    desk.folder.put("statements", columns, "cards")


def _booked_until(book: Book, journal: Journal, cut: Ints) -> Ints:
    """Sum of each card's bookings before a second of the month."""
    slot, second = np.concatenate(journal.slot), np.concatenate(journal.second)
    amount = np.concatenate(journal.amount)
    early = (slot % POCKETS == POCKET_CARD) & (second < cut[slot // POCKETS])
    sums = np.bincount(slot[early] // POCKETS, amount[early], len(book))
    return sums.astype(np.int64)


def end_cards(book: Book, who: Ints, month: Month, journal: Journal, desk: Desk) -> None:
    """Close the cards of customers who leave; they pay what they owe."""
    _close(book, who, month, journal, written_off=False, desk=desk)


def write_off_cards(book: Book, who: Ints, month: Month, journal: Journal, desk: Desk) -> None:
    """Write off all that ``who`` owe on cards, close them and hand them to the collectors."""
    _close(book, who, month, journal, written_off=True, desk=desk)


def _close(
    book: Book, who: Ints, month: Month, journal: Journal, *, written_off: bool, desk: Desk
) -> None:
    who = who[book.holds(CARD)[who]]
    owed = -(book.cash + journal.totals(len(book)))[who, POCKET_CARD]
    day = np.maximum(book.leaves, 1)[who]
    lost = np.zeros(len(who), np.int64)
    if written_off:
        day = book.traits.due_day[who] + GRACE + 3
        lost = np.maximum(owed, 0)
        hand_over(book, who, CARD, lost.astype(np.float64), desk)
    second = (day - 1) * DAY + LAST_SECOND - 400
    journal.book(slots(who, POCKET_CARD), second, lost, "write_off", "automatic", automatic=True)
    journal.book(
        slots(who, POCKET_CARD),
        second + 60,
        owed - lost,
        "card_payment",
        "other",
        automatic=written_off,
    )
    moments = office_hours(month.first_day + day - 1, desk.rng)
    moments = np.maximum(moments, month.microseconds(second + 120))
    close_accounts(book, who, CARD, moments, "written_off" if written_off else "customer", desk)
    book.statement[who] = 0
