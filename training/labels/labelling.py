"""Label the rows of a spine by a contract."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd

from data.errors import TrainingError
from data.warehouse import Warehouse
from features.profile import day_number
from features.spine import extent
from training.labels.contract import HORIZON, SCORABLE, LabelContract
from training.labels.five_years import extrapolated

COVERAGE_SLACK = 31  # days: bookings may be rare at the end of a history


@dataclass(frozen=True)
class Labelled:
    """A labelled spine: rows that fit, and how many did not, by reason."""

    rows: pd.DataFrame
    left_out: dict[str, int]


_COVERED = """
    SELECT s.place, coalesce(max(CAST(v.covered_until - DATE '1970-01-01' AS INTEGER)), {last})
        AS covered_until
    FROM spine s LEFT JOIN (accounts a JOIN coverage v USING (account_id))
        ON a.customer_id = s.customer_id AND a.event_day < s.as_of_day
    GROUP BY s.place
"""


# A frame tells what is not a number and what is not known apart no more.
_OUTCOMES = (
    "SELECT *, coalesce(NOT isfinite(CAST(target AS DOUBLE)), false) AS broken FROM ({target})"
)


def spine_query(spine: pd.DataFrame) -> pd.DataFrame:
    """The spine as the label queries read it: place, customer_id, as_of_day."""
    return pd.DataFrame(
        {
            "place": range(len(spine)),
            "customer_id": spine["customer_id"].to_numpy(),
            "as_of_day": [day_number(day) for day in spine["as_of"]],
        }
    )


def statuses(warehouse: Warehouse, contract: LabelContract, spine: pd.DataFrame) -> list[str]:
    """For each row of a spine: scorable, or why the question does not fit."""
    asked = spine_query(spine)
    found = warehouse.frame(contract.status, spine=asked).sort_values("place")
    status = found["status"].to_numpy(dtype=object)
    seen = _covered_until(warehouse, asked) >= asked["as_of_day"] - COVERAGE_SLACK
    return list(np.where((status == SCORABLE) & ~seen, "history_not_covered", status))


def _covered_until(warehouse: Warehouse, asked: pd.DataFrame) -> pd.Series:
    """For each row, the last day whose bookings the extract holds."""
    last = day_number(extent(warehouse)[1])
    return (
        warehouse.frame(_COVERED.format(last=last), spine=asked)
        .sort_values("place")["covered_until"]
        .reset_index(drop=True)
    )


def label(warehouse: Warehouse, contract: LabelContract, spine: pd.DataFrame) -> Labelled:
    """Label a spine; rows outside the population, immature, uncovered or clouded are left out.

    They are counted by reason: for their outcome once a horizon, else once.

    Returns:
        Labelled rows with customer_id, as_of, target (float), in spine order; where the contract
        has several horizons one row for each, shortest first, with ``horizon_days``.

    Raises:
        TrainingError: a table that the label needs has no rows, or an outcome is not a number.
    """
    missing = [t for t in contract.needs if t not in warehouse.manifest.tables]
    if missing:
        raise TrainingError(f"no rows in {', '.join(missing)}, which the label is made of")
    rows = spine[["customer_id", "as_of"]].reset_index(drop=True)
    asked = spine_query(rows)
    _, last = extent(warehouse)
    status = pd.Series(statuses(warehouse, contract, rows), dtype=object)
    covered = _covered_until(warehouse, asked)
    begin = asked.assign(as_of_day=asked["as_of_day"] + contract.gap_days)
    targets = _targets(warehouse, contract, begin, status == SCORABLE)
    if contract.clouded:
        clouded = warehouse.frame(contract.clouded.format(horizon=contract.longest), spine=begin)
        reason = clouded.set_index("place")["reason"].reindex(rows.index)
        status = status.mask((status == SCORABLE) & reason.notna(), reason)
    kept, outcomes = [], []
    for horizon, target in targets.items():
        told = status.copy()
        ends = begin["as_of_day"] + contract.observed_of(horizon)
        told[(told == SCORABLE) & (ends + contract.lag_days > day_number(last))] = "immature"
        told[(told == SCORABLE) & (covered < ends)] = "outcome_not_covered"
        told[(told == SCORABLE) & target.isna()] = "no_outcome"
        several = {HORIZON: horizon} if contract.horizons else {}
        kept.append(rows.assign(target=target, **several)[told == SCORABLE])
        outcomes.append(told[(status == SCORABLE) & (told != SCORABLE)])
    counts = pd.concat([status[status != SCORABLE], *outcomes]).value_counts()
    left_out = {str(reason): int(count) for reason, count in counts.items()}
    found = pd.concat(kept).sort_index(kind="stable").reset_index(drop=True)
    return Labelled(found, left_out)


def _targets(
    warehouse: Warehouse, contract: LabelContract, begin: pd.DataFrame, asked: "pd.Series[bool]"
) -> dict[int, "pd.Series[float]"]:
    """Horizon -> the target of each place; of dated events whether they fall within it."""
    if not asked.any():
        return dict.fromkeys(contract.windows, pd.Series(np.nan, asked.index))
    if contract.extrapolation:
        some = begin[asked.to_numpy()]
        amounts = extrapolated(warehouse, contract.extrapolation, some, contract.lag_days)
        return {contract.horizon_days: pd.Series(amounts, some.index).reindex(asked.index)}
    query = contract.target.format(horizon=contract.longest)
    if not contract.horizons:
        query = _OUTCOMES.format(target=query)
    told = warehouse.frame(query, spine=begin[asked]).set_index("place").reindex(asked.index)
    if contract.horizons:
        ahead = told["event_day"] - begin["as_of_day"]  # missing where nothing happened
        return {h: (ahead < h).astype(np.float64) for h in contract.horizons}
    if odd := int(told["broken"].eq(True).sum()):
        raise TrainingError(
            f"{contract.version}: {odd} of {len(begin)} labels are not numbers; what the outcome is"
            " made of has to be mended before it can teach."
        )
    return {contract.horizon_days: told["target"]}


def loan_spine(warehouse: Warehouse) -> pd.DataFrame:
    """A spine of the day before each loan was granted."""
    frame = warehouse.frame(
        "SELECT DISTINCT a.customer_id, l.event_day - 1 AS day FROM loans l"
        " JOIN accounts a USING (account_id) ORDER BY day, customer_id"
    )
    return _dated(frame)


def _dated(frame: pd.DataFrame) -> pd.DataFrame:
    days = [date(1970, 1, 1) + timedelta(int(day)) for day in frame["day"]]
    return frame[["customer_id"]].assign(as_of=pd.Series(days, frame.index, object))


_OPENINGS = """
    SELECT DISTINCT a.customer_id, o.event_day - 1 AS day
    FROM (
        SELECT account_id, event_day FROM loans
        UNION ALL
        SELECT account_id, event_day FROM accounts JOIN products USING (product_id)
        WHERE family = 'credit_card'
    ) o JOIN accounts a USING (account_id)
    WHERE o.event_day > {first} ORDER BY day, customer_id
"""


def credit_spine(warehouse: Warehouse, first: date) -> pd.DataFrame:
    """A spine of the day before each opening of a loan or card, from ``first`` on."""
    return _dated(warehouse.frame(_OPENINGS.format(first=day_number(first))))
