"""Loans: granting, monthly repayment, arrears, default, write-off and collateral."""

import numpy as np
from numpy.random import Generator

from data.simulation.book import (
    ACCOUNT_DIGITS,
    Book,
    Desk,
    accounts,
    close_accounts,
    day_in,
    minutes_later,
    next_morning,
    office_hours,
)
from data.simulation.chains import BEHIND_1, WRITTEN_OFF
from data.simulation.columns import (
    Arrow,
    Flags,
    Floats,
    Ints,
    constant,
    counts,
    money,
    ratio,
    stamps,
    tokens,
)
from data.simulation.months import Month
from data.simulation.prices import CARD, CREDIT, LENDING, LOAN, MORTGAGE
from data.simulation.recoveries import hand_over

GRACE = 10
TERMS = {LOAN: np.array([24, 36, 48, 60, 84]), MORTGAGE: np.array([240, 360])}
WHOLE = 10_000 * 100


def exposed(book: Book) -> Flags:
    """Who owes or may owe the bank something."""
    return np.asarray(book.held[:, CREDIT].any(axis=1), np.bool_)


def granted(book: Book, family: int, who: Ints, rng: Generator) -> Floats:
    """Cents lent; the imprudent borrow more."""
    t = book.traits
    eager = np.exp(-0.25 * t.prudence[who])
    incomes, least, most = {
        CARD: ((1.5, 4.5), 3, 100),
        LOAN: ((3.0, 13.0), 5, 200),
        MORTGAGE: ((60.0, 130.0), 200, 2_000),
    }[family]
    amount = t.income[who] * rng.uniform(*incomes, len(who))
    amount = amount if family == MORTGAGE else amount * eager
    lent: Floats = np.clip(np.rint(amount * 100 / WHOLE), least, most) * WHOLE
    return lent


def set_terms(book: Book, family: int, who: Ints, rng: Generator) -> None:
    """Term, rate and instalment of new loans."""
    fair = 0.085 - 0.012 * book.traits.prudence[who] - 0.008 * book.traits.affluence[who]
    rate = np.clip(fair + 0.008 * rng.standard_normal(len(who)), 0.03, 0.15)
    if family == MORTGAGE:
        rate = 0.0205 + 0.003 * rng.random(len(who))
    rate = np.rint(rate * 1e4) / 1e4
    term = rng.choice(TERMS[family], len(who))
    monthly = rate / 12
    instalment = book.value[who, family] * monthly / (1 - (1 + monthly) ** -term)
    book.rate[who, family] = rate
    book.left[who, family] = term
    book.instalment[who, family] = np.ceil(instalment / 100) * 100


def write_loans(book: Book, family: int, who: Ints, moments: Ints, desk: Desk) -> None:
    """Write the grant of loans that stand in the book at their opening."""
    number = book.account[who, family]
    columns = {
        "loan_id": loans(number),
        "account_id": accounts(number),
        "event_at": stamps(moments),
        "known_at": stamps(minutes_later(moments, desk.rng)),
        "amount": money(np.rint(book.value[who, family]).astype(np.int64)),
        "term_months": counts(book.left[who, family]),
        "instalment": money(np.rint(book.instalment[who, family]).astype(np.int64)),
        "rate": ratio(book.rate[who, family]),
    }
    desk.folder.put("loans", columns)
    if family == MORTGAGE:
        worth = book.value[who, family] / desk.rng.uniform(0.55, 0.85, len(who))
        book.home[who] = np.rint(worth / WHOLE) * WHOLE
        write_collateral(number, book.home[who], moments, desk)


def write_collateral(number: Ints, worth: Floats, moments: Ints, desk: Desk) -> None:
    """Write a valuation of the homes behind mortgages."""
    columns = {
        "collateral_id": tokens("H", number, ACCOUNT_DIGITS),
        "loan_id": loans(number),
        "event_at": stamps(moments),
        "known_at": stamps(minutes_later(moments, desk.rng)),
        "kind": constant("real_estate", len(number)),
        "value": money(worth.astype(np.int64)),
    }
    desk.folder.put("collateral", columns)


def loans(numbers: Ints) -> Arrow:
    """Loan identifiers, from the numbers of their accounts."""
    return tokens("L", numbers, ACCOUNT_DIGITS)


def amortised(owed: Floats, rate: Floats, instalment: Floats, paid: Ints) -> Floats:
    """What is owed after a number of instalments; any rate above zero."""
    growth = (1 + rate / 12) ** paid
    left: Floats = np.maximum(owed * growth - instalment * (growth - 1) / (rate / 12), 0.0)
    return left


