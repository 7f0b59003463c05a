"""The expected contribution of the next twelve months, month by month and product by product."""

from dataclasses import dataclass

import numpy as np

from data.simulation import cards
from data.simulation.book import Book
from data.simulation.chains import BEHIND_1, CLOSED, DISTRESSED, NEED
from data.simulation.columns import Floats, Ints, Smalls
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

    def of(self, who: Ints) -> "Ahead":
        """The same of some customers."""
        return Ahead(*(values[:, who] for values in vars(self).values()))


def expected_contribution(now: Now, outlook: Outlook, yearly: Floats) -> Floats:
    """TWD that each customer is expected to bring in the next twelve months.

    ``yearly`` are the chances to take up each product of ``TAKEN_UP`` within the take-up days.
    """
    book, ahead = now.book, _ahead(now, outlook)
    total = _accounts(now, outlook, ahead) + _investments(book, ahead)
    total += _loans(book, ahead) + _card(now, outlook, ahead)
    total += _new(book, ahead, yearly) + expected_from_debts(book, YEAR)
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
    who = np.flatnonzero(saves)
    total[who] += _savings(book, who, ahead.of(who))
    held: Floats = np.where(book.holds(CURRENT), total, 0.0)
    return held


def _savings(book: Book, who: Ints, ahead: Ahead) -> Floats:
    saved = book.cash[who, POCKET_SAVINGS].astype(float)
    target = ahead.liquid * (1 - book.traits.current_share[who])
    before, total = np.ones(len(who)), np.zeros(len(who))
    for k in range(YEAR):
        still = np.divide(ahead.staying[k], before, out=np.zeros(len(who)), where=before > HAIR)
        saved = SAVINGS_STAY * saved * still + (1 - SAVINGS_STAY) * target[k]
        before = ahead.staying[k]
        cost = COSTS[PLAIN[SAVINGS]] * ahead.began[k]
        total += saved * MARGINS[PLAIN[SAVINGS]] / 12 - cost
    return total


def _investments(book: Book, ahead: Ahead) -> Floats:
    total = np.zeros(len(book))
    months = np.arange(1, YEAR + 1)[:, None]
    for family in (DEPOSIT, WEALTH, FUND, INSURANCE):
        who = np.flatnonzero(book.holds(family))
        value = book.value[who, family] * (1 + GROWTH[family]) ** months
        if family == INSURANCE:
            value += book.traits.income[who] * PREMIUM * 100 * months
        if family == DEPOSIT:
            kept = np.where(months > book.left[who, DEPOSIT], ROLLED_OVER, 1.0)
        else:
            kept = (1 - REDEEMED[family]) ** (months - 1)
        product = book.product[who, family]
        gain = (value * MARGINS[product] / 12 - COSTS[product]) * kept * ahead.kept[:, who]
        total[who] += gain.sum(axis=0)
    return total


def _loans(book: Book, everybody: Ahead) -> Floats:
    total = np.zeros(len(book))
    months = np.arange(1, YEAR + 1)[:, None]
    for family in LENDING:
        who = np.flatnonzero(book.holds(family))
        ahead = everybody.of(who)
        value, instalment = book.value[who, family], book.instalment[who, family]
        rate, product = book.rate[who, family], book.product[who, family]
        owed = amortised(value, rate, instalment, months)
        safe = keeps_home(book)[who] & (family == MORTGAGE)
        there = ahead.began * np.where(safe, 1.0, _not_lost_before(ahead))
        there *= months <= book.left[who, family]
        gain = (owed * MARGINS[product] / 12 - COSTS[product]) * there
        paid = np.maximum(months - UNPAID_MONTHS, 0)
        unpaid = amortised(value, rate, instalment, paid)
        loss = np.where(safe, 0.0, _first_losses(ahead)) * unpaid
        loss *= _net_loss(book, who, family, unpaid)
        total[who] += (gain - loss).sum(axis=0)
    return total


def _net_loss(book: Book, who: Ints, family: int, owed: Floats) -> Floats:
    """Share of what ``who`` lose the bank in each month that is not recovered within the year."""
    back = [net_within(book, who, family, owed[k], YEAR - 1 - k) for k in range(YEAR)]
    share: Floats = 1 - np.stack(back)
    return share


