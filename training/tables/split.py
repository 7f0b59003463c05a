"""Keep apart what teaches and what judges: later periods where there is time, else grouped folds."""

import re
from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from data.errors import ContractBroken, TooFewEvents
from training.judge import MOST_DATES
from training.split import TEST_SHARE, bucket
from training.tables.declaration import Declaration
from training.tables.finding import texts_of
from training.tables.reading import Raw

FOLDS, REPETITIONS = 5, 2
LEAST_CUSTOMERS = 50
TESTED = 0.2
ONE_PERIOD = "the whole table"
Mask = NDArray[np.bool_]
_TIME = re.compile(r"(\d{4})-?(\d{2})?-?(\d{2})?(?:[T ][\d:.]+(?:Z|[+-]\d\d:?\d\d)?)?")


@dataclass(frozen=True)
class Apart:
    """Which rows teach and which judge; with ``repetitions`` all do both, fold by fold."""

    train: Mask
    test: Mask
    repetitions: int
    left_out: dict[str, int]

    @property
    def protocol(self) -> str:
        """How the test rows were kept apart."""
        return f"{self.repetitions} x {FOLDS} folds" if self.repetitions else "out of time"


def folds_of(ids: pd.Series, repetition: int) -> NDArray[np.int64]:
    """Each row's fold, the same for all rows of one customer."""
    fold = {one: bucket(f"judge {repetition}:{one}") % FOLDS for one in ids.unique()}
    return ids.map(fold).to_numpy(np.int64)


def days_of(raw: Raw, name: str, said: Declaration) -> list[date]:
    """The days of the time column; a month is its first day, a year too.

    Raises:
        ContractBroken: a time that is missing or no day, month or year.
    """
    values = raw.columns[name]
    temporal = pa.types.is_temporal(values.type)
    texts = [str(v) if v is not None else None for v in values.to_pylist()] if temporal else None
    found = []
    for line, text in zip(raw.lines, texts or texts_of(raw, name, said).to_pylist(), strict=True):
        day = _day(text or "")
        if day is None:
            raise ContractBroken(
                f"{raw.path.name}, column {name}, line {line}: the time is missing or no YYYY-MM-DD,"
                " YYYY-MM, YYYYMMDD, YYYYMM or YYYY. Correct it, or train without --time."
            )
        found.append(day)
    return found


def _day(text: str) -> date | None:
    matched = _TIME.fullmatch(text)
    if not matched:
        return None
    try:
        return date(*(int(part or 1) for part in matched.groups()))
    except ValueError:
        return None


def periods_of(days: list[date]) -> list[str]:
    """Days as periods: themselves where they are few, else months, else years."""
    for length in (10, 7):
        periods = [day.isoformat()[:length] for day in days]
        if len(set(periods)) <= MOST_DATES:
            return periods
    return [day.isoformat()[:7] for day in days]


def in_time(ids: list[str], days: list[date], periods: list[str], horizon: int) -> Apart:
    """The last periods, with a fifth of the rows, test what earlier ones taught.

    Where customers come again, only customers whom the model has not seen test it. What would teach with an
    outcome that was still open when the test begins is left out.

    Raises:
        TooFewEvents: there is nothing before the test to learn from.
    """
    counts = Counter(periods)
    tested: set[str] = set()
    for period in sorted(counts, reverse=True):
        if tested and sum(counts[p] for p in tested) >= TESTED * len(ids):
            break
        tested.add(period)
    late = np.array([period in tested for period in periods])
    begins = min(day for day, is_late in zip(days, late, strict=True) if is_late)
    closed = np.array([day + timedelta(horizon) <= begins for day in days])
    unseen = np.array([bucket(one) < TEST_SHARE for one in ids])
    again = bool(set(np.array(ids)[late]) & set(np.array(ids)[~late]))
    test = late & unseen if again else late
    train = ~late & closed & (~unseen if again else True)
    if not train.any() or not test.any():
        raise TooFewEvents(
            f"{len(counts)} period(s): none ends {horizon} days before the last begins. Give rows"
            " of more periods, or train without --time."
        )
    reasons = {
        "test customers before the test": int((~late & closed & ~train).sum()),
        "outcome still open when the test begins": int((~late & ~closed).sum()),
        "training customers in the test": int((late & ~test).sum()),
    }
    return Apart(train, test, 0, {why: count for why, count in reasons.items() if count})


def in_folds(ids: list[str]) -> Apart:
    """Repeated folds that keep a customer's rows together.

    Raises:
        TooFewEvents: too few customers.
    """
    customers = len(set(ids))
    if customers < LEAST_CUSTOMERS:
        raise TooFewEvents(
            f"{customers} different customers; at least {LEAST_CUSTOMERS} are needed for folds."
        )
    everybody = np.ones(len(ids), dtype=bool)
    return Apart(everybody, everybody, REPETITIONS, {})
