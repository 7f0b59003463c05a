"""The expected contribution of the next twelve months, month by month and product by product."""

from dataclasses import dataclass

import numpy as np

from data.simulation import cards
from data.simulation.book import Book
from data.simulation.chains import BEHIND_1, CLOSED, DISTRESSED, NEED
from data.simulation.columns import Floats
from data.simulation.flows import DORMANT_FEE, FEE_PER_TRANSFER, TRANSFERS
from data.simulation.journal import POCKET_CARD, POCKET_SAVINGS
from data.simulation.lending import amortised, exposed, keeps_home
from data.simulation.life import REDEEMED, ROLLED_OVER
from data.simulation.months import month_after
from data.simulation.prices import (
    CARD,
    COSTS,
    CURRENT,
    DEPOSIT,
    FUND,
    INSURANCE,
    LENDING,
    LOAN,
    MARGINS,
    MORTGAGE,
    PLAIN,
    SAVINGS,
    TAKEN_UP,
    WEALTH,
)
from data.simulation.recoveries import expected_from_debts, net_within
from data.simulation.truth import TAKE_UP_DAYS, YEAR, Now, Outlook
from data.simulation.wealth import (
    BORROW_LIFT,
    FIRST_AMOUNT,
    GROWTH,
    INVEST_LIFT,
    PREMIUM,
    SAVINGS_STAY,
    SWING_KEPT,
    SWING_SPREAD,
)

HAIR = 1e-9
# From the first unpaid instalment to the write-off, about.
UNPAID_MONTHS = 8
# Of those short of money, the share that still is a month later, about.
STRAIN_KEPT = 0.93


@dataclass(frozen=True)
class Ahead:
    """What all products share, months by customers.

    ``began`` and ``kept`` tell of the month's first day what ``staying`` and ``calm`` tell of its
    last: an account counts in the month in which it is closed. ``lost`` is written off by then.
    """

    staying: Floats
    calm: Floats
    began: Floats
    kept: Floats
    lost: Floats
    liquid: Floats


def expected_contribution(now: Now, outlook: Outlook, yearly: Floats) -> Floats:
    """TWD that each customer is expected to bring in the next twelve months.

    ``yearly`` are the chances to take up each product of ``TAKEN_UP`` within the take-up days.
    """
    ahead = _ahead(now, outlook)
    total = _accounts(now, outlook, ahead) + _investments(now.book, ahead)
    total += _loans(now, outlook, ahead) + _card(now, outlook, ahead)
    total += _new(now.book, ahead, yearly) + expected_from_debts(now.book, YEAR)
    return total / 100


def _ahead(now: Now, outlook: Outlook) -> Ahead:
    book = now.book
    months = np.arange(1, YEAR + 1)[:, None]
    kept = SWING_KEPT**months
    spread = SWING_SPREAD**2 * (1 - kept**2) / (1 - SWING_KEPT**2)
    usual = np.exp(book.traits.wealth + kept * book.swing + spread / 2)
    owes = exposed(book)
    strain = np.where(owes, now.trouble(outlook.strain_owing), now.trouble(outlook.strain_free))
    liquid = usual * now.mood(outlook.rundown) * strain * 100
    need = np.eye(3)
    for k in range(YEAR):
        need = need @ NEED
        liquid[k] *= (need @ INVEST_LIFT)[book.invest] * (need @ BORROW_LIFT)[book.borrow]
    lost = np.where(owes, now.trouble(outlook.written_off), 0.0)
    staying, calm = now.mood(outlook.staying), now.mood(outlook.calm)
    return Ahead(staying, calm, _day_before(staying), _day_before(calm), lost, liquid)


def _day_before(chance: Floats) -> Floats:
    """The same a month earlier; today it is certain or out of the question."""
    start = np.ceil(chance[:1])
    earlier: Floats = np.concatenate([start, chance[:-1]])
    return earlier


