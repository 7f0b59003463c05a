"""The amounts of an extrapolated label, from contributions and the leaving of customers."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.warehouse import Warehouse
from features.calendar import numbered_day
from features.definition import Array
from training.labels.churn import CHURN
from training.labels.extrapolation import Extrapolation
from training.labels.survival import Survival

Months = NDArray[np.int64]
NEVER = 2**31
# A customer's own loss falls in one month and does not go on: what is lent to all is charged alike.
_MONTHLY = """
    WITH lending AS (
        SELECT account_id FROM accounts JOIN products USING (product_id)
        WHERE family IN ('personal_loan', 'mortgage', 'credit_card')
    )
    SELECT customer_id, date_diff('month', DATE '1970-01-01',
            DATE '1970-01-01' + CAST(event_day AS INTEGER)) AS month,
        sum(contribution) / 100.0 AS brought, sum(contribution + loss) / 100.0 AS usual,
        coalesce(sum(contribution + loss)
            FILTER (account_id IN (SELECT account_id FROM lending)), 0) / 100.0 AS lent
    FROM contributions WHERE customer_id IN (SELECT customer_id FROM spine) GROUP BY ALL
    ORDER BY customer_id, month
"""


@dataclass(frozen=True)
class Earned:
    """Units of currency by customer and month since 1970, the months from ``first`` on.

    ``usual`` is what was ``brought`` without the customer's own losses, but with the share of what
    was earned on lending that losses took from the whole bank.
    """

    first: int
    brought: Array
    usual: Array

    def between(self, amounts: Array, begin: int, end: int) -> Array:
        """The columns of some months, zeros where nothing is told."""
        wanted = np.arange(begin, end) - self.first
        there = (wanted >= 0) & (wanted < amounts.shape[1])
        found = np.zeros((len(amounts), len(wanted)))
        found[:, there] = amounts[:, wanted[there]]
        return found


def extrapolated(
    warehouse: Warehouse, how: Extrapolation, spine: pd.DataFrame, lag_days: int
) -> Array:
    """The amount of each row of a spine (place, customer_id, as_of_day), in units of currency.

    Each customer's observed months as they were; then, for whoever has not left by their end, the
    mean of the recent ones, their own losses replaced by everybody's, times the share of
    customers still there; all discounted to the as-of day.
    """
    customers = pd.Index(spine["customer_id"].unique())
    days = np.sort(spine["as_of_day"].unique())
    over = _month(int(days[-how.held_back :][0]) - lag_days + 1)  # months before it are known
    earned = _earned(warehouse, customers, spine, over)
    left = _left(warehouse, spine)
    begins = np.array([_month(day + 1) for day in spine["as_of_day"]], np.int64)
    survival = _survival(how, begins, left, over)
    found = np.zeros(len(spine))
    for begin in np.unique(begins):
        rows = np.flatnonzero(begins == begin)
        who = customers.get_indexer(pd.Index(spine["customer_id"].to_numpy()[rows]))
        seen = int(np.clip(over - begin, how.observed, how.months))
        there = left[rows] >= begin + seen
        known = Earned(earned.first, earned.brought[who], earned.usual[who])
        found[rows] = _amounts(how, known, survival, int(begin), seen, there)
    return found


def _amounts(
    how: Extrapolation,
    earned: Earned,
    survival: Survival,
    begin: int,
    seen: int,
    there: NDArray[np.bool_],
) -> Array:
    """The amounts as of one day, of which ``seen`` months from ``begin`` on are observed."""
    worth = (1 + how.yearly_rate) ** (-np.arange(1, how.months + 1) / 12)
    end = begin + seen
    observed = earned.between(earned.brought, begin, end) @ worth[:seen]
    going = earned.between(earned.usual, end - how.recent, end).mean(axis=1)
    coming = float(survival.after(seen) @ worth[seen:])
    found: Array = observed + np.where(there, going, 0.0) * coming
    return found


def _survival(how: Extrapolation, begins: Months, left: Months, over: int) -> Survival:
    """The curve of what was known before the first day that is kept to judge by."""
    past = begins < over
    gone = left[past] < over
    # Who leaves on the as-of day itself leaves before the first of the months.
    followed = np.maximum(np.where(gone, left[past] + 1, over) - begins[past], 1)
    return Survival.of(followed, gone, how.months)


def _earned(warehouse: Warehouse, customers: pd.Index, spine: pd.DataFrame, over: int) -> Earned:
    rows = warehouse.frame(_MONTHLY, spine=spine[["customer_id"]].drop_duplicates())
    if not len(rows):
        nothing = np.zeros((len(customers), 0))
        return Earned(0, nothing, nothing)
    month = rows["month"].to_numpy(np.int64)
    shape = len(customers), int(month.max() - month.min()) + 1
    place = customers.get_indexer(pd.Index(rows["customer_id"])), month - month.min()
    brought, usual = np.zeros(shape), np.zeros(shape)
    brought[place] = rows["brought"]
    usual[place] = rows["usual"] - _charge(rows[month < over]) * rows["lent"]
    return Earned(int(month.min()), brought, usual)


def _charge(known: pd.DataFrame) -> float:
    """Net losses over what lending earned before them; none where it earned nothing."""
    lent = float(known["lent"].sum())
    return float((known["usual"] - known["brought"]).sum()) / lent if lent > 0 else 0.0


def _left(warehouse: Warehouse, spine: pd.DataFrame) -> Months:
    """The month since 1970 in which each row's customer leaves, as churn counts it."""
    told = warehouse.frame(CHURN.target.format(horizon=NEVER), spine=spine)
    days = told.set_index("place")["event_day"].reindex(spine["place"])
    return np.array([NEVER if pd.isna(d) else _month(int(d)) for d in days], np.int64)


def _month(day: int) -> int:
    """Months since 1970 of a day since 1970."""
    told = numbered_day(int(day))
    return (told.year - 1970) * 12 + told.month - 1
