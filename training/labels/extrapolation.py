"""How an outcome of many months is told when only the first of them are over."""

from dataclasses import dataclass

from data.errors import TrainingError


@dataclass(frozen=True)
class Extrapolation:
    """Observed months as they were; from there on the recent months, as long as customers stay.

    Attributes:
        months: how many months count.
        observed: the least number of them that has to be over.
        recent: the last so many observed months, whose mean goes on.
        yearly_rate: a year's discount; what comes at the end of month t counts
            (1 + yearly_rate) ** (-t / 12) of its amount.
        held_back: as-of days at the end of a spine that are kept to judge by; what became known
            after the first of them makes neither the curve nor the observed months, but for the
            ``observed`` that every row has.

    Raises:
        TrainingError: the observed months are none or more than all, or there is no mean to go on.
    """

    months: int
    observed: int
    recent: int
    yearly_rate: float
    held_back: int

    def __post_init__(self) -> None:
        if not 0 < self.recent <= self.observed <= self.months:
            raise TrainingError(
                f"of {self.months} months {self.observed} are observed and the last {self.recent} of"
                " them go on: each has to be at least 1 and no more than the one before."
            )
        if self.yearly_rate <= -1 or self.held_back < 1:
            raise TrainingError(
                f"a yearly rate of {self.yearly_rate:g} and {self.held_back} as-of days held back:"
                " the rate has to be above -1, and one day at least is kept to judge by."
            )
