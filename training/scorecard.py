"""A glass-box scorecard: monotone weight-of-evidence bins, logistic regression, points.

Every characteristic adds points for the bin a customer falls into; more points, less risk. It is
the benchmark that trees have to beat on the same rows (Siddiqi 2006; Thomas 2009).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression

from data.errors import TooFewEvents
from features.definition import Array
from training.points import ANCHOR_ODDS, ANCHOR_POINTS, POINTS_TO_DOUBLE

FINEST, SMALLEST_SHARE = 20, 0.05
LEAST_INFORMATION = 0.02  # below it a characteristic is customarily called unpredictive
MOST_CHARACTERISTICS = 15


@dataclass(frozen=True)
class Characteristic:
    """One feature's bins: upper edges, and per bin (the last: missing) evidence and points.

    Evidence is the log of the share of all goods over the share of all bads in the bin.
    """

    feature: str
    edges: tuple[float, ...]
    evidence: tuple[float, ...]
    information: float
    points: tuple[float, ...] = ()

    def bins(self, values: Array) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
        """The bin of each value; a missing one has the last."""
        found = np.searchsorted(self.edges, values, side="left")
        return np.where(np.isnan(values), len(self.edges) + 1, found)


@dataclass(frozen=True)
class Scorecard:
    """Characteristics with points; 20 points double the odds, 600 stand for 50 to 1."""

    base: float
    characteristics: tuple[Characteristic, ...]

    def points(self, rows: pd.DataFrame) -> Array:
        """Points of each row, shape (n,)."""
        total = np.full(len(rows), self.base)
        for one in self.characteristics:
            values = rows[one.feature].to_numpy(np.float64)
            total += np.array(one.points)[one.bins(values)]
        return total

    def margin(self, rows: pd.DataFrame) -> Array:
        """Log-odds of the event that the points stand for."""
        factor = POINTS_TO_DOUBLE / np.log(2)
        return np.asarray((ANCHOR_POINTS - self.points(rows)) / factor - np.log(ANCHOR_ODDS))


def scorecard(
    rows: pd.DataFrame, features: Sequence[str], directions: Mapping[str, int]
) -> Scorecard:
    """Make a scorecard of the most informative features.

    Args:
        rows: target (1: bad) and the features.
        directions: feature -> +1 or -1, how risk must go with it; the others go as they lean.

    Raises:
        TooFewEvents: there are not both goods and bads.
    """
    target = rows["target"].to_numpy(np.float64)
    if target.min() == target.max():
        raise TooFewEvents("a scorecard needs both goods and bads")
    found = [
        characteristic(name, rows[name].to_numpy(np.float64), target, directions.get(name, 0))
        for name in features
    ]
    told = sorted(
        (one for one in found if one and one.information >= LEAST_INFORMATION),
        key=lambda one: (-one.information, one.feature),
    )[:MOST_CHARACTERISTICS]
    weights, intercept, kept = _weights(rows, target, told)
    factor = POINTS_TO_DOUBLE / np.log(2)
    base = ANCHOR_POINTS - factor * (np.log(ANCHOR_ODDS) + intercept)
    scored = tuple(
        Characteristic(
            one.feature,
            one.edges,
            one.evidence,
            one.information,
            tuple(float(-factor * weight * w) for w in one.evidence),
        )
        for one, weight in zip(kept, weights, strict=True)
    )
    return Scorecard(float(base), scored)


def _weights(
    rows: pd.DataFrame, target: Array, told: list[Characteristic]
) -> tuple[list[float], float, list[Characteristic]]:
    """Weights of the evidence, all negative: what would count against its evidence is dropped."""
    while told:
        evidence = np.column_stack(
            [np.array(c.evidence)[c.bins(rows[c.feature].to_numpy(np.float64))] for c in told]
        )
        fitted = LogisticRegression(C=1.0, max_iter=500).fit(evidence, target)
        weights = [float(w) for w in fitted.coef_[0]]
        if all(w < 0 for w in weights):
            return weights, float(fitted.intercept_[0]), told
        told = [c for c, w in zip(told, weights, strict=True) if w < 0]
    rate = float(target.mean())
    return [], float(np.log(rate / (1 - rate))), []


def characteristic(
    feature: str, values: Array, target: Array, direction: int
) -> Characteristic | None:
    """The monotone bins of one feature; None where it has but one."""
    known = ~np.isnan(values)
    if known.sum() < 2 or np.ptp(values[known]) == 0 or np.ptp(target[known]) == 0:
        return None
    leaning = direction or (1 if spearmanr(values[known], target[known]).statistic >= 0 else -1)
    edges = _pooled(values[known], target[known], leaning)
    if not edges:
        return None
    found = Characteristic(feature, edges, (), 0.0)
    bins = found.bins(values)
    bad = np.bincount(bins, weights=target, minlength=len(edges) + 2)
    good = np.bincount(bins, weights=1 - target, minlength=len(edges) + 2)
    seen = bad + good > 0
    # Half a row on each side: a bin without bads has much evidence, not endless evidence.
    goods, bads = (good + 0.5) / (good.sum() + 0.5), (bad + 0.5) / (bad.sum() + 0.5)
    evidence = np.where(seen, np.log(goods / bads), 0.0)
    information = float(np.sum((goods - bads) * evidence, where=seen))
    return Characteristic(feature, edges, tuple(float(w) for w in evidence), information)


def _pooled(values: Array, target: Array, direction: int) -> tuple[float, ...]:
    """Inner edges of bins whose bad rate goes one way and which hold 5 % of the rows or more.

    Neighbours that break the order are pooled, as in isotonic regression.
    """
    fine = np.unique(np.quantile(values, np.linspace(0, 1, FINEST + 1)[1:-1], method="lower"))
    bins = np.searchsorted(fine, values, side="left")
    count = np.bincount(bins, minlength=len(fine) + 1)
    bad = np.bincount(bins, weights=target, minlength=len(fine) + 1)
    least = SMALLEST_SHARE * len(values)
    blocks: list[list[float]] = []  # rows, bads, last fine bin
    for position, (n, b) in enumerate(zip(count, bad, strict=True)):
        blocks.append([float(n), float(b), float(position)])
        while len(blocks) > 1 and _must_join(blocks[-2], blocks[-1], direction, least):
            n2, b2, last = blocks.pop()
            blocks[-1] = [blocks[-1][0] + n2, blocks[-1][1] + b2, last]
    if len(blocks) > 1 and blocks[-1][0] < least:
        n2, b2, last = blocks.pop()
        blocks[-1] = [blocks[-1][0] + n2, blocks[-1][1] + b2, last]
    return tuple(float(fine[int(last)]) for _, _, last in blocks[:-1])


def _must_join(left: list[float], right: list[float], direction: int, least: float) -> bool:
    if left[0] < least or right[0] == 0:
        return True
    return direction * (right[1] / right[0] - left[1] / left[0]) <= 0
