"""Place everybody who may be contacted: listed, control, or left out because others came first."""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from features.definition import Array
from serving.lists.draws import Draws, mixed
from serving.lists.request import ListRequest

PLACES = ("listed", "control", "suppressed")
ARMS = ("champion", "challenger", "random")
DECILES = 10
ALPHA, POWER = 0.05, 0.80
Small = npt.NDArray[np.int8]
Places = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Placed:
    """Where each customer is; arrays of shape (n,).

    Attributes:
        place: of ``PLACES``.
        arm: of ``ARMS``; -1 for who is suppressed.
        decile: of expected profit among those who may be contacted, 1 the highest; 0 for others.
    """

    place: Small
    arm: Small
    decile: Small


@dataclass(frozen=True)
class Power:
    """What the control group can show.

    Attributes:
        take_up: mean take-up probability of the chosen.
        detectable: the smallest difference in take-up seen with 80 % power at 5 %, two-sided; None
            without a control group.
        least_effect: the difference worth seeing.
        enough: whether it can be seen.
    """

    treated: int
    control: int
    take_up: float
    detectable: float | None
    least_effect: float
    enough: bool


def placed(
    request: ListRequest, offered: npt.NDArray[np.bool_], p: Array, profit: Array, draws: Draws
) -> Placed:
    """Split who may be contacted into arms, take the first of each, and keep a control group.

    Arms and control are drawn within deciles of expected profit, by the seed.

    Args:
        offered: whether there is an offer that nothing speaks against; the others are suppressed.
    """
    place = np.full(len(offered), PLACES.index("suppressed"), np.int8)
    arm, decile = np.full(len(offered), -1, np.int8), np.zeros(len(offered), np.int8)
    able = np.flatnonzero(offered)
    decile[able] = _deciles(profit[able], draws[able])
    chance = mixed(draws[able], f"arm/{request.seed}")
    pools = _pools(request, decile[able], chance)
    orders = (-profit[able], -p[able], chance.astype(np.float64))
    wanted = min(len(able), int(np.ceil(request.quota / (1 - request.control) - 1e-9)))
    taken: list[Places] = []
    for number, quota in enumerate(_quotas(request, wanted, pools)):
        pool = np.flatnonzero(pools == number)
        ranked = pool[np.lexsort((draws[able][pool], orders[number][pool]))]
        taken.append(able[ranked[:quota]])
        arm[taken[-1]] = number
    chosen = np.concatenate(taken)
    kept = _control(request, chosen, arm, decile, draws)
    place[chosen], place[kept] = PLACES.index("listed"), PLACES.index("control")
    return Placed(place, arm, decile)


def _deciles(profit: Array, draws: Draws) -> Small:
    found = np.empty(len(profit), np.int8)
    order = np.lexsort((draws, -profit))
    found[order] = 1 + np.arange(len(order)) * DECILES // max(len(order), 1)
    return found


def _pools(request: ListRequest, decile: Small, chance: Draws) -> Small:
    """The arm to which each belongs before the best are taken, in equal shares of each decile."""
    ends = np.cumsum([getattr(request.arms, name) for name in ARMS])
    pools = np.empty(len(decile), np.int8)
    for stratum in range(1, DECILES + 1):
        members = np.flatnonzero(decile == stratum)
        order = members[np.argsort(chance[members], kind="stable")]
        share = (np.arange(len(order)) + 0.5) / max(len(order), 1)
        pools[order] = np.searchsorted(ends[:-1], share, side="right")
    return pools


def _quotas(request: ListRequest, wanted: int, pools: Small) -> list[int]:
    """How many each arm takes; what an arm lacks, others fill."""
    sizes = np.bincount(pools, minlength=len(ARMS)).astype(int)
    ends = np.cumsum([0.0, *(getattr(request.arms, name) for name in ARMS)])
    bounds = np.floor(ends * wanted + 0.5).astype(int)
    quotas = np.minimum(np.diff(bounds), sizes)
    for number in range(len(ARMS)):
        quotas[number] += min(wanted - int(quotas.sum()), int(sizes[number] - quotas[number]))
    return [int(quota) for quota in quotas]


def _control(
    request: ListRequest, chosen: Places, arm: Small, decile: Small, draws: Draws
) -> Places:
    """The control group: as many of every arm and decile as its share, by lot."""
    count = len(chosen)
    treated = min(request.quota, count - int(request.control * count + 0.5))
    wanted = count - treated
    lots = mixed(draws[chosen], f"control/{request.seed}")
    order = chosen[np.lexsort((lots, decile[chosen], arm[chosen]))]
    at = np.arange(count, dtype=np.int64)
    # The n-th of a row falls to control where n x share passes a whole number.
    return np.asarray(order[(at + 1) * wanted // max(count, 1) > at * wanted // max(count, 1)])


def power(request: ListRequest, treated: int, control: int, take_up: float) -> Power:
    """The smallest effect that a control group can show, of two shares compared."""
    normal = NormalDist()
    reach = normal.inv_cdf(1 - ALPHA / 2) + normal.inv_cdf(POWER)
    least = request.least_effect or take_up / 2
    if not treated or not control:
        return Power(treated, control, take_up, None, least, enough=False)
    spread = take_up * (1 - take_up) * (1 / treated + 1 / control)
    seen = reach * spread**0.5
    return Power(treated, control, take_up, seen, least, enough=seen <= least)
