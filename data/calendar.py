"""The days that a table delivered in daily files has, lacks, or got too late."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from data.checking import listed
from data.warehouse import Day, Manifest

_DAILY = re.compile(r"(\w+)/(\d{4}-\d{2}-\d{2})\.(csv|parquet)", re.IGNORECASE)
Days = dict[str, set[date]]


@dataclass(frozen=True)
class Calendar:
    """The days of each table after a load.

    A file of a table's folder that is named after a day, ``TABLE/YYYY-MM-DD.csv`` or
    ``.parquet``, is the delivery of that day; a day on which nothing happened has a file without
    rows. A table with such files lacks every other day between the first and the last of them.

    Attributes:
        gaps: days that are missing.
        late: days that came after a later one had been loaded, in this load or an earlier one.
        new_days: days that came in this load for the first time.
    """

    gaps: tuple[Day, ...]
    late: tuple[Day, ...]
    new_days: tuple[Day, ...]
    came_late: tuple[Day, ...]

    @classmethod
    def of(cls, before: Manifest, arriving: Iterable[str]) -> "Calendar":
        """The calendar once the files named ``TABLE/YYYY-MM-DD.*`` among the arriving are loaded."""
        had, come = _days(file.file for file in before.files), _days(arriving)
        new = {table: days - had.get(table, set()) for table, days in come.items()}
        late = {
            table: {day for day in days if table in had and day < max(had[table])}
            for table, days in new.items()
        }
        missing = {
            table: _missing(had.get(table, set()) | come.get(table, set())) for table in had | come
        }
        came_late = _listed(late)
        return cls(_listed(missing), (*before.late, *came_late), _listed(new), came_late)

    @property
    def warnings(self) -> list[str]:
        """What the reader of the load must know."""
        told = [f"{table}: no file for {days}" for table, days in _by_table(self.gaps)]
        return told + [
            f"{table}: {days} came after a later day; what was built in between lacks it"
            for table, days in _by_table(self.came_late)
        ]


def _days(files: Iterable[str]) -> Days:
    days: Days = {}
    for file in files:
        if (found := _DAILY.fullmatch(file)) and (day := _day(found[2])):
            days.setdefault(found[1], set()).add(day)
    return days


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _missing(days: set[date]) -> set[date]:
    first, last = min(days), max(days)
    return {first + timedelta(n) for n in range((last - first).days)} - days


def _listed(days: Days) -> tuple[Day, ...]:
    return tuple(Day(table=table, day=day) for table in sorted(days) for day in sorted(days[table]))


def _by_table(days: tuple[Day, ...]) -> list[tuple[str, str]]:
    tables = sorted({day.table for day in days})
    return [(name, listed([str(d.day) for d in days if d.table == name])) for name in tables]
