"""Days as numbers, and the ends of months."""

from calendar import monthrange
from datetime import date, timedelta

EPOCH = date(1970, 1, 1)


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - EPOCH).days


def numbered_day(number: int) -> date:
    """The day so many days after 1970-01-01."""
    return EPOCH + timedelta(number)


def month_end(day: date) -> date:
    """The last day of the month of ``day``."""
    return day.replace(day=monthrange(day.year, day.month)[1])


def months_before(day: date, months: int) -> date:
    """The last day of the month ``months`` before that of ``day``."""
    count = day.year * 12 + day.month - 1 - months
    return month_end(date(count // 12, count % 12 + 1, 1))
