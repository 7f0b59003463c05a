"""How little has to be done until a score passes a threshold: a search over the levers.

A score is constant between the thresholds of its trees, so along one lever only the amounts count
at which a feature steps over one of them. These are found by bisection, on features that rise or
fall all the way between the amounts at which a balance changes its sign; the smallest that passes
is therefore exact. Where no single lever passes, pairs are tried greedily: the first goes as far as
it helps most, the second as little as is needed, then the first again no further than is needed.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from data.errors import NotReady
from features.catalogue import CATALOGUE
from features.definition import Array
from features.levers import Lever, Now, levers_for
from serving.scoring import Model

Path = Callable[[Array], Mapping[str, Array]]
_BELOW_ZERO = math.nextafter(0.0, -1.0)


@dataclass(frozen=True)
class Action:
    """A lever moved by a number of steps."""

    lever: Lever
    steps: int

    def after(self, now: Now) -> Now:
        """The profile once the action is taken."""
        changed = self.lever.after(now, np.array([float(self.steps)]))
        return Now(now | {name: float(values[0]) for name, values in changed.items()})

    def amount(self, now: Now) -> float:
        """How much it is, in minor units or times."""
        return float(self.lever.amounts(now, np.array([float(self.steps)]))[0])


@dataclass(frozen=True)
class Found:
    """Actions that take the score below the threshold, one after the other, and what they cost."""

    actions: tuple[Action, ...]
    margin: float
    cost: float


@dataclass(frozen=True)
class Search:
    """The levers of one customer's score, below a threshold on what people read.

    Raises:
        NotReady: the release does not say within which bounds its customers were.
    """

    model: Model
    now: Now
    threshold: float

    def __post_init__(self) -> None:
        if not self.model.release.card.spans:
            raise NotReady(
                f"{self.model.release.card.name} was trained before bounds were kept; train it"
                " again."
            )

    @cached_property
    def levers(self) -> tuple[Lever, ...]:
        """Those that may be moved, and move something that the model reads."""
        asked = levers_for(self.model.release.card.question)
        return tuple(x for x in asked if (n := x.steps(self.now)) and self._read(x, n))

    def _read(self, lever: Lever, steps: int) -> bool:
        moved = lever.after(self.now, np.array([float(steps)]))
        return any(name in self.model.release.card.profiled for name in moved)

    def singles(self) -> list[Found]:
        """For each lever that passes alone its smallest amount, the cheapest first."""
        found = (self._passing(self.now, one) for one in self.levers)
        passing = ((one,) for one in found if one is not None)
        return sorted(map(self._found, passing), key=_cheapest)

    def pairs(self) -> list[Found]:
        """Pairs that pass, the cheapest first."""
        found = []
        for first in self.levers:
            begun = self._furthest(first)
            if begun is None:
                continue
            there = begun.after(self.now)
            for second in self.levers:
                ended = self._passing(there, second) if second is not first else None
                if ended is not None:
                    found.append(self._found(self._shortened(begun, ended)))
        return sorted(found, key=_cheapest)

    def lowest(self) -> float:
        """The lowest score that a single lever reaches, or today's."""
        reached = [self.margin(self.now)]
        for one in self.levers:
            if (furthest := self._furthest(one)) is not None:
                reached.append(self.margin(furthest.after(self.now)))
        return self.model.value(min(reached))

    def margin(self, now: Now) -> float:
        """The score of a profile, on the model's scale."""
        return float(self._margins(now, {}, 1)[0])

    def row(self, now: Now) -> Array:
        """A profile as the model reads it."""
        return np.array([now[name] for name in self.model.release.card.profiled], np.float64)

    def _found(self, actions: tuple[Action, ...]) -> Found:
        now, cost = self.now, 0.0
        for action in actions:
            cost += self._cost(action, now)
            now = action.after(now)
        return Found(actions, self.margin(now), cost)

    def _cost(self, action: Action, now: Now) -> float:
        """An amount over the interquartile range of what it moves; each time of a count is 1."""
        amount, lever = action.amount(now), action.lever
        if lever.unit != "money":
            return amount
        low, first, third, high = self.model.release.card.spans.get(lever.of, (0.0,) * 4)
        return amount / (third - first or high - low or lever.step)

    def _shortened(self, first: Action, second: Action) -> tuple[Action, Action]:
        """The pair with the first action no further than the second one leaves to be done."""
        least = self._passing(second.after(self.now), first.lever)
        possible = second.steps <= second.lever.steps(self.now)
        return (second, least) if least is not None and possible else (first, second)

    def _passing(self, now: Now, lever: Lever) -> Action | None:
        """The smallest amount that passes."""
        reach = self._reach(now, lever)
        fits = [s for s, m in reach if self.model.value(m) < self.threshold]
        return Action(lever, fits[0]) if fits else None

    def _furthest(self, lever: Lever) -> Action | None:
        """The smallest of the amounts that lower the score most; none where nothing does."""
        reach = self._reach(self.now, lever)
        least = min(reach, key=lambda one: (one[1], one[0]), default=None)
        better = least is not None and least[1] < self.margin(self.now)
        return Action(lever, least[0]) if least is not None and better else None

    def _reach(self, now: Now, lever: Lever) -> list[tuple[int, float]]:
        """Steps at which the score may change, with the margins there, within bounds."""
        most = lever.steps(now)
        if not most:
            return []

        def path(steps: Array) -> Mapping[str, Array]:
            return lever.after(now, steps)

        bounds = self._bounds(now, path)
        watched = {
            name: np.union1d(self._thresholds.get(name, []), _edges(*bounds[name]))
            for name in bounds
        }
        steps = breaks(path, most, watched)
        moved = path(steps)
        inside = np.logical_and.reduce([_inside(moved[name], bounds[name]) for name in bounds])
        allowed = steps[np.broadcast_to(inside, steps.shape)]
        margins = self._margins(now, path(allowed), len(allowed))
        return list(zip(allowed.astype(int).tolist(), margins.tolist(), strict=True))

    def _bounds(self, now: Now, path: Path) -> dict[str, tuple[float, float]]:
        """Where each moved feature that the model reads has to end.

        It is the 1st to the 99th percentile of those learnt from, or no further out than today. How
        long ago something was is no choice: it was yesterday, as the action.
        """
        spans = self.model.release.card.spans
        found = {}
        for name in path(np.zeros(1)):
            low, _, _, high = spans.get(name, (-math.inf, 0.0, 0.0, math.inf))
            if CATALOGUE[name].unit == "days":
                low, high = -math.inf, math.inf
            if name in self.model.release.card.profiled:
                today = [v for v in (now[name],) if not math.isnan(v)]
                found[name] = min(low, *today, low), max(high, *today, high)
        return found

    @cached_property
    def _thresholds(self) -> dict[str, Array]:
        """Feature -> where the trees cut it."""
        forest = self.model.explainer.forest
        return {
            name: np.unique(forest.threshold[forest.feature == place])
            for place, name in enumerate(forest.feature_names)
        }

    def _margins(self, now: Now, moved: Mapping[str, Array], count: int) -> Array:
        card = self.model.release.card
        rows = np.tile(self.row(now), (count, 1))
        for name, values in moved.items():
            if name in card.profiled:
                rows[:, card.profiled.index(name)] = values
        inputs = self.model.inputs(rows, card.horizon_days)
        return self.model.explainer.forest.margin(inputs)


