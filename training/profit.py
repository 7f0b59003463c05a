"""What acting on a model brings, at stated gains and costs that a bank replaces by its own."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from features.definition import Array


@dataclass(frozen=True)
class Stakes:
    """What one action costs is 1; ``gain`` is what it brings where the outcome would have come."""

    act: str
    gain: float


# Assumptions for comparing models, in costs of one action; none is measured at a bank.
STAKES: Mapping[str, Stakes] = {
    "churn": Stakes("a call by the manager", 8.0),
    "propensity": Stakes("an offer", 20.0),
    "credit_risk": Stakes("an early review of the exposure", 15.0),
}


@dataclass(frozen=True)
class Profit:
    """Acting on whoever's chance is at least ``cut_off``; profits in costs of one action.

    The cut-off is cost over gain, where an action pays for itself, so that no outcome of the test
    chose it. ``expected`` is what the chances foretell, ``realised`` what came, ``everybody``
    what acting on all rows brings, ``foresight`` the most that was to be had.
    """

    act: str
    gain: float
    cut_off: float
    acted: int
    expected: float
    realised: float
    everybody: float
    foresight: float


def profit(chance: Array, target: Array, stakes: Stakes) -> Profit:
    """Profit of acting at the best cut-off of calibrated chances (n,)."""
    cut_off = 1 / stakes.gain
    acted = chance >= cut_off
    return Profit(
        stakes.act,
        stakes.gain,
        cut_off,
        int(acted.sum()),
        float(np.sum(stakes.gain * chance[acted] - 1)),
        float(np.sum(stakes.gain * target[acted] - 1)),
        float(np.sum(stakes.gain * target - 1)),
        float((stakes.gain - 1) * target.sum()),
    )