def _accounts(now: Now, outlook: Outlook, ahead: Ahead) -> Floats:
    """Current account and savings, with the fees for transfers."""
    book = now.book
    saves = book.holds(SAVINGS)
    share = np.where(saves, book.traits.current_share, 1.0)
    margin = MARGINS[book.product[:, CURRENT]] / 12
    closed = now.mood(outlook.closed)
    alive = 1.0 - np.concatenate([np.zeros((1, len(book))), closed[:-1]])
    rest = (ahead.staying < HAIR) & (book.mood > CLOSED)
    current = np.where(rest, book.cash[:, 0], ahead.liquid * share)
    total = (current * margin - alive * COSTS[book.product[:, CURRENT]]).sum(axis=0)
    sent = TRANSFERS * np.exp(0.7 * book.traits.price) * FEE_PER_TRANSFER
    total += (ahead.staying * sent).sum(axis=0)
    total += rest.sum(axis=0) * DORMANT_FEE
    saved = book.cash[:, POCKET_SAVINGS].astype(float)
    before = np.ones(len(book))
    for k in range(YEAR):
        still = np.divide(ahead.staying[k], before, out=np.zeros(len(book)), where=before > HAIR)
        target = ahead.liquid[k] * (1 - share)
        saved = SAVINGS_STAY * saved * still + (1 - SAVINGS_STAY) * target
        before = ahead.staying[k]
        cost = COSTS[PLAIN[SAVINGS]] * ahead.began[k]
        total += np.where(saves, saved * MARGINS[PLAIN[SAVINGS]] / 12 - cost, 0.0)
    held: Floats = np.where(book.holds(CURRENT), total, 0.0)
    return held


def _investments(book: Book, ahead: Ahead) -> Floats:
    total = np.zeros(len(book))
    months = np.arange(1, YEAR + 1)[:, None]
    for family in (DEPOSIT, WEALTH, FUND, INSURANCE):
        value = book.value[:, family] * (1 + GROWTH[family]) ** months
        if family == INSURANCE:
            value += book.traits.income * PREMIUM * 100 * months
        if family == DEPOSIT:
            kept = np.where(months > book.left[:, DEPOSIT], ROLLED_OVER, 1.0)
        else:
            kept = (1 - REDEEMED[family]) ** (months - 1)
        product = book.product[:, family]
        gain = (value * MARGINS[product] / 12 - COSTS[product]) * kept * ahead.kept
        total += np.where(book.holds(family), gain.sum(axis=0), 0.0)
    return total


def _loans(now: Now, outlook: Outlook, ahead: Ahead) -> Floats:
    book = now.book
    total = np.zeros(len(book))
    months = np.arange(1, YEAR + 1)[:, None]
    for family in LENDING:
        held = book.holds(family)
        rate = np.where(held, book.rate[:, family], 0.02)
        owed = amortised(book.value[:, family], rate, book.instalment[:, family], months)
        safe = keeps_home(book) & (family == MORTGAGE)
        there = ahead.began * np.where(safe, 1.0, _not_lost_before(ahead))
        there *= months <= book.left[:, family]
        product = book.product[:, family]
        gain = (owed * MARGINS[product] / 12 - COSTS[product]) * there
        paid = np.maximum(months - UNPAID_MONTHS, 0)
        unpaid = amortised(book.value[:, family], rate, book.instalment[:, family], paid)
        loss = np.where(safe, 0.0, _first_losses(ahead)) * unpaid * _net_loss(book, family, unpaid)
        total += np.where(held, (gain - loss).sum(axis=0), 0.0)
    return total


def _net_loss(book: Book, family: int, owed: Floats) -> Floats:
    """Share of what is written off in each month that is not recovered within the year."""
    back = [net_within(book, family, owed[k], YEAR - 1 - k) for k in range(YEAR)]
    share: Floats = 1 - np.stack(back)
    return share


def _not_lost_before(ahead: Ahead) -> Floats:
    earlier: Floats = 1 - np.concatenate([np.zeros_like(ahead.lost[:1]), ahead.lost[:-1]])
    return earlier


def _first_losses(ahead: Ahead) -> Floats:
    """Chance of the write-off in each month, of those still here."""
    losses: Floats = np.diff(ahead.lost, axis=0, prepend=0.0) * ahead.staying
    return losses


