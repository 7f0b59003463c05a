"""The persons behind the customers: what is true of them, whatever the systems write."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from data.simulation.columns import Floats, Ints
from data.simulation.months import Month
from data.simulation.names import (
    DISTRICTS,
    FOR_BOTH,
    MENS,
    OCCUPATIONS,
    ROADS,
    SURNAMES,
    SYLLABLES,
)
from data.simulation.traits import Traits

Bytes = NDArray[np.uint8]
ZERO, LETTER = ord("0"), ord("A")
RESIDENT, RESIDENCE_PERMIT, PASSPORT = range(3)
ALONE = 0.5
MOVES_A_YEAR, NEW_NUMBERS_A_YEAR = 0.03, 0.06
# The number that stands for a letter in the check sum, A to Z; from the household regulations.
LETTER_VALUES = np.array(
    [*range(10, 18), 34, *range(18, 23), 35, *range(23, 30), 32, 30, 31, 33], np.int64
)
_WEIGHTS = np.array([8, 7, 6, 5, 4, 3, 2, 1])


@dataclass(frozen=True)
class Homes:
    """Where people live: a district, a road, a number and a floor (0 is the ground)."""

    district: Ints
    road: Ints
    number: Ints
    floor: Ints

    def where(self, first: NDArray[np.bool_], other: "Homes") -> "Homes":
        """Homes of the one where ``first``, else of the other."""
        return Homes(
            np.where(first, self.district, other.district),
            np.where(first, self.road, other.road),
            np.where(first, self.number, other.number),
            np.where(first, self.floor, other.floor),
        )

    def of(self, who: Ints) -> "Homes":
        """The homes of some."""
        return Homes(self.district[who], self.road[who], self.number[who], self.floor[who])


@dataclass(frozen=True)
class Persons:
    """One row per person; days are days since 1970, texts are bytes of ASCII.

    Who moves house or changes the telephone number does so once, on ``moves`` or ``renumbers``.
    ``landline`` is the household's; ``borrowed`` says who is reached on the number of the
    household's first member.
    """

    surname: Ints
    given: Ints
    sex: Ints
    born: Ints
    joined: Ints
    identity_type: Ints
    identity: Bytes
    mobile: Bytes
    old_mobile: Bytes
    landline: Bytes
    renumbers: Ints
    home: Homes
    new_home: Homes
    moves: Ints
    occupation: Ints

    def __len__(self) -> int:
        return len(self.surname)


def draw_persons(traits: Traits, months: list[Month], rng: Generator) -> Persons:
    """Persons with the traits, in households of one to four."""
    count = len(traits)
    head = _heads(count, rng)
    follows = (head != np.arange(count)) & (rng.random(count) < 0.55)
    surname = (len(SURNAMES) * rng.random(count) ** 1.9).astype(np.int64)
    sex = rng.integers(0, 2, count)
    kind = rng.choice(3, count, p=[0.97, 0.022, 0.008])
    mobile, landline = _mobiles(count, rng), _landlines(count, rng)
    borrowed = (head != np.arange(count)) & (rng.random(count) < 0.05)
    home, new_home = _homes(traits, rng), _homes(traits, rng)
    start = np.maximum(traits.joined, months[0].first_day)
    return Persons(
        surname=np.where(follows, surname[head], surname),
        given=_given(sex, rng),
        sex=sex,
        born=traits.born,
        joined=traits.joined,
        identity_type=kind,
        identity=_identities(kind, sex, rng),
        mobile=np.where(borrowed[:, None], mobile[head], mobile),
        old_mobile=_mobiles(count, rng),
        landline=landline[head],
        renumbers=_once(NEW_NUMBERS_A_YEAR, start, months, rng),
        home=home.of(head),
        new_home=new_home,
        moves=_once(MOVES_A_YEAR, start, months, rng),
        occupation=_occupations(traits, months[0], rng),
    )


def _heads(count: int, rng: Generator) -> Ints:
    """The first member of everybody's household; neighbours in the list live together."""
    new = rng.random(count) < ALONE
    new[::4] = True
    heads: Ints = np.maximum.accumulate(np.where(new, np.arange(count), 0))
    return heads