def _cheapest(found: Found) -> tuple[float, list[str]]:
    return found.cost, [action.lever.name for action in found.actions]


def _edges(low: float, high: float) -> list[float]:
    """Bounds as thresholds: what lies within is above the one and not above the other."""
    return [one for one in (math.nextafter(low, -math.inf), high) if math.isfinite(one)]


def _inside(values: Array, bounds: tuple[float, float]) -> NDArray[np.bool_]:
    low, high = bounds
    return np.isnan(values) | ((low <= values) & (values <= high))


def breaks(path: Path, most: int, watched: Mapping[str, Array]) -> Array:
    """The numbers of steps, 1 to most, at which a watched feature comes to another side.

    Args:
        path: steps (n,) -> feature -> values (n,); each feature rises or falls all the way between
            the steps at which one of them changes its sign.
        watched: feature -> thresholds. A value is at most one, or above it, or missing.
    """
    signs = np.array([_BELOW_ZERO, 0.0, math.nan])
    edges = _crossings(path, np.array([1.0, most]), dict.fromkeys(path(np.zeros(1)), signs))
    cuts = {name: np.append(cut, (*signs,)) for name, cut in watched.items()}
    # The step before a change of sign ends the stretch on which features rise or fall.
    ends = np.unique(np.clip([edges - 1.0, edges], 1.0, most))
    return _crossings(path, ends, cuts)


def _crossings(path: Path, edges: Array, watched: Mapping[str, Array]) -> Array:
    """The edges, and between each two of them the first steps on the other side of a threshold."""
    names = list(watched)
    each = [(place, cut) for place, name in enumerate(names) for cut in watched[name].tolist()]
    if not each:
        return edges
    segments = len(edges) - 1
    place = np.tile([one for one, _ in each], segments)
    cuts = np.tile([cut for _, cut in each], segments)
    low, high = (np.repeat(ends, len(each)) for ends in (edges[:-1], edges[1:]))

    def side(steps: Array) -> NDArray[np.bool_]:
        moved = path(steps)
        values = np.array([moved[name] for name in names])[place, np.arange(len(steps))]
        missing: NDArray[np.bool_] = np.isnan(values)
        return np.where(np.isnan(cuts), missing, values <= cuts).astype(np.bool_)

    after = side(high)
    crossed = side(low) != after
    while np.any(high - low > 1):
        middle = np.floor((low + high) / 2)
        there = side(middle) == after
        high, low = np.where(there, middle, high), np.where(there, low, middle)
    return np.unique(np.concatenate([edges, high[crossed]]))