def _bought(now: Now, k: int) -> Floats:
    """Cents bought by card in a month ``k`` months ahead, on average."""
    month = month_after(now.month, k)
    t = now.book.traits
    some = -np.expm1(-cards.PURCHASES * np.exp(0.3 * t.engagement))
    bought: Floats = t.income * cards.SPENT_OF_INCOME * 100 * cards.YEAR[month.number - 1] * some
    mean: Floats = bought * np.exp(0.3**2 / 2)
    return mean


def _card(now: Now, outlook: Outlook, ahead: Ahead) -> Floats:
    """The card's balance moves by purchases and the share of the statement that is paid."""
    book = now.book
    owed, statement = -book.cash[:, POCKET_CARD].astype(float), book.statement.astype(float)
    cut = (book.traits.due_day + 10) / 30
    product, total = book.product[:, CARD], np.zeros(len(book))
    late = now.trouble(outlook.late)
    losses, there = _first_losses(ahead), ahead.began * _not_lost_before(ahead)
    for k in range(YEAR):
        share = book.traits.revolving * _while_strained(book, cards.PAID_LESS, k)
        bought = _bought(now, k + 1) * _while_strained(book, cards.SPENT_MORE, k)
        bought = np.minimum(bought, np.maximum(0.97 * book.value[:, CARD] - owed, 0))
        interest = statement * (1 - share) * cards.CARD_RATE / 12
        left = owed - share * statement + interest
        statement = left + cut * bought
        owed = left + bought
        gain = owed * MARGINS[product] / 12 - COSTS[product] + cards.PENALTY * late[k]
        billed = (book.customer % 12 + 1 == month_after(now.month, k + 1).number) & (
            book.customer % 5 < 2
        )
        total += (gain + billed * cards.ANNUAL_FEE) * there[k]
    lost = np.tile(_card_at_write_off(now), (YEAR, 1))
    total -= (losses * lost * _net_loss(book, CARD, lost)).sum(axis=0)
    held: Floats = np.where(book.holds(CARD), total, 0.0)
    return held


def _while_strained(book: Book, factor: Floats, k: int) -> Floats:
    """The factor of those short of money who are not behind, fading as they get out of it."""
    strained = np.where(book.trouble < BEHIND_1, factor[np.minimum(book.trouble, DISTRESSED)], 1.0)
    fading: Floats = 1 + (strained - 1) * STRAIN_KEPT**k
    return fading


def _card_at_write_off(now: Now) -> Floats:
    """What is owed on the card after the months of arrears that are still to come."""
    book = now.book
    coming = np.maximum(UNPAID_MONTHS - book.behind, 0)
    bought = np.where(book.behind == 0, 1.5, 0.0) * _bought(now, 1)
    owed = np.minimum(-book.cash[:, POCKET_CARD] + bought, book.value[:, CARD])
    grown: Floats = owed * (1 + cards.CARD_RATE / 12 * coming) + cards.PENALTY * coming
    return grown


def _new(book: Book, ahead: Ahead, chances: Floats) -> Floats:
    """What may be taken up within the year, from the chance of the next take-up days."""
    total = np.zeros(len(book))
    months = np.arange(1, YEAR + 1)[:, None]
    usual = np.exp(book.traits.wealth + book.swing)
    eager = np.exp(-0.25 * book.traits.prudence)
    amounts = {
        CARD: book.traits.income * cards.SPENT_OF_INCOME / book.traits.revolving**0.5,
        LOAN: book.traits.income * 8 * eager * 0.9,
        MORTGAGE: book.traits.income * 95,
    }
    for k, family in enumerate(TAKEN_UP):
        if family in FIRST_AMOUNT:
            low, high, least = FIRST_AMOUNT[family]
            amount = np.maximum(usual * (low + high) / 2, least)
        else:
            amount = amounts[family]
        rate = -np.log1p(-np.minimum(chances[:, k], 0.9)) * 365 / 12 / TAKE_UP_DAYS
        held = -np.expm1(-rate * months) * ahead.calm
        product = PLAIN[family]
        gain = held * (amount * 100 * MARGINS[product] / 12 - COSTS[product])
        free = ~book.holds(family) & (book.mood < CLOSED)
        total += np.where(free, gain.sum(axis=0), 0.0)
    return total
