"""Which customers, as of which days."""

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import pandas as pd

from data.errors import FeatureError, OutsideData
from data.warehouse import Warehouse
from features.calendar import day_number, numbered_day
from features.calendar import month_end as month_end
from features.calendar import months_before as months_before

BOOKED = ("transactions", "balances")
REPORTED = (*BOOKED, "repayments", "statements", "loan_outcomes")


def extent(warehouse: Warehouse) -> tuple[date, date]:
    """First day with a booking or balance, and last day on which the bank learnt of anything.

    Raises:
        WarehouseError: nothing is loaded.
        FeatureError: there are customers but no bookings and no balances.
    """
    tables = warehouse.manifest.tables
    if not set(BOOKED) & set(tables):
        raise FeatureError("there are no transactions and no balances: no profile can be dated.")
    firsts = [f"SELECT min(event_day) AS first FROM {t}" for t in BOOKED if t in tables]
    lasts = [f"SELECT max(known_day) AS last FROM {t}" for t in REPORTED if t in tables]
    found = warehouse.frame(
        f"SELECT (SELECT min(first) FROM ({' UNION ALL '.join(firsts)})) AS first,"
        f" (SELECT max(last) FROM ({' UNION ALL '.join(lasts)})) AS last"
    )
    return numbered_day(int(found["first"][0])), numbered_day(int(found["last"][0]))


def month_ends(last: date, count: int) -> list[date]:
    """``count`` month-ends, the newest not after ``last``, oldest first."""
    newest = month_end(last) if last == month_end(last) else months_before(last, 1)
    return [months_before(newest, back) for back in reversed(range(count))]


def customers_as_of(warehouse: Warehouse, days: Sequence[date]) -> pd.DataFrame:
    """A spine of every customer known strictly before each day, ordered by day and customer.

    Raises:
        FeatureError: a day lies outside what the warehouse has seen.
    """
    refuse_outside(warehouse, days)
    asked = pd.DataFrame({"place": range(len(days)), "day": [day_number(day) for day in days]})
    found = warehouse.frame(
        "SELECT customer_id, place FROM asked JOIN ("
        " SELECT customer_id, min(greatest(event_day, known_day)) AS since FROM customers GROUP BY 1"
        ") ON since < day ORDER BY place, customer_id",
        asked=asked,
    )
    named = np.array(days, dtype=object)[found["place"].to_numpy()]
    return found[["customer_id"]].assign(as_of=pd.Series(named, found.index, dtype=object))


def refuse_outside(warehouse: Warehouse, days: Sequence[date]) -> None:
    """Refuse days for which the warehouse cannot tell a profile.

    Raises:
        OutsideData: a day lies outside what the warehouse has seen.
    """
    first, last = extent(warehouse)
    outside = [day for day in days if not first < day <= last + timedelta(1)]
    if outside:
        raise OutsideData(
            f"as-of {outside[0]} lies outside the data, which runs from {first} to {last}."
            f" Choose a day from {first + timedelta(1)} to {last + timedelta(1)}."
        )


def newest_as_of(warehouse: Warehouse) -> date:
    """The last month-end that the data carry for most accounts.

    Where an extract says which accounts it covers until when, that is the day most histories end.
    """
    last = extent(warehouse)[1]
    if "coverage" in warehouse.manifest.tables:
        found = warehouse.frame(
            "SELECT CAST(mode(covered_until) AS DATE) AS day FROM coverage"
            " JOIN accounts a USING (account_id) WHERE covered_until >= covered_from"
        )
        last = min(last, pd.Timestamp(found["day"][0]).date())
    return month_ends(last, 1)[0]
