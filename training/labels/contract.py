"""The contract of a label: who is asked about, what counts, by when it is known."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal

from data.errors import TrainingError
from training.labels.default import DefaultDefinition

Answer = Literal["probability", "money"]
SCORABLE = "scorable"


@dataclass(frozen=True)
class LabelContract:
    """One question's label.

    Attributes:
        question: churn, lifetime_value, propensity or credit_risk.
        version: changes when any other field does.
        population: who is asked about, as a sentence; ``status`` is the same as SQL.
        outcome: what counts, as a sentence; ``target`` is the same as SQL.
        horizon_days: the outcome window, from the as-of day on.
        gap_days: days between the as-of day and the window.
        lag_days: days after the window until its facts are known.
        status: SQL over ``spine`` giving (place, status): scorable, or why not. It reads only
            facts known before the as-of day.
        target: SQL over ``spine`` giving (place, target).
        clouded: SQL over ``spine`` giving (place, reason) of rows whose outcome would teach
            another question. It may read the future: serving answers these rows all the same.
        needs: tables without which nobody can be labelled.
        spine: where the rows come from.
        default: what counts as default, for credit risk.
        notes: what whoever reads an answer has to know.

    Raises:
        TrainingError: the window would begin before the as-of day, where the features end.
    """

    question: str
    version: str
    population: str
    outcome: str
    answer: Answer
    horizon_days: int
    status: str = field(repr=False)
    target: str = field(repr=False)
    clouded: str = field(default="", repr=False)
    needs: tuple[str, ...] = ()
    gap_days: int = 0
    lag_days: int = 31
    spine: Literal["month_ends", "day_before_loan", "day_before_credit"] = "month_ends"
    default: DefaultDefinition | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if min(self.gap_days, self.horizon_days, self.lag_days) < 0:
            raise TrainingError(
                f"label {self.version}: a gap of {self.gap_days}, a horizon of {self.horizon_days}"
                f" and a lag of {self.lag_days} days overlap what the features see; each is at"
                " least 0."
            )

    def mature(self, as_of: date, last: date) -> bool:
        """Whether the outcome of ``as_of`` is fully known on the last day of the data."""
        return as_of + timedelta(self.gap_days + self.horizon_days + self.lag_days) <= last


# A customer's accounts that were open, as far as the bank knew before the as-of day.
HELD = """
    held AS (
        SELECT s.place, a.account_id, p.family
        FROM spine s JOIN accounts a USING (customer_id) JOIN products p USING (product_id)
        LEFT JOIN closings x ON x.account_id = a.account_id
            AND x.event_day < s.as_of_day AND x.known_day < s.as_of_day
        WHERE a.event_day < s.as_of_day AND a.known_day < s.as_of_day AND x.account_id IS NULL
    )
"""
STATUS = """
    WITH {held}, counted AS (SELECT place, {facts} FROM held GROUP BY place)
    SELECT s.place, CASE WHEN c.place IS NULL THEN 'no_open_account' {cases} ELSE 'scorable' END
        AS status
    FROM spine s LEFT JOIN counted c USING (place)
"""