def _not_lost_before(ahead: Ahead) -> Floats:
    earlier: Floats = 1 - np.concatenate([np.zeros_like(ahead.lost[:1]), ahead.lost[:-1]])
    return earlier


def _first_losses(ahead: Ahead) -> Floats:
    """Chance of the write-off in each month, of those still here."""
    losses: Floats = np.diff(ahead.lost, axis=0, prepend=0.0) * ahead.staying
    return losses


def _bought(now: Now, who: Ints, k: int) -> Floats:
    """Cents that ``who`` buy by card in a month ``k`` months ahead, on average."""
    month = month_after(now.month, k)
    t = now.book.traits
    some = -np.expm1(-cards.PURCHASES * np.exp(0.3 * t.engagement[who]))
    usual = t.income[who] * cards.SPENT_OF_INCOME * 100
    bought: Floats = usual * cards.YEAR[month.number - 1] * some * np.exp(0.3**2 / 2)
    return bought


def _card(now: Now, outlook: Outlook, everybody: Ahead) -> Floats:
    """The card's balance moves by purchases and the share of the statement that is paid."""
    book = now.book
    who = np.flatnonzero(book.holds(CARD))
    ahead, late = everybody.of(who), now.trouble(outlook.late)[:, who]
    owed, statement = -book.cash[who, POCKET_CARD].astype(float), book.statement[who].astype(float)
    limit, product = book.value[who, CARD], book.product[who, CARD]
    cut, revolving = (book.traits.due_day[who] + 10) / 30, book.traits.revolving[who]
    number, gained = book.customer[who], np.zeros(len(who))
    losses, there = _first_losses(ahead), ahead.began * _not_lost_before(ahead)
    for k in range(YEAR):
        share = revolving * _while_strained(book.trouble[who], cards.PAID_LESS, k)
        bought = _bought(now, who, k + 1) * _while_strained(book.trouble[who], cards.SPENT_MORE, k)
        bought = np.minimum(bought, np.maximum(0.97 * limit - owed, 0))
        interest = statement * (1 - share) * cards.CARD_RATE / 12
        left = owed - share * statement + interest
        statement = left + cut * bought
        owed = left + bought
        gain = owed * MARGINS[product] / 12 - COSTS[product] + cards.PENALTY * late[k]
        billed = (number % 12 + 1 == month_after(now.month, k + 1).number) & (number % 5 < 2)
        gained += (gain + billed * cards.ANNUAL_FEE) * there[k]
    lost = np.tile(_card_at_write_off(now, who), (YEAR, 1))
    gained -= (losses * lost * _net_loss(book, who, CARD, lost)).sum(axis=0)
    total = np.zeros(len(book))
    total[who] = gained
    return total


def _while_strained(trouble: Smalls, factor: Floats, k: int) -> Floats:
    """The factor of those short of money who are not behind, fading as they get out of it."""
    strained = np.where(trouble < BEHIND_1, factor[np.minimum(trouble, DISTRESSED)], 1.0)
    fading: Floats = 1 + (strained - 1) * STRAIN_KEPT**k
    return fading


def _card_at_write_off(now: Now, who: Ints) -> Floats:
    """What is owed on the card after the months of arrears that are still to come."""
    book = now.book
    coming = np.maximum(UNPAID_MONTHS - book.behind[who], 0)
    bought = np.where(book.behind[who] == 0, 1.5, 0.0) * _bought(now, who, 1)
    owed = np.minimum(-book.cash[who, POCKET_CARD] + bought, book.value[who, CARD])
    grown: Floats = owed * (1 + cards.CARD_RATE / 12 * coming) + cards.PENALTY * coming
    return grown


def _new(book: Book, ahead: Ahead, chances: Floats) -> Floats:
    """What may be taken up within the year, from the chance of the next take-up days."""
    total = np.zeros(len(book))
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
        product, free = PLAIN[family], ~book.holds(family) & (book.mood < CLOSED)
        without = (1 - np.minimum(chances[:, k], 0.9)) ** (365 / 12 / TAKE_UP_DAYS)
        never, held = np.ones(len(book)), np.zeros(len(book))
        for calm in ahead.calm:
            never *= without
            held += (1 - never) * calm
        total += free * held * (amount * 100 * MARGINS[product] / 12 - COSTS[product])
    return total
