"""The contract of a label: who is asked about, what counts, by when it is known."""

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Literal, Self

from data.errors import TrainingError
from training.labels.default import DefaultDefinition
from training.labels.extrapolation import Extrapolation

Answer = Literal["probability", "money"]
SCORABLE = "scorable"
HORIZON = "horizon_days"  # the column that tells a row's horizon: a model's last input


@dataclass(frozen=True)
class LabelContract:
    """One question's label.

    Attributes:
        question: churn, lifetime_value, propensity or credit_risk.
        version: changes when any other field does.
        population: who is asked about, as a sentence; ``status`` is the same as SQL.
        outcome: what counts, as a sentence; ``target`` is the same as SQL.
        horizon_days: the outcome window, from the as-of day on; with several, the main one.
        gap_days: days between the as-of day and the window.
        lag_days: days after the window until its facts are known.
        status: SQL over ``spine`` giving (place, status): scorable, or why not. It reads only
            facts known before the as-of day.
        target: SQL over ``spine`` giving (place, target).
        horizons: outcome windows that one model answers, shortest first; none for one window.
            ``target`` then gives (place, event_day): the day of the first event within the
            longest, so that whoever left within a horizon has left within every longer one.
        clouded: SQL over ``spine`` giving (place, reason) of rows whose outcome would teach
            another question. It may read the future: serving answers these rows all the same.
        needs: tables without which nobody can be labelled.
        spine: where the rows come from.
        default: what counts as default, for credit risk.
        extrapolation: how the amount of a horizon is told of which only the first months are over;
            there is no ``target`` then, and only ``observed_days`` of the horizon have to be over,
            for a row to be mature and for training rows to end before the first test date.
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
    target: str = field(default="", repr=False)
    clouded: str = field(default="", repr=False)
    needs: tuple[str, ...] = ()
    gap_days: int = 0
    lag_days: int = 31
    spine: Literal["month_ends", "day_before_loan", "day_before_credit"] = "month_ends"
    horizons: tuple[int, ...] = ()
    default: DefaultDefinition | None = None
    extrapolation: Extrapolation | None = None
    observed_days: int | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if min(self.gap_days, self.horizon_days, self.lag_days) < 0:
            raise TrainingError(
                f"label {self.version}: a gap of {self.gap_days}, a horizon of {self.horizon_days}"
                f" and a lag of {self.lag_days} days overlap what the features see; each is at"
                " least 0."
            )
        if self.horizons and self.horizon_days not in self.horizons:
            raise TrainingError(
                f"label {self.version}: its main horizon of {self.horizon_days} days is none of"
                f" {self.horizons}."
            )
        if list(self.horizons) != sorted(set(self.horizons)):
            raise TrainingError(f"label {self.version}: its horizons have to rise.")

    @property
    def windows(self) -> tuple[int, ...]:
        """Every horizon, shortest first."""
        return self.horizons or (self.horizon_days,)

    @property
    def longest(self) -> int:
        """The longest horizon."""
        return self.windows[-1]

    def observed_of(self, horizon: int) -> int:
        """The days of a horizon that have to be over: all, unless the rest is extrapolated."""
        return horizon if self.observed_days is None else min(horizon, self.observed_days)

    def known_after(self, horizon: int) -> timedelta:
        """From the as-of day until the outcome of a horizon is known as far as it has to be."""
        return timedelta(self.gap_days + self.observed_of(horizon) + self.lag_days)

    def mature(self, as_of: date, last: date) -> bool:
        """Whether the outcome of ``as_of`` is fully known, for every horizon, on the last day."""
        return as_of + self.known_after(self.longest) <= last

    def without_longest(self) -> Self | None:
        """The contract of the shorter horizons; None where the longest is the main one."""
        if self.longest == self.horizon_days:
            return None
        return replace(self, horizons=self.horizons[:-1])


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
