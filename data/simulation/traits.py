"""Latent traits: who the customers are, before anything happens; no feature sees them."""

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.random import Generator

from data.simulation.columns import Flags, Floats, Ints
from data.simulation.months import EPOCH, Month
from data.simulation.prices import TAKEN_UP

NEWCOMERS = 0.24
LOWEST_SALARY, HIGHEST_SALARY = 28_000, 200_000


@dataclass(frozen=True)
class Traits:
    """One row per customer of the chunk; scores are standard normal, money is TWD.

    ``born`` and ``joined`` are days since 1970; ``restless``, ``frail`` multiply the intensity of
    becoming dissatisfied and of getting into financial trouble.
    """

    affluence: Floats
    engagement: Floats
    prudence: Floats
    price: Floats
    born: Ints
    joined: Ints
    income: Floats
    wealth: Floats
    works: Flags
    retired: Flags
    payday: Ints
    due_day: Ints
    digital: Floats
    current_share: Floats
    revolving: Floats
    restless: Floats
    frail: Floats
    taste: Floats
    persuadable: Floats

    def age(self, month: Month) -> Floats:
        """Age in years at the start of the month."""
        years: Floats = (month.first_day - self.born) / 365.25
        return years

    def __len__(self) -> int:
        return len(self.affluence)


def _joined(count: int, months: list[Month], rng: Generator) -> Ints:
    """Most came long before the extract; the rest come evenly while it runs."""
    first, last = months[0].first_day, months[-1].first_day
    before = first - 30 - np.minimum(rng.exponential(7.0, count), 30.0) * 365.25
    during = rng.uniform(first, last + 26, count)
    new = rng.random(count) < NEWCOMERS * min(len(months) / 48, 1.5)
    joined: Ints = np.where(new, during, before).astype(np.int64)
    starts = np.array([month.first_day for month in months])
    late = joined - starts[np.clip(np.searchsorted(starts, joined, "right") - 1, 0, None)]
    return np.where(new & (late > 25), joined - 6, joined)


def _born(joined: Ints, first: int, rng: Generator) -> Ints:
    """Between 18 and 88 at the start of the extract, and 18 when they joined."""
    age = 18 + 70 * rng.beta(1.5, 2.6, len(joined))
    when = np.maximum(joined, first)
    age = np.where(joined >= first, 18 + (age - 18) * 0.75, age)
    born: Ints = np.minimum(when - age * 365.25, joined - 18.1 * 365.25).astype(np.int64)
    oldest = (date(1932, 1, 1) - EPOCH).days
    return np.maximum(born, oldest)


def _restless(t: dict[str, Floats], age: Floats) -> Floats:
    """The young, the newly retired, the rich and the price-sensitive are drawn away."""
    detached = np.maximum(-t["engagement"], 0.0)
    log = 0.3 * t["price"] + 0.35 * detached
    log += 1.4 * np.exp(-(((age - 26) / 7) ** 2)) + 1.1 * np.exp(-(((age - 62) / 5) ** 2))
    log += 0.8 * (t["affluence"] > 1.0) + 0.6 * (t["price"] > 0.8) * (age < 50)
    restless: Floats = np.exp(log - 0.6)
    return restless


def _frail(t: dict[str, Floats], age: Floats) -> Floats:
    """Imprudent and poor together is worse than either alone."""
    log = -0.4 * t["prudence"] - 0.15 * t["affluence"]
    log += 0.6 * ((t["prudence"] < -0.4) & (t["affluence"] < 0.2))
    log += 1.0 * np.exp(-(((age - 27) / 8) ** 2))
    frail: Floats = np.exp(log - 0.35)
    return frail


def _revolving(prudence: Floats, rng: Generator) -> Floats:
    """Share of the card's statement that is paid: all by two thirds, less by the imprudent."""
    careful = prudence + 0.35 * rng.standard_normal(len(prudence)) + 0.4
    return np.where(careful > 0, 1.0, np.clip(0.55 + 0.22 * careful, 0.08, 0.55))


def draw_traits(count: int, months: list[Month], rng: Generator) -> Traits:
    """Traits of ``count`` customers."""
    joined = _joined(count, months, rng)
    born = _born(joined, months[0].first_day, rng)
    age = (np.maximum(joined, months[0].first_day) - born) / 365.25
    z = rng.standard_normal((6, count))
    t = {"affluence": z[0], "prudence": 0.25 * z[0] + 0.97 * z[1], "engagement": z[2]}
    t["price"] = -0.3 * z[2] + 0.95 * z[3]
    prime = np.exp(-(((age - 46) / 22) ** 2))
    income = np.exp(np.log(37_000) + 0.42 * z[0] + 0.35 * prime + 0.08 * z[4])
    private = np.where(rng.random(count) < 0.04, rng.exponential(1.1, count), 0.0)
    wealth = 11.3 + 1.15 * z[0] + 0.3 * t["prudence"] + 0.02 * (age - 40) + private
    wealth = np.minimum(wealth + 0.3 * z[5], np.log(1.5e8))
    work = np.select([age < 22, age < 64], [0.45, 0.87], 0.6)
    digital = 1 / (1 + np.exp(-(0.9 + 0.9 * t["engagement"] - 0.045 * (age - 40))))
    return Traits(
        **t,
        born=born,
        joined=joined,
        income=np.clip(income, LOWEST_SALARY, HIGHEST_SALARY),
        wealth=wealth,
        works=rng.random(count) < work * (0.62 + 0.1 * np.tanh(t["engagement"])),
        retired=age >= 64,
        payday=rng.choice(np.array([1, 5, 10]), count, p=[0.2, 0.5, 0.3]),
        due_day=rng.integers(1, 13, count),
        digital=digital,
        current_share=np.clip(rng.beta(4, 8, count) - 0.11 * t["prudence"], 0.05, 0.9),
        revolving=_revolving(t["prudence"], rng),
        restless=_restless(t, age),
        frail=_frail(t, age),
        taste=0.1 * rng.standard_normal((count, len(TAKEN_UP))),
        persuadable=_persuadable(t, age, rng),
    )


def _persuadable(t: dict[str, Floats], age: Floats, rng: Generator) -> Floats:
    """How a contact multiplies the take-up, in logs: from sleeping dogs to the persuadable."""
    log = 0.55 + 0.6 * t["price"] - 0.9 * (t["engagement"] > 1.0) - 0.5 * (age > 62)
    log = log[:, None] + 0.25 * rng.standard_normal((len(age), len(TAKEN_UP)))
    effect: Floats = np.clip(log, -0.9, 1.6)
    return effect
