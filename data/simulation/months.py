"""The months of the extract: their days, weekdays and feasts."""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

import numpy as np

from data.errors import ConfigurationError
from data.simulation.columns import MICROSECONDS, Floats, Ints

END = date(2026, 6, 30)
MOST_MONTHS = 180
DAY = 86_400
EPOCH = date(1970, 1, 1)
LAST_DAY = (END - EPOCH).days
END_MICROSECONDS = (LAST_DAY + 1) * DAY * MICROSECONDS

# Lunar New Year's day; from the almanac.
NEW_YEARS = (
    date(2011, 2, 3),
    date(2012, 1, 23),
    date(2013, 2, 10),
    date(2014, 1, 31),
    date(2015, 2, 19),
    date(2016, 2, 8),
    date(2017, 1, 28),
    date(2018, 2, 16),
    date(2019, 2, 5),
    date(2020, 1, 25),
    date(2021, 2, 12),
    date(2022, 2, 1),
    date(2023, 1, 22),
    date(2024, 2, 10),
    date(2025, 1, 29),
    date(2026, 2, 17),
)
BEFORE_NEW_YEAR = 20


@dataclass(frozen=True)
class Month:
    """One calendar month of the extract."""

    index: int
    first: date
    days: int
    festive: float
    week: tuple[int, ...]

    @property
    def first_day(self) -> int:
        """Days since 1970 of the first of the month."""
        return (self.first - EPOCH).days

    @property
    def number(self) -> int:
        """The month in the year, January is 1."""
        return self.first.month

    def microseconds(self, seconds: Ints) -> Ints:
        """Seconds into the month as microseconds since 1970."""
        return (seconds + self.first_day * DAY) * MICROSECONDS

    def days_weighted(self, by_weekday: tuple[float, ...]) -> Floats:
        """Cumulative chance of each day, given weights from Monday to Sunday."""
        weights = np.array([by_weekday[day] for day in self.week])
        total: Floats = np.cumsum(weights) / weights.sum()
        return total


def _festive(first: date, days: int) -> float:
    """Share of the weeks before Lunar New Year that falls in the month."""
    inside = 0
    for new_year in NEW_YEARS:
        for back in range(1, BEFORE_NEW_YEAR + 1):
            day = new_year - timedelta(days=back)
            inside += first <= day < first + timedelta(days=days)
    return inside / BEFORE_NEW_YEAR


@cache
def _month(index: int, first: date) -> Month:
    following = (first + timedelta(days=32)).replace(day=1)
    days = (following - first).days
    week = tuple((first + timedelta(days=i)).weekday() for i in range(days))
    return Month(index, first, days, _festive(first, days), week)


def month_after(month: Month, ahead: int) -> Month:
    """The calendar month that comes ``ahead`` months later, also after the extract."""
    number = month.first.year * 12 + month.first.month - 1 + ahead
    return _month(month.index + ahead, date(number // 12, number % 12 + 1, 1))


def extract_months(count: int) -> list[Month]:
    """The last ``count`` calendar months up to the end of the extract.

    Raises:
        ConfigurationError: too few or too many months.
    """
    if not 2 <= count <= MOST_MONTHS:
        raise ConfigurationError(f"cannot simulate {count} months: choose from 2 to {MOST_MONTHS}.")
    number = END.year * 12 + END.month - count
    return [_month(i, date((number + i) // 12, (number + i) % 12 + 1, 1)) for i in range(count)]