def fall_behind(book: Book) -> Ints:
    """Count the unpaid instalments of this month and return those of the month before."""
    before = book.behind.copy()
    late = (book.trouble >= BEHIND_1) & (book.trouble < WRITTEN_OFF)
    book.behind = np.where(late, before + 1, 0)
    return before


def keeps_home(book: Book) -> Flags:
    """Whose mortgage is paid whatever happens to their other debts: it comes before them."""
    other = book.holds(CARD) | book.holds(LOAN) | (book.chased >= 0)
    keeps: Flags = book.holds(MORTGAGE) & other
    return keeps


def behind_with(book: Book, family: int, unpaid: Ints) -> Ints:
    """Instalments behind with one family."""
    return np.where(keeps_home(book), 0, unpaid) if family == MORTGAGE else unpaid


def days_past_due(months: list[Month], month: Month, unpaid: Ints) -> Ints:
    """Days between the oldest unpaid due date and the statement, which is ten days after."""
    first = np.array([m.first_day for m in months[: month.index + 1]], np.int64)
    oldest = first[np.clip(month.index - unpaid + 1, 0, month.index)]
    return np.where(unpaid > 0, month.first_day - oldest + GRACE, 0)


def repay(book: Book, months: list[Month], month: Month, before: Ints, desk: Desk) -> Ints:
    """Run the month's instalments; returns the cents paid by customer and lending family."""
    paid = np.zeros((len(book), len(LENDING)), np.int64)
    for column, family in enumerate(LENDING):
        running = book.holds(family) & (book.opened[:, family] < month.first_day)
        pays = book.trouble < WRITTEN_OFF
        if family == MORTGAGE:
            pays |= keeps_home(book)
        who = np.flatnonzero(running & pays & (book.leaves == month.days))
        unpaid = behind_with(book, family, book.behind)[who]
        earlier = behind_with(book, family, before)[who]
        number = np.where(unpaid == 0, earlier + 1, np.maximum(earlier + 1 - unpaid, 0))
        number = np.minimum(number, book.left[who, family])
        owed = amortised(
            book.value[who, family], book.rate[who, family], book.instalment[who, family], number
        )
        book.left[who, family] -= number
        book.value[who, family] = np.where(book.left[who, family] > 0, owed, 0.0)
        paid[who, column] = np.rint(number * book.instalment[who, family]).astype(np.int64)
        moments = next_statement(book, month, who, desk.rng)
        columns = {
            "loan_id": loans(book.account[who, family]),
            "event_at": stamps(moments),
            "known_at": stamps(next_morning(moments, desk.rng)),
            "due": money(np.rint(book.instalment[who, family]).astype(np.int64)),
            "paid": money(paid[who, column]),
            "outstanding": money(np.rint(book.value[who, family]).astype(np.int64)),
            "days_past_due": counts(days_past_due(months, month, unpaid)),
        }
        desk.folder.put("repayments", columns)
        done = who[book.left[who, family] <= 0]
        end_loans(book, family, done, moments[book.left[who, family] <= 0], desk)
    return paid


def next_statement(book: Book, month: Month, who: Ints, rng: Generator) -> Ints:
    """The statement of the month as a moment: ten days after the instalment was due."""
    return office_hours(day_in(month, book.traits.due_day[who] + GRACE), rng)


def end_loans(book: Book, family: int, who: Ints, moments: Ints, desk: Desk) -> None:
    """Close loans that are repaid."""
    _outcome(book, family, who, moments, "repaid", np.zeros(len(who)), desk)
    close_accounts(book, who, family, moments, "repaid", desk)


def write_off(book: Book, who: Ints, month: Month, desk: Desk) -> None:
    """Write off what ``who`` owe on loans, close them and hand them to the collectors."""
    keeps = keeps_home(book)[who]
    moments = office_hours(day_in(month, book.traits.due_day[who] + GRACE + 3), desk.rng)
    for family in LENDING:
        some = book.holds(family)[who]
        if family == MORTGAGE:
            some &= ~keeps
        owing = who[some]
        loss = np.rint(book.value[owing, family])
        _outcome(book, family, owing, moments[some], "written_off", loss, desk)
        hand_over(book, owing, family, loss, desk)
        close_accounts(book, owing, family, moments[some], "written_off", desk)


def _outcome(
    book: Book,
    family: int,
    who: Ints,
    moments: Ints,
    status: str,
    loss: Floats,
    desk: Desk,
) -> None:
    if not len(who):
        return
    columns = {
        "loan_id": loans(book.account[who, family]),
        "event_at": stamps(moments),
        "known_at": stamps(minutes_later(moments, desk.rng)),
        "status": constant(status, len(who)),
        "loss": money(np.rint(loss).astype(np.int64)),
    }
    desk.folder.put("loan_outcomes", columns)
