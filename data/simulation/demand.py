"""How likely each customer is to take up each product in a month, with and without a contact."""

import numpy as np

from data.simulation.chains import DISTRESSED, MACRO_LEVELS, MOODS, STRETCHED, TROUBLES
from data.simulation.columns import Flags, Floats
from data.simulation.prices import CARD, DEPOSIT, FUND, INSURANCE, LOAN, MORTGAGE, TAKEN_UP, WEALTH
from data.simulation.traits import Traits

# Monthly hazards of a customer in the middle, set so that the yearly rates are a banker's.
BASE = {
    CARD: 0.0092,
    LOAN: 0.0061,
    MORTGAGE: 0.0040,
    DEPOSIT: 0.0066,
    WEALTH: 0.0025,
    FUND: 0.0067,
    INSURANCE: 0.0090,
}
INVEST_NEED = np.array([0.7, 1.0, 2.0])
BORROW_NEED = np.array([0.65, 1.0, 2.1])
CARD_NEED = np.array([0.8, 1.0, 1.5])
NEEDS = {
    CARD: CARD_NEED,
    LOAN: BORROW_NEED,
    MORTGAGE: BORROW_NEED,
    DEPOSIT: INVEST_NEED,
    WEALTH: INVEST_NEED,
    FUND: INVEST_NEED,
    INSURANCE: np.array([0.8, 1.0, 1.6]),
}
BORROWED = (CARD, LOAN, MORTGAGE)
MACRO_PULL = {
    CARD: 0.03,
    LOAN: -0.03,
    MORTGAGE: 0.08,
    DEPOSIT: -0.04,
    WEALTH: 0.05,
    FUND: 0.05,
    INSURANCE: 0.02,
}
SEASON = {
    CARD: (1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1.05, 1.05),
    LOAN: (1.15, 1.05, 0.95, 0.95, 1, 1, 1, 1, 1, 0.95, 0.95, 1),
    MORTGAGE: (0.95, 0.85, 1.05, 1, 1, 1, 1, 0.85, 1, 1.05, 1.05, 1.05),
    DEPOSIT: (1.05, 1.1, 1.05, 1, 1, 0.95, 1, 1, 1, 1, 0.95, 0.95),
    WEALTH: (1.05, 1.05, 1.05, 1, 1, 0.95, 0.95, 0.95, 1, 1, 1, 1),
    FUND: (1.1, 1.1, 1.05, 1, 1, 0.95, 0.95, 0.95, 1, 1, 1, 1),
    INSURANCE: (0.95, 0.95, 1, 1, 1, 1, 1, 0.95, 1, 1, 1.05, 1.1),
}
# Who is leaving, or in trouble, takes up little.
MOOD_PULL = np.array([1.0, 1.0, 0.8, 0.3, 0.1, 0.02, 0, 0, 0, 0, 0])
assert len(MOOD_PULL) == MOODS


def _hump(age: Floats, centre: float, width: float) -> Floats:
    shape: Floats = -(((age - centre) / width) ** 2)
    return shape


def _wish(traits: Traits, age: Floats) -> dict[int, Floats]:
    """Log of how much more each customer wants each product than one in the middle does."""
    a, e, p, q = traits.affluence, traits.engagement, traits.prudence, traits.price
    able, saves = np.tanh(a), 0.5 * (q > 0.3) * (p > -0.5)
    return {
        CARD: 0.55 * e - 0.45 * p + 1.1 * (a > -0.5) + 1.3 * _hump(age, 32, 22),
        LOAN: -0.85 * p - 0.7 * able + 0.6 * (a < 0) * (p < 0) + 1.2 * _hump(age, 38, 15),
        MORTGAGE: 1.0 * able + 0.25 * p + 0.7 * (a > 0.3) + _hump(age, 37, 12),
        DEPOSIT: 0.75 * p + 0.8 * able + 0.8 * np.tanh((age - 48) / 8) + saves,
        WEALTH: 1.1 * np.clip(a, -0.7, 2.2) + 0.7 * (a > 0.8) + 0.25 * e + _hump(age, 54, 20),
        FUND: 0.7 * e + 0.8 * able + 0.4 * q + 0.8 * (e > 0.5) * (a > 0) + 1.3 * _hump(age, 40, 22),
        INSURANCE: 0.5 * p + 0.5 * able + 0.5 * (p > 0.5) + 1.7 * _hump(age, 46, 18),
    }


def base_hazards(traits: Traits, age: Floats) -> Floats:
    """Hazard a month by customer and product of ``TAKEN_UP``: usual need, calm economy."""
    wish = _wish(traits, age)
    columns = [
        BASE[family] * np.exp(wish[family] + traits.taste[:, k]) * eligible(family, age)
        for k, family in enumerate(TAKEN_UP)
    ]
    return np.minimum(np.stack(columns, axis=1), 0.06)


def eligible(family: int, age: Floats) -> Flags:
    """Credit only between 20 and 65, the rest up to 80."""
    old = 65 if family in BORROWED else 80
    fits: Flags = (age >= 20) & (age < old)
    return fits


def trouble_pull(family: int) -> Floats:
    """The multiplier of the hazard by money trouble: no credit for those behind."""
    pull = np.ones(TROUBLES)
    pull[STRETCHED:] = 0.9 if family in BORROWED else 0.7
    pull[DISTRESSED:] = 0.25
    pull[DISTRESSED + 1 :] = 0.0 if family in BORROWED else 0.1
    return pull


def macro_pull(family: int) -> Floats:
    """The multiplier of the hazard by the level of the economy."""
    pull: Floats = np.exp(MACRO_PULL[family] * MACRO_LEVELS)
    return pull


def season(family: int, month: int) -> float:
    """The multiplier of the hazard in a calendar month, January is 1."""
    return float(SEASON[family][month - 1])
