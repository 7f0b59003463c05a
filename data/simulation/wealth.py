"""The money customers keep at the bank: what moves it, and how much they hold of what."""

import numpy as np
from numpy.random import Generator

from data.simulation.book import Book
from data.simulation.chains import MOODS, TROUBLES
from data.simulation.columns import Floats, Ints
from data.simulation.months import Month
from data.simulation.prices import DEPOSIT, FUND, INSURANCE, WEALTH

# Liquid money by mood: it runs down while customers leave.
RUNDOWN = np.array([1.0, 0.68, 0.5, 0.34, 0.2, 0.1, 0, 0, 0, 0, 0])
STRAIN = np.array([1, 0.4, 0.25, 0.25, 0.28, 0.27, 0.25, 0.2, 0.2, 0.2, 0.2, 0.3])
INVEST_LIFT = np.array([0.8, 1.0, 1.6])
BORROW_LIFT = np.array([1.15, 1.0, 0.55])
assert len(RUNDOWN) == MOODS and len(STRAIN) == TROUBLES  # noqa: PT018

SWING_KEPT, SWING_SPREAD = 0.96, 0.04
NOISE_CURRENT, NOISE_SAVINGS = 0.25, 0.08
GROWTH = {DEPOSIT: 0.0, WEALTH: 0.003, FUND: 0.005, INSURANCE: 0.0015}
SPREAD = {WEALTH: 0.015, FUND: 0.04}
MARKET = 0.03
PREMIUM = 0.04
SAVINGS_STAY = 0.35
# First amount as a share of the usual liquid money, from and to, and the least in TWD.
FIRST_AMOUNT = {
    DEPOSIT: (0.3, 1.1, 10_000),
    WEALTH: (0.4, 1.4, 300_000),
    FUND: (0.15, 0.6, 10_000),
    INSURANCE: (0.1, 0.3, 20_000),
}
DEPOSIT_RATE = 0.016


def swing(book: Book, rng: Generator) -> None:
    """Let the liquid money of each customer drift around its usual level."""
    book.swing = SWING_KEPT * book.swing + SWING_SPREAD * rng.standard_normal(len(book))


def level(book: Book) -> Floats:
    """Liquid money in TWD that each customer would like to keep here this month."""
    usual = np.exp(book.traits.wealth + book.swing)
    pull = RUNDOWN[book.mood] * STRAIN[book.trouble]
    wished: Floats = usual * pull * INVEST_LIFT[book.invest] * BORROW_LIFT[book.borrow]
    return wished


def _even(noise: float, rng: Generator, count: int) -> Floats:
    """Noise that multiplies and has mean one."""
    drawn: Floats = np.exp(noise * rng.standard_normal(count) - noise**2 / 2)
    return drawn


def targets(book: Book, rng: Generator) -> tuple[Ints, Ints]:
    """Cents that shall lie on current account and savings at the end of the month."""
    wished = level(book) * 100
    share = np.where(book.account[:, 1] >= 0, book.traits.current_share, 1.0)
    current = wished * share * _even(NOISE_CURRENT, rng, len(book))
    saved = wished * (1 - share) * _even(NOISE_SAVINGS, rng, len(book))
    return current.astype(np.int64) // 100 * 100, saved.astype(np.int64) // 100 * 100


def grow(book: Book, market: float, rng: Generator) -> None:
    """Move the value of investments by a month; ``market`` is the common shock."""
    for family in (WEALTH, FUND):
        own = SPREAD[family] * rng.standard_normal(len(book))
        shock = own + MARKET * market * (1.0 if family == FUND else 0.4)
        variance = SPREAD[family] ** 2 + (MARKET * (1.0 if family == FUND else 0.4)) ** 2
        book.value[:, family] *= np.exp(GROWTH[family] + shock - variance / 2)
    held = book.holds(INSURANCE)
    premium = book.traits.income * PREMIUM * 100
    grown = book.value[:, INSURANCE] * (1 + GROWTH[INSURANCE]) + premium
    book.value[:, INSURANCE] = np.where(held, grown, 0.0)


def invested(book: Book, family: int, who: Ints, rng: Generator) -> Floats:
    """Cents first put into an investment, in whole thousands."""
    usual = np.exp(book.traits.wealth[who] + book.swing[who])
    low, high, least = FIRST_AMOUNT[family]
    amount = np.maximum(usual * rng.uniform(low, high, len(who)), least)
    return np.rint(amount / 1_000) * 100_000


def matured_value(book: Book, month: Month) -> Floats:
    """Principal of the term deposits with the interest earned so far, in cents."""
    elapsed = (month.first_day + month.days - book.opened[:, DEPOSIT]) % 365
    value: Floats = book.value[:, DEPOSIT] * (1 + DEPOSIT_RATE * elapsed / 365)
    return value