def _given(sex: Ints, rng: Generator) -> Ints:
    """Two syllables: the first ones of the list are women's, the last ones men's."""
    women = rng.integers(0, MENS, (len(sex), 2))
    men = rng.integers(FOR_BOTH, len(SYLLABLES), (len(sex), 2))
    given: Ints = np.where(sex[:, None] == 0, women, men)
    return given


def digits(values: Ints, width: int) -> Bytes:
    """Numbers as ASCII digits with leading zeros, shape (rows, width)."""
    powers = 10 ** np.arange(width - 1, -1, -1, dtype=np.int64)
    return (values[:, None] // powers % 10 + ZERO).astype(np.uint8)


def _mobiles(count: int, rng: Generator) -> Bytes:
    """09 and eight digits."""
    return digits(rng.integers(10_000_000, 90_000_000, count) + 900_000_000, 10)


def _landlines(count: int, rng: Generator) -> Bytes:
    """A two-digit area code and eight digits, the first of them not zero."""
    area = np.array([2, 3, 4, 5, 6, 7, 8])[rng.integers(0, 7, count)]
    return digits(area * 10**8 + rng.integers(20_000_000, 90_000_000, count), 10)


def _identities(kind: Ints, sex: Ints, rng: Generator) -> Bytes:
    """Letter, sex, seven digits and check digit; a passport is nine digits and a blank at the end.

    The check digit of national identity numbers and of residence permits (since 2021): ten minus
    the weighted sum modulo ten, where the letter counts as two digits.
    """
    count = len(kind)
    letter = rng.integers(0, 26, count)
    mark = np.where(kind == RESIDENT, 1, 8) + (1 - sex)
    serial = rng.integers(0, 10_000_000, count)
    body = np.column_stack([mark, *(serial // 10**k % 10 for k in range(6, -1, -1))])
    value = LETTER_VALUES[letter]
    total = value // 10 + 9 * (value % 10) + body @ _WEIGHTS
    check = -total % 10
    resident = np.column_stack([letter + LETTER, body + ZERO, check + ZERO])
    passport = np.column_stack([digits(300_000_000 + serial, 9), np.full(count, ord(" "))])
    chosen: Bytes = np.where((kind == PASSPORT)[:, None], passport, resident).astype(np.uint8)
    return chosen


def _homes(traits: Traits, rng: Generator) -> Homes:
    """Richer customers live nearer the front of the list of districts."""
    count = len(traits)
    place = rng.random(count) - 0.1 * np.tanh(traits.affluence)
    return Homes(
        np.clip(place * len(DISTRICTS), 0, len(DISTRICTS) - 1).astype(np.int64),
        rng.integers(0, len(ROADS), count),
        rng.integers(1, 400, count),
        rng.integers(0, 15, count),
    )


def _once(a_year: float, start: Ints, months: list[Month], rng: Generator) -> Ints:
    """The day on which it happens, after the extract's end for most; or long before it."""
    after: Floats = rng.exponential(365 / a_year, len(start))
    return start + 20 + np.minimum(after, 1e6).astype(np.int64)


def _occupations(traits: Traits, month: Month, rng: Generator) -> Ints:
    """Occupations follow age and income, with exceptions."""
    count = len(traits)
    poor = rng.choice(np.array([1, 5, 6, 12, 13]), count)
    fair = rng.choice(np.array([1, 2, 3, 4, 5, 7, 13]), count)
    rich = rng.choice(np.array([2, 7, 8, 8, 9, 10]), count)
    rank = traits.affluence + 0.7 * rng.standard_normal(count)
    job = np.select([rank < -0.5, rank < 1.0], [poor, fair], rich)
    job = np.where((traits.age(month) < 23) & (rng.random(count) < 0.7), 0, job)
    retired = OCCUPATIONS.index("retired")
    occupation: Ints = np.where(traits.retired & (rng.random(count) < 0.85), retired, job)
    return occupation
