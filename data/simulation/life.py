"""One month in the lives of the customers: states move, products are taken up and given up."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from data.simulation.applications import apply_for, refuse
from data.simulation.book import (
    Book,
    Desk,
    close_accounts,
    day_in,
    empty_book,
    office_hours,
    open_accounts,
)
from data.simulation.chains import (
    BEHIND_1,
    CLOSED,
    FADING,
    LEAVING_2,
    MACRO_LEVELS,
    NEED,
    SILENT,
    SILENT_1,
    draw,
    mood_matrix,
    settled,
    step,
    step_alike,
    trouble_matrix,
)
from data.simulation.columns import Flags, Floats, Ints, Smalls
from data.simulation.demand import (
    BORROWED,
    MOOD_PULL,
    NEEDS,
    base_hazards,
    macro_pull,
    season,
    trouble_pull,
)
from data.simulation.lending import exposed, granted, set_terms, write_loans
from data.simulation.months import Month
from data.simulation.prices import (
    CARD,
    CREDIT,
    CURRENT,
    DEPOSIT,
    FUND,
    INSURANCE,
    INVESTMENTS,
    LENDING,
    SAVINGS,
    TAKEN_UP,
    WEALTH,
)
from data.simulation.records import Registry
from data.simulation.touches import accept
from data.simulation.traits import Traits
from data.simulation.wealth import invested

DORMANT_AT_START = 0.04
SAVERS = 0.72
# Months of the usual hazard that have filled the shelves before the extract begins.
YEARS_OF_TAKE_UP = {DEPOSIT: 24, WEALTH: 40, FUND: 40, INSURANCE: 60, CARD: 120}
MONTHS_OF_LENDING = 36
REDEEMED = {WEALTH: 0.012, FUND: 0.011, INSURANCE: 0.003}
DEPOSIT_TERM = 12
ROLLED_OVER = 0.68
STAGES = ("submitted", "approved", "refused", "withdrawn")


@dataclass(frozen=True)
class Chances:
    """Transition matrices of a chunk: mood, and trouble by level of the economy."""

    mood: Floats
    trouble: Floats


def chances(traits: Traits) -> Chances:
    """The matrices of the customers."""
    stack = [trouble_matrix(traits.frail, float(z)) for z in MACRO_LEVELS]
    return Chances(mood_matrix(traits.restless), np.stack(stack))


def found(
    registry: Registry, traits: Traits, chance: Chances, month: Month, rng: Generator
) -> Book:
    """The book on the eve of the extract: those who came before it, in settled states."""
    book = empty_book(registry, traits, month)
    n = len(book)
    book.here = traits.joined < month.first_day
    mood = draw(settled(chance.mood, CLOSED), rng)
    dormant = rng.random(n) < DORMANT_AT_START
    book.mood = np.where(book.here, np.where(dormant, SILENT, mood), 0).astype(np.int8)
    trouble = draw(settled(chance.trouble[-1], BEHIND_1), rng)
    book.trouble = np.where(book.here, trouble, 0).astype(np.int8)
    need = draw(np.tile(settled(NEED[..., None], 3), (n, 1)), rng)
    book.invest, book.borrow = need, draw(np.tile(settled(NEED[..., None], 3), (n, 1)), rng)
    book.swing = 0.14 * rng.standard_normal(n)
    return book


def shelves(book: Book, month: Month, desk: Desk) -> None:
    """Open, at their true dates before the extract, the accounts held at its start."""
    t = book.traits
    active = book.here & (book.mood < CLOSED)
    _past(book, CURRENT, book.here, t.joined, desk)
    _past(book, SAVINGS, active & (desk.rng.random(len(book)) < SAVERS), t.joined, desk)
    hazard = base_hazards(t, book.age)
    since = month.first_day - t.joined
    for k, family in enumerate(TAKEN_UP):
        months = YEARS_OF_TAKE_UP.get(family, MONTHS_OF_LENDING)
        if family in LENDING:
            months = months if family == LENDING[0] else 2 * months
        some = desk.rng.random(len(book)) < -np.expm1(-hazard[:, k] * months)
        age_days = np.minimum(since, months * 30) * desk.rng.random(len(book))
        opened = month.first_day - 1 - age_days.astype(np.int64)
        book.mood = np.where(some & active & (book.mood >= LEAVING_2), 0, book.mood)
        _past(book, family, some & active, opened, desk)
    _age_loans(book, month)


def _past(book: Book, family: int, mask: Flags, opened: Ints, desk: Desk) -> None:
    who = np.flatnonzero(mask)
    moments = office_hours(opened[who], desk.rng)
    open_accounts(book, who, family, moments, desk)
    _fill(book, family, who, moments, desk)


def _fill(book: Book, family: int, who: Ints, moments: Ints, desk: Desk) -> None:
    """Put the first amount into new accounts, or lend it."""
    if family in INVESTMENTS:
        book.value[who, family] = invested(book, family, who, desk.rng)
        book.left[who, family] = DEPOSIT_TERM
    elif family in CREDIT:
        book.value[who, family] = granted(book, family, who, desk.rng)
        if family in LENDING:
            set_terms(book, family, who, desk.rng)
            write_loans(book, family, who, moments, desk)


def _age_loans(book: Book, month: Month) -> None:
    """Bring the loans and deposits held at the start to where they stand by now."""
    for family in (*LENDING, DEPOSIT):
        who = np.flatnonzero(book.holds(family))
        months = (month.first_day - book.opened[who, family]) // 31
        if family == DEPOSIT:
            book.left[who, family] = DEPOSIT_TERM - months % DEPOSIT_TERM
            continue
        months = np.minimum(months, book.left[who, family] - 1)
        rate, pay = book.rate[who, family] / 12, book.instalment[who, family]
        growth = (1 + rate) ** months
        book.value[who, family] = book.value[who, family] * growth - pay * (growth - 1) / rate
        book.left[who, family] -= months


def advance(book: Book, chance: Chances, month: Month, economy: int, rng: Generator) -> None:
    """Move every hidden state by a month; newcomers come in as they are."""
    t = book.traits
    before = book.mood.copy()
    book.age = t.age(month)
    stays = book.here.copy()
    book.mood = np.where(stays, step(chance.mood, book.mood, rng), book.mood).astype(np.int8)
    trouble = step(chance.trouble[economy], book.trouble, rng)
    unlent = ~exposed(book) & (trouble >= BEHIND_1) & (book.trouble < BEHIND_1)
    trouble = np.where(unlent, book.trouble, trouble)
    book.trouble = np.where(stays, trouble, book.trouble).astype(np.int8)
    book.invest = step_alike(NEED, book.invest, rng)
    book.borrow = step_alike(NEED, book.borrow, rng)
    book.here = stays | (t.joined < month.first_day + month.days)
    _days(book, before, month, rng)
    _salary_moves(book, rng)


def _days(book: Book, before: Smalls, month: Month, rng: Generator) -> None:
    """The days on which each customer acts: newcomers from, leavers until."""
    new = (book.traits.joined >= month.first_day) & book.here
    book.comes = np.where(new, book.traits.joined - month.first_day + 2, 1)
    gone = (book.mood == CLOSED) & (before != CLOSED)
    fades = book.mood == FADING
    leaves = np.full(len(book), month.days, np.int64)
    leaves[gone] = rng.integers(12, 26, int(gone.sum()))
    leaves[fades] = rng.integers(3, 28, int(fades.sum()))
    away = ~book.here | (book.mood >= SILENT_1) | ((book.mood == CLOSED) & ~gone)
    book.leaves = np.where(away, 0, leaves)


def _salary_moves(book: Book, rng: Generator) -> None:
    """The salary goes to another bank early in a farewell, and returns with the customer."""
    off = np.array([0.002, 0.006, 0.02, 0.45, 0.6, 0.7, 1, 1, 1, 1, 1])[book.mood]
    back = np.array([0.15, 0.1, 0.05, 0, 0, 0, 0, 0, 0, 0, 0])[book.mood]
    luck = rng.random(len(book))
    here = np.where(book.paid_here, luck >= off, luck < back)
    book.paid_here = here & book.traits.works


def welcome(book: Book, month: Month, desk: Desk) -> None:
    """Open the first accounts of those who come this month."""
    new = (book.traits.joined >= month.first_day) & book.here & (book.used == 0)
    _past(book, CURRENT, new, book.traits.joined, desk)
    _past(book, SAVINGS, new & (desk.rng.random(len(book)) < SAVERS), book.traits.joined, desk)


def give_up(book: Book, month: Month, desk: Desk) -> Flags:
    """Close investments that mature, are redeemed or liquidated; returns where, by family."""
    closed = np.zeros((len(book), 9), np.bool_)
    days = desk.rng.integers(1, month.days + 1, len(book))
    days = np.where(book.leaves > 0, np.minimum(days, np.maximum(book.leaves, 1)), days)
    book.proceeds, book.proceeds_day = np.zeros(len(book), np.int64), days
    for family in INVESTMENTS:
        held = book.holds(family)
        leaving = held & (book.mood >= LEAVING_2) & (book.mood != SILENT)
        if family == DEPOSIT:
            book.left[:, family] -= held
            due = held & (book.left[:, family] <= 0)
            ends = due & (desk.rng.random(len(book)) >= ROLLED_OVER)
            book.left[due & ~ends, family] = DEPOSIT_TERM
        else:
            ends = held & (desk.rng.random(len(book)) < REDEEMED[family])
        sold = np.where(leaving | ends, np.rint(book.value[:, family]), 0)
        book.proceeds += sold.astype(np.int64)
        for mask, reason in ((leaving, "customer"), (ends & ~leaving, _reason(family))):
            who = np.flatnonzero(mask)
            moments = office_hours(day_in(month, days[who]), desk.rng)
            close_accounts(book, who, family, moments, reason, desk)
        closed[:, family] = leaving | ends
    return closed


def _reason(family: int) -> str:
    return "matured" if family == DEPOSIT else "customer"


def take_up(book: Book, month: Month, economy: int, closed: Flags, desk: Desk) -> Flags:
    """Open what customers take up this month; returns who took up what, by ``TAKEN_UP``."""
    base = base_hazards(book.traits, book.age)
    taken = np.zeros(base.shape, np.bool_)
    old = book.here & (book.traits.joined < month.first_day)
    for k, family in enumerate(TAKEN_UP):
        need = book.borrow if family in BORROWED else book.invest
        hazard = base[:, k] * NEEDS[family][need] * MOOD_PULL[book.mood]
        hazard *= trouble_pull(family)[book.trouble] * macro_pull(family)[economy]
        hazard *= season(family, month.number)
        hazard *= np.exp(book.traits.persuadable[:, k] * (book.urged[:, k] > 0))
        takes = desk.rng.random(len(book)) < -np.expm1(-hazard)
        takes &= old & ~book.holds(family) & ~closed[:, family]
        taken[:, k] = takes
        who = np.flatnonzero(takes)
        fresh = book.urged[who, k] == 3
        day = np.where(fresh, desk.rng.integers(6, month.days + 1, len(who)), 0)
        day = np.where(fresh, day, desk.rng.integers(1, month.days + 1, len(who)))
        moments = office_hours(day_in(month, day), desk.rng)
        open_accounts(book, who, family, moments, desk)
        _fill(book, family, who, moments, desk)
        apply_for(book, family, who, moments, "approved", month, desk)
        accept(book, k, who, moments, month, desk)
        refuse(book, family, month, desk)
    return taken
