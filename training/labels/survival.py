"""How many customers are still there, month by month: a Kaplan-Meier curve, carried on beyond."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from features.definition import Array

YEAR = 12
Months = NDArray[np.int64]


@dataclass(frozen=True)
class Survival:
    """``still[t]``: the share of customers who have not left t months later; ``still[0]`` is 1.

    Beyond the longest time that anybody was followed they leave at the pace of the last year that
    was seen.
    """

    still: tuple[float, ...]

    @classmethod
    def of(cls, followed: Months, left: NDArray[np.bool_], months: int) -> Self:
        """The curve over ``months`` of customers followed for some months each (Kaplan-Meier 1958).

        Args:
            followed: months until a customer left, or was last known to be there; at least 1.
            left: whether they left in the last of them.
        """
        # The service reads the contracts and must not wait for scipy.
        from scipy.stats import CensoredData, ecdf

        if not len(followed):
            return cls((1.0,) * (months + 1))
        seen = int(followed.max())
        lived = followed.astype(np.float64)
        curve = ecdf(CensoredData(uncensored=lived[left], right=lived[~left])).sf
        still = np.r_[1.0, curve.evaluate(np.arange(1, seen + 1))]
        begin = max(seen - YEAR, 0)
        pace = (still[-1] / still[begin]) ** (1 / (seen - begin)) if still[begin] > 0 else 0.0
        beyond = still[-1] * pace ** np.arange(1, max(months - seen, 0) + 1)
        return cls(tuple(np.r_[still, beyond][: months + 1].tolist()))

    def after(self, month: int) -> Array:
        """Of those still there after ``month``, the shares there one month later, two, and so on."""
        still = np.array(self.still)
        later = still[month + 1 :]
        return later / still[month] if still[month] > 0 else np.zeros(len(later))
