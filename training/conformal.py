"""Intervals of single amounts: how far held-out customers lay from what was foretold.

Split conformal prediction (Papadopoulos and others 2002) with the residuals of cross-validation by
customer, within tenths of the score (Mondrian), so that an interval is as wide as customers of
that worth need. Both ends miss equally often.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from features.definition import Array

COVERAGE = 0.9
BANDS = 10


@dataclass(frozen=True)
class Spread:
    """How far an amount may lie below and above its estimate, by band of the estimate.

    ``edges`` part the bands, lowest first; an estimate on an edge belongs to the band above.
    ``below`` and ``above`` are added to the estimate.
    """

    coverage: float
    edges: tuple[float, ...]
    below: tuple[float, ...]
    above: tuple[float, ...]

    @classmethod
    def of(cls, estimate: Array, realised: Array, coverage: float = COVERAGE) -> Self:
        """The spread of held-out estimates, shape (n,), about what was realised."""
        edges = np.unique(np.quantile(estimate, np.linspace(0, 1, BANDS + 1)[1:-1]))
        band = np.searchsorted(edges, estimate, side="right")
        left = realised - estimate
        miss = (1 - coverage) / 2
        below, above = [], []
        for number in range(len(edges) + 1):
            residuals = left[band == number] if (band == number).any() else left
            above.append(_upper(residuals, 1 - miss))
            below.append(-_upper(-residuals, 1 - miss))
        return cls(coverage, tuple(edges.tolist()), tuple(below), tuple(above))

    def interval(self, estimate: float) -> tuple[float, float]:
        """Lower and upper end about one estimate."""
        band = int(np.searchsorted(self.edges, estimate, side="right"))
        return estimate + self.below[band], estimate + self.above[band]

    def intervals(self, estimate: Array) -> tuple[Array, Array]:
        """Lower and upper ends about estimates (n,), the same as one by one."""
        band = np.searchsorted(self.edges, estimate, side="right")
        return estimate + np.array(self.below)[band], estimate + np.array(self.above)[band]

    def covered(self, estimate: Array, realised: Array) -> Array:
        """1.0 where the realised amount lies within the interval, else 0.0."""
        low, high = self.intervals(estimate)
        return ((low <= realised) & (realised <= high)).astype(np.float64)


def _upper(residuals: Array, level: float) -> float:
    """The ceil((n + 1) x level)-th smallest residual: with the next customer, n + 1 places."""
    place = min(int(np.ceil((len(residuals) + 1) * level - 1e-9)), len(residuals))
    return float(np.sort(residuals)[max(place, 1) - 1])
