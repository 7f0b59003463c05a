"""Figures of a model by group of its test rows, with intervals drawn over whole customers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from features.definition import Array
from training.judge import MAIN, MOST_DATES, Group, Slope, middle, ranking, resampled
from training.labels import Answer

LEAST_ROWS, LEAST_CUSTOMERS = 100, 10
LISTED = 0.1
FEW_ROWS = 2_000  # whose slopes are cheap to find whole in every draw
NOT_KNOWN = "not known"
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Partition:
    """The test rows in groups: each row's place among the names; who has no value is not known.

    ``read`` tells whether the model reads the attribute.
    """

    title: str
    about: str
    names: tuple[str, ...]
    place: NDArray[np.intp]
    read: bool = False


@dataclass(frozen=True)
class Drawn:
    """A group's figures, and what they are in each draw of customers."""

    group: Group
    draws: dict[str, Array]


class Unseen:
    """Test rows as figures by group need them: who is listed, and the draws of customers.

    Args:
        margin: calibrated margins of the test rows.
        test: customer_id, as_of and target of the rows.
        copies: how often each row stands there, where folds were repeated.
    """

    def __init__(self, margin: Array, test: pd.DataFrame, answer: Answer, copies: int = 1) -> None:
        self.margin, self.answer, self.copies = margin, answer, copies
        self.target = test["target"].to_numpy(np.float64)
        self.dates = test["as_of"]
        self.expected = margin if answer == "money" else np.asarray(expit(margin), np.float64)
        self.listed = np.zeros(len(margin))
        best = np.argsort(-margin, kind="stable")[: max(1, round(len(margin) * LISTED))]
        self.listed[best] = 1.0
        self.customers, self.times = resampled(test["customer_id"])

    def by(self, partition: Partition) -> tuple[Drawn, ...]:
        """Figures of every group that has rows."""
        found = [
            self._group(name, partition.place == place)
            for place, name in enumerate(partition.names)
        ]
        return tuple(one for one in found if one.group.rows)

    def _group(self, name: str, asked: Mask) -> Drawn:
        rows = np.flatnonzero(asked)
        count, hits = len(rows) // self.copies, int(self.target[rows].sum()) // self.copies
        events = None if self.answer == "money" else hits
        if count < LEAST_ROWS:
            return Drawn(
                Group(name, count, events, {}, {}, f"{count:,} rows, {LEAST_ROWS} wanted"), {}
            )
        few = "" if events is None else self._few(rows)
        figures, draws = self._figures(rows, determined=not few)
        kept = {key: figure for key, figure in figures.items() if np.isfinite(figure)}
        spans = {key: middle(draws[key]) for key in kept}
        return Drawn(Group(name, count, events, kept, spans, few), draws)

    def _few(self, rows: NDArray[np.intp]) -> str:
        """Of what kind of customer there are too few to tell one from the other; empty if of none."""
        for target, kind in ((1, "with"), (0, "without")):
            count = len(np.unique(self.customers[rows[self.target[rows] == target]]))
            if count < LEAST_CUSTOMERS:
                return f"{count} customers {kind} the event, {LEAST_CUSTOMERS} wanted"
        return ""

    def _figures(
        self, rows: NDArray[np.intp], determined: bool
    ) -> tuple[dict[str, float], dict[str, Array]]:
        """Figures by name, and those of every draw; without enough outcomes those of the score."""
        codes, inverse = np.unique(self.customers[rows], return_inverse=True)
        target, listed, expected = self.target[rows], self.listed[rows], self.expected[rows]
        slope = Slope(self.margin[rows], target, self.answer)
        ranked = ranking(self.margin[rows], target, self.answer)
        ones = np.ones(len(rows))
        parts = np.vstack([ones, expected, listed, target, target * listed, slope.parts()])
        sums = np.array([np.bincount(inverse, part, len(codes)) for part in parts])
        totals = np.empty((len(self.times), len(parts)))
        ranks, slopes = np.empty((2, len(self.times)))
        few = len(rows) <= FEW_ROWS
        for number, times in enumerate(self.times):
            often = times[codes].astype(np.float64)
            totals[number] = np.einsum("pc,c->p", sums, often)
            if determined:
                ranks[number] = ranked(often[inverse])
                slopes[number] = slope.of(often[inverse]) if few else 0.0
        if not few:
            slopes = slope.slopes(totals[:, 5:])
        of_all = parts.sum(axis=1)
        figures, draws = (self._rates(one) for one in (of_all[None, :], totals))
        if not determined:
            kept = ("mean_score", "selection")
            return {k: float(figures[k][0]) for k in kept}, {k: draws[k] for k in kept}
        draws |= {MAIN[self.answer]: ranks, "calibration_slope": slopes}
        told = {key: float(values[0]) for key, values in figures.items()}
        told |= {MAIN[self.answer]: ranked(ones), "calibration_slope": slope.of(ones)}
        if self.answer == "money" and np.ptp(np.sign(totals[:, 1])):
            del told["o_e"]  # over an expectation that may as well be nothing
        return told, draws

    def _rates(self, totals: Array) -> dict[str, Array]:
        """Mean score, share listed, share of events listed, O/E, from sums (draws, parts)."""
        rows, expected, listed, observed, caught = totals.T[:5]
        rates = {
            "mean_score": _over(expected, rows),
            "selection": _over(listed, rows),
            "o_e": _over(observed, expected),
        }
        return rates if self.answer == "money" else rates | {"tpr": _over(caught, observed)}


def _over(some: Array, all_of: Array) -> Array:
    return np.asarray(some / np.where(all_of == 0, np.nan, all_of), np.float64)


def banded(values: Array, bounds: Sequence[float], names: Sequence[str]) -> NDArray[np.intp]:
    """Each value's place among the names of its bands; a band begins at its bound.

    The place after the last is of values that are missing.
    """
    place = np.searchsorted(np.asarray(bounds, np.float64), values, side="right")
    return np.where(np.isnan(values), len(names), place)


def by_date(unseen: Unseen) -> tuple[Group, ...]:
    """Figures within each as-of date, or each quarter or year where the dates are many.

    Nothing where there is only one date.
    """
    for length in ("day", "quarter", "year"):
        periods = _periods(unseen.dates, length)
        names = sorted(set(periods))
        if len(names) <= MOST_DATES:
            break
    if len(names) < 2:
        return ()
    place = pd.Index(names).get_indexer(pd.Index(periods))
    return tuple(one.group for one in unseen.by(Partition("", "", tuple(names), place)))


def _periods(dates: pd.Series, length: str) -> list[str]:
    days = [str(day) for day in dates]
    if length == "day":
        return days
    if length == "year":
        return [day[:4] for day in days]
    return [f"{day[:4]} Q{(int(day[5:7]) + 2) // 3}" for day in days]
