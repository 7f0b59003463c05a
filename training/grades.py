"""The master scale: ten grades of PD with fixed geometric bounds, and D for default.

The bounds never move with a model: a new model changes who is in a grade, not what a grade means.
Another scale is another version.
"""

from bisect import bisect_right
from typing import Literal

from data.errors import TrainingError

Band = Literal["low", "medium", "high"]
SCALE = "master-scale/1"
LOWEST, RATIO = 0.001, 2.0
# PD of 12 months at which grades 2 to 10 begin: 0.1 %, 0.2 %, 0.4 % ... 25.6 %.
BOUNDS = tuple(LOWEST * RATIO**step for step in range(9))
GRADES = tuple(str(number) for number in range(1, len(BOUNDS) + 2))
DEFAULTED = "D"
# Coarse on purpose, and D is not told from the worst grades: marketing may see a band.
_BANDS: tuple[tuple[Band, int], ...] = (("low", 4), ("medium", 7), ("high", 10))


def grade(pd: float) -> str:
    """The grade of a 12-month probability of default.

    Raises:
        TrainingError: it is no probability.
    """
    if not 0.0 <= pd <= 1.0:
        raise TrainingError(f"a PD of {pd} has no grade; it lies between 0 and 1.")
    return GRADES[bisect_right(BOUNDS, pd)]


def band(of_grade: str) -> Band:
    """The risk band of a grade: low (PD below 0.8 %), medium (below 6.4 %), else high.

    Raises:
        TrainingError: there is no such grade on the scale.
    """
    if of_grade == DEFAULTED:
        return "high"
    if of_grade not in GRADES:
        raise TrainingError(f"{of_grade!r} is no grade of {SCALE}: {', '.join(GRADES)} or D.")
    return next(name for name, last in _BANDS if int(of_grade) <= last)
