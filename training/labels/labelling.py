"""Label the rows of a spine by a contract."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd

from data.errors import TrainingError
from data.warehouse import Warehouse
from features.profile import day_number
from features.spine import extent
from training.labels.contract import SCORABLE, LabelContract

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

    They are counted by reason.

    Returns:
        Labelled rows with customer_id, as_of, target (float), in spine order.

    Raises:
        TrainingError: a table that the label needs has no rows, or an outcome is not a number.
    """
    missing = [t for t in contract.needs if t not in warehouse.manifest.tables]
    if missing:
        raise TrainingError(f"no rows in {', '.join(missing)}, which the label is made of")
    rows = spine[["customer_id", "as_of"]].reset_index(drop=True)
    asked = spine_query(rows)
    _, last = extent(warehouse)
    status = pd.Series(statuses(warehouse, contract, rows))
    ends = asked["as_of_day"] + contract.gap_days + contract.horizon_days
    covered = _covered_until(warehouse, asked)
    status[(status == SCORABLE) & (ends + contract.lag_days > day_number(last))] = "immature"
    status[(status == SCORABLE) & (covered < ends)] = "outcome_not_covered"
    begin = asked.assign(as_of_day=asked["as_of_day"] + contract.gap_days)
    target = warehouse.frame(
        _OUTCOMES.format(target=contract.target.format(horizon=contract.horizon_days)), spine=begin
    )
    broken = target.loc[target["broken"], "place"]
    if odd := int((status[broken] == SCORABLE).sum()):
        raise TrainingError(
            f"{contract.version}: {odd} of {len(rows)} labels are not numbers; what the outcome is"
            " made of has to be mended before it can teach."
        )
    rows["target"] = target.set_index("place")["target"].reindex(rows.index)
    if contract.clouded:
        clouded = warehouse.frame(
            contract.clouded.format(horizon=contract.horizon_days), spine=begin
        )
        reason = clouded.set_index("place")["reason"].reindex(rows.index)
        status = status.mask((status == SCORABLE) & reason.notna(), reason)
    status[(status == SCORABLE) & rows["target"].isna()] = "no_outcome"
    counts = status[status != SCORABLE].value_counts()
    left_out = {str(reason): int(count) for reason, count in counts.items()}
    return Labelled(rows[status == SCORABLE].reset_index(drop=True), left_out)


def loan_spine(warehouse: Warehouse) -> pd.DataFrame:
    """A spine of the day before each loan was granted."""
    frame = warehouse.frame(
        "SELECT DISTINCT a.customer_id, l.event_day - 1 AS day FROM loans l"
        " JOIN accounts a USING (account_id) ORDER BY day, customer_id"
    )
    frame["as_of"] = [date(1970, 1, 1) + timedelta(int(day)) for day in frame["day"]]
    return frame[["customer_id", "as_of"]]
