"""What is still collected after a write-off: payments of debtors, sales of homes, their costs."""

import numpy as np

from data.simulation.book import (
    ABSENT,
    Book,
    Desk,
    accounts,
    day_in,
    next_morning,
    office_hours,
)
from data.simulation.columns import Floats, Ints, constant, money, stamps, tokens
from data.simulation.months import Month
from data.simulation.prices import (
    CARD,
    CREDIT,
    LOAN,
    LOSS_GIVEN_DEFAULT,
    MORTGAGE,
    SYSTEM_OF,
)

UNSECURED = (CARD, LOAN)
MONTHS = 24
# Costs as a share of what is collected: an agency's commission; the court and the agent.
COMMISSION, SALE_COST = 0.20, 0.05
# The share of the debt that comes in, before costs, from a debtor in the middle.
COLLECTED = {family: (1 - LOSS_GIVEN_DEFAULT[family]) / (1 - COMMISSION) for family in UNSECURED}
# Most pay next to nothing or a large part: the smaller, the further apart.
AGREEMENT = 1.5
# Prudence of the usual debtor, around whom the shares spread.
USUAL_PRUDENCE, PULL = -1.0, 0.3
PAYS, UNEVEN = 0.8, 0.4
FIRST_SALE, LAST_SALE = 6, 18
# What a forced sale brings, as a share of the home's value: evenly between these.
LOWEST_PRICE, HIGHEST_PRICE = 0.5, 0.95

_weights = 0.93 ** np.arange(MONTHS)
# Shares of all that will be paid, and of the homes that will be sold, by months since the write-off.
PAID_BY = np.concatenate([[0.0], np.cumsum(_weights) / _weights.sum()])
SOLD_BY = np.clip((np.arange(LAST_SALE + 1) - FIRST_SALE + 1) / (LAST_SALE - FIRST_SALE + 1), 0, 1)


def share_collected(book: Book, who: Ints, family: int) -> Floats:
    """Expected share of an unsecured debt that each of ``who`` will pay, before costs."""
    person = 1 + PULL * np.tanh(book.traits.prudence[who] - USUAL_PRUDENCE)
    share: Floats = COLLECTED[family] * person
    return share


def hand_over(book: Book, who: Ints, family: int, owed: Floats, desk: Desk) -> None:
    """Hand what ``who`` owe in cents on accounts now written off to the collectors."""
    column = CREDIT.index(family)
    book.claim[who, column] = book.account[who, family]
    book.chased[who] = 0
    coming = owed
    if family != MORTGAGE:
        mean = share_collected(book, who, family)
        coming = owed * desk.rng.beta(AGREEMENT * mean, AGREEMENT * (1 - mean))
    book.promised[who, column] = np.rint(np.maximum(coming, 0))


def collect_debts(book: Book, month: Month, desk: Desk) -> None:
    """Write what is collected this month on debts written off before."""
    debtors = np.flatnonzero((book.claim >= 0).any(axis=1))
    book.chased[debtors] += 1
    for family in CREDIT:
        column = CREDIT.index(family)
        who = debtors[book.claim[debtors, column] >= 0]
        collect = _sell if family == MORTGAGE else _pay
        collect(book, who, column, month, desk)
        over = who[book.chased[who] >= (LAST_SALE if family == MORTGAGE else MONTHS)]
        book.claim[over, column] = ABSENT


def _pay(book: Book, who: Ints, column: int, month: Month, desk: Desk) -> None:
    """A month's payments: those who pay send more or less of what is due; the last month ends it."""
    chased = book.chased[who]
    due = (PAID_BY[chased] - PAID_BY[chased - 1]) / (1 - PAID_BY[chased - 1])
    size = desk.rng.uniform(1 - UNEVEN, 1 + UNEVEN, len(who)) / PAYS
    size *= desk.rng.random(len(who)) < PAYS
    size = np.where(chased == MONTHS, 1.0, size)
    paid = np.floor(book.promised[who, column] * np.minimum(due * size, 1.0))
    book.promised[who, column] -= paid
    _write(book, who, column, paid, COMMISSION, "payment", month, desk)


def _sell(book: Book, who: Ints, column: int, month: Month, desk: Desk) -> None:
    """Homes sold this month; the bank keeps what it is owed."""
    chased = book.chased[who]
    chance = (SOLD_BY[chased] - SOLD_BY[chased - 1]) / (1 - SOLD_BY[chased - 1])
    sold = who[desk.rng.random(len(who)) < chance]
    price = book.home[sold] * desk.rng.uniform(LOWEST_PRICE, HIGHEST_PRICE, len(sold))
    kept = np.rint(np.minimum(price, book.promised[sold, column]))
    _write(book, sold, column, kept, SALE_COST, "collateral", month, desk)
    book.claim[sold, column] = ABSENT
    book.promised[sold, column] = 0.0


def _write(
    book: Book,
    who: Ints,
    column: int,
    amount: Floats,
    cost: float,
    kind: str,
    month: Month,
    desk: Desk,
) -> None:
    """Write what was collected and its cost, at the same moment."""
    cents = amount.astype(np.int64)
    who, cents = who[cents > 0], cents[cents > 0]
    moments = office_hours(day_in(month, desk.rng.integers(2, 26, len(who))), desk.rng)
    learnt = next_morning(moments, desk.rng)
    spent = np.rint(cents * cost).astype(np.int64)
    for word, worth in ((kind, cents), ("cost", spent)):
        first = desk.folder.next_numbers("recoveries", len(who))
        columns = {
            "recovery_id": tokens("V", first + np.arange(len(who)), 12),
            "account_id": accounts(book.claim[who, column]),
            "event_at": stamps(moments),
            "known_at": stamps(learnt),
            "kind": constant(word, len(who)),
            "amount": money(worth),
        }
        desk.folder.put("recoveries", columns, SYSTEM_OF[CREDIT[column]])


def sale_share(home: Floats, owed: Floats) -> Floats:
    """Expected share of ``owed`` that the sale of each home brings, before costs."""
    covered = np.divide(owed, home, out=np.ones_like(owed), where=home > 0)
    covered = np.clip(covered, 1e-9, None)
    low, high = LOWEST_PRICE, HIGHEST_PRICE
    short = np.clip(covered, low, high)
    area = (short**2 - low**2) / 2 + covered * (high - short)
    share: Floats = np.minimum(area / (high - low) / covered, 1.0)
    return share


def net_within(book: Book, who: Ints, family: int, owed: Floats, months: int) -> Floats:
    """Expected share of what ``who`` owe recovered within months of a write-off, after its costs."""
    if family == MORTGAGE:
        done, whole, cost = (
            SOLD_BY[min(months, LAST_SALE)],
            sale_share(book.home[who], owed),
            SALE_COST,
        )
    else:
        done, whole = PAID_BY[min(months, MONTHS)], share_collected(book, who, family)
        cost = COMMISSION
    net: Floats = whole * done * (1 - cost)
    return net


def expected_from_debts(book: Book, months: int) -> Floats:
    """Cents, after costs, expected in the coming months on debts written off by now."""
    total = np.zeros(len(book))
    for column, family in enumerate(CREDIT):
        who = np.flatnonzero(book.claim[:, column] >= 0)
        chased, coming = book.chased[who], book.promised[who, column]
        by, cost = (SOLD_BY, SALE_COST) if family == MORTGAGE else (PAID_BY, COMMISSION)
        if family == MORTGAGE:
            coming = coming * sale_share(book.home[who], coming)
        then = by[np.minimum(chased + months, len(by) - 1)]
        total[who] += coming * (then - by[chased]) / (1 - by[chased]) * (1 - cost)
    return total
