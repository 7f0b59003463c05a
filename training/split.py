"""Split like a bank: later dates and unseen customers test what earlier ones taught."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import TooFewEvents
from training.labels import HORIZON, LabelContract

TEST_DATES = 3
TEST_SHARE = 30
LOAN_FOLDS = 5
VINTAGE = timedelta(365)
ENOUGH_OF_A_VINTAGE = 100  # events
MANY_ROWS = 300_000


@dataclass(frozen=True)
class Split:
    """Labelled rows to learn from and to judge by; no customer and no day is in both.

    With ``folds`` both are all rows: each is judged by a model that learnt on the other folds.
    """

    train: pd.DataFrame
    test: pd.DataFrame
    folds: int = 0

    @property
    def protocol(self) -> str:
        """How the test rows were kept apart: later dates of unseen customers, or folds of customers."""
        if self.folds:
            return f"{self.folds} folds"
        return "out of time"


def bucket(customer_id: str) -> int:
    """A customer's place among 0..99, the same for every version of every model."""
    return int.from_bytes(hashlib.sha256(customer_id.encode()).digest()[:8], "big") % 100


def split(rows: pd.DataFrame, contract: LabelContract) -> Split:
    """Out of time and on unseen customers.

    Month-end spines: the last three dates test, on a fixed 30 % of the customers; the others
    train, on dates whose outcome window has closed before the first test date. Of several
    horizons each has its own last day to train on, and all are tested on the same dates, which
    the longest decides: no customer's three rows are in both. Where rows are very many, each
    customer's date teaches all horizons but one. Loan spines have few rows and one outcome a
    customer: five folds of customers. Openings of credit: the last year's test where they hold
    100 events, else five folds.

    Args:
        rows: customer_id, as_of, target; horizon_days where the contract has several.

    Raises:
        TooFewEvents: not enough dates to keep the two apart.
    """
    if contract.spine == "day_before_loan":
        return Split(train=rows, test=rows, folds=LOAN_FOLDS)
    if contract.spine == "day_before_credit":
        return _by_vintage(rows, contract.known_after(contract.longest))
    horizon = rows[HORIZON] if contract.horizons else pd.Series(contract.longest, rows.index)
    dates = sorted(set(rows["as_of"][horizon == contract.longest]))
    tested = dates[-TEST_DATES:]
    ends = {h: contract.known_after(h) for h in contract.windows}
    taught = {h: [d for d in dates if tested and d + ends[h] <= tested[0]] for h in ends}
    few = min(map(len, taught.values()))
    if len(tested) < TEST_DATES or not few:
        raise TooFewEvents(
            f"{len(dates)} as-of date(s) with a finished outcome, {few} of them before"
            f" the first test date: at least {TEST_DATES} and 1 are needed. More months of"
            " history would do it."
        )
    early = np.logical_or.reduce(
        [(horizon == h) & rows["as_of"].isin(days) for h, days in taught.items()]
    )
    unseen = _unseen(rows)
    early &= _asked(rows, contract.horizons)
    return Split(
        train=rows[~unseen & early].reset_index(drop=True),
        test=rows[unseen & rows["as_of"].isin(tested)].reset_index(drop=True),
    )


def _asked(rows: pd.DataFrame, horizons: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which rows teach where many would: of each customer's date all horizons but one, in turn.

    The horizons of one date share most of what they tell, so the last of them costs time only.
    """
    if len(rows) < MANY_ROWS or len(horizons) < 3:
        return np.full(len(rows), True)
    turn = [
        bucket(f"horizon:{c}:{d}") for c, d in zip(rows["customer_id"], rows["as_of"], strict=True)
    ]
    left_out = np.array(horizons)[np.array(turn) % len(horizons)]
    return np.asarray(rows[HORIZON].to_numpy() != left_out, bool)


def _unseen(rows: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    places = {c: bucket(c) for c in rows["customer_id"].unique()}
    return (rows["customer_id"].map(places) < TEST_SHARE).to_numpy(bool)


def _by_vintage(rows: pd.DataFrame, window: timedelta) -> Split:
    if not len(rows):
        raise TooFewEvents("nobody opened a loan or card whose first year on book is known.")
    first, unseen = max(rows["as_of"]) - VINTAGE, _unseen(rows)
    test = rows[unseen & np.array([day > first for day in rows["as_of"]])]
    train = rows[~unseen & np.array([day + window <= first for day in rows["as_of"]])]
    if test["target"].sum() < ENOUGH_OF_A_VINTAGE or not train["target"].any():
        return Split(train=rows, test=rows, folds=LOAN_FOLDS)
    return Split(train=train.reset_index(drop=True), test=test.reset_index(drop=True))
