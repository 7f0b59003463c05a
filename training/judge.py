"""Judge a fitted model on customers and dates it has never seen."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from features.definition import Array
from training.conformal import Spread
from training.fit import Calibration, Fitted, calibrate
from training.labels import HORIZON, Answer
from training.profit import Profit

ENOUGH_EVENTS = 100
REPETITIONS = 200
MOST_DATES = 24
SIDES: tuple[Literal["left"], Literal["right"]] = ("left", "right")
Statistic = Callable[[Array, Array, Array | None], float]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Comparison:
    """A rival on the same test rows, and by how much the model's figure exceeds the rival's.

    ``rival`` is what it is called, ``digest`` its release where it has one.
    """

    rival: str
    figure: float
    difference: float
    interval: Interval
    digest: str = ""


@dataclass(frozen=True)
class Group:
    """Figures of one group of the test rows; those that are not determined are absent.

    ``events`` is None for amounts. ``insufficient`` says what there is too little of for the
    figures that need outcomes.
    """

    name: str
    rows: int
    events: int | None
    figures: dict[str, float]
    intervals: dict[str, Interval]
    insufficient: str = ""


@dataclass(frozen=True)
class Gap:
    """How far two groups are apart in a rate: the highest less the lowest, the lowest over it."""

    rate: str
    lowest: str
    highest: str
    difference: float
    interval: Interval
    ratio: float | None
    ratio_interval: Interval | None


@dataclass(frozen=True)
class Grouping:
    """The test rows by one attribute, and where it is protected, how far its groups are apart.

    ``read`` tells whether the model reads the attribute.
    """

    title: str
    about: str
    read: bool
    groups: tuple[Group, ...]
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True)
class HorizonFigures:
    """Figures of one horizon of several; ``taught`` counts the rows that taught it."""

    rows: int
    events: int
    taught: int
    metrics: dict[str, float]
    intervals: dict[str, Interval]


@dataclass(frozen=True)
class Judgement:
    """Figures of one model on its test rows, intervals at 95 %, clustered by customer.

    ``protocol`` says what kept the test rows apart from those the model learnt on. ``psi`` is None
    where the test rows are the training rows, ``champion`` where there was none to compare with.
    Of a model of several horizons the figures are those of the main one; ``horizons`` holds those
    of each by its days, and of all together as ``pooled``. ``dates`` are the figures within each
    as-of date, ``segments`` those of parts of the business, ``fairness`` those of groups that the
    law protects.
    """

    protocol: str
    rows: int
    events: int
    metrics: dict[str, float]
    raw: dict[str, float]
    interval: Interval
    intervals: dict[str, Interval] = field(default_factory=dict)
    psi: float | None = None
    benchmark: Comparison | None = None
    champion: Comparison | None = None
    horizons: dict[str, HorizonFigures] = field(default_factory=dict)
    profit: Profit | None = None
    dates: tuple[Group, ...] = ()
    segments: tuple[Grouping, ...] = ()
    fairness: tuple[Grouping, ...] = ()


@dataclass(frozen=True)
class Margins:
    """What a model, and the same model before calibration, says of its test rows."""

    calibrated: Array
    raw: Array

    def of(self, rows: NDArray[np.bool_]) -> "Margins":
        """The margins of some of the rows."""
        return Margins(self.calibrated[rows], self.raw[rows])


def margins(fitted: Fitted, rows: pd.DataFrame) -> Margins:
    """Margins of test rows."""
    calibrated, calibration = calibrated_margins(fitted, rows), fitted.calibration
    return Margins(calibrated, (calibrated - calibration.intercept) / calibration.slope)


def calibrated_margins(fitted: Fitted, rows: pd.DataFrame) -> Array:
    """What is served of some rows."""
    values = rows[list(fitted.features)].to_numpy(np.float64)
    return np.asarray(fitted.booster.predict(values, raw_score=True), np.float64)


def judge(found: Margins, test: pd.DataFrame, answer: Answer, protocol: str) -> Judgement:
    """Judge the calibrated margins, and beside them the raw ones.

    Args:
        test: customer_id, as_of and target of the rows the margins are of.
    """
    target = test["target"].to_numpy(np.float64)
    main = MAIN[answer]
    dated = answer == "probability" and test["as_of"].nunique() <= MOST_DATES
    asked = _statistics(found.calibrated, target, answer)
    if dated:
        asked["auc_within_date"] = _dated(test["as_of"], found.calibrated, target)
    spans = bootstrap(test, asked)
    if answer == "money":
        return Judgement(
            protocol=protocol,
            rows=len(test),
            events=len(test),
            metrics=money_metrics(found.calibrated, target),
            raw=money_metrics(found.raw, target),
            interval=spans[main],
            intervals=spans,
        )
    metrics = probability_metrics(found.calibrated, target)
    if dated:
        metrics["auc_within_date"] = within_date(test["as_of"], found.calibrated, target)
    return Judgement(
        protocol=protocol,
        rows=len(test),
        events=int(target.sum()),
        metrics=metrics,
        raw=probability_metrics(found.raw, target),
        interval=spans[main],
        intervals=spans,
    )


def by_horizon(
    found: Margins, test: pd.DataFrame, train: pd.DataFrame, protocol: str
) -> dict[str, HorizonFigures]:
    """Figures of each horizon by its days, and ``pooled``: those of all rows together."""
    told = {}
    for horizon in [*sorted(set(test[HORIZON])), None]:
        asked = np.full(len(test), True) if horizon is None else of_horizon(test, horizon)
        one = judge(found.of(asked), test[asked].reset_index(drop=True), "probability", protocol)
        taught = len(train) if horizon is None else int(of_horizon(train, horizon).sum())
        name = "pooled" if horizon is None else str(horizon)
        told[name] = HorizonFigures(one.rows, one.events, taught, one.metrics, one.intervals)
    return told


def of_horizon(rows: pd.DataFrame, horizon: int) -> NDArray[np.bool_]:
    """Which rows ask about a horizon: all of them where there is only one."""
    if HORIZON not in rows:
        return np.full(len(rows), True)
    return (rows[HORIZON] == horizon).to_numpy(bool)


MAIN: Mapping[str, str] = {"probability": "auc", "money": "normalised_gini"}


def _statistics(
    margin: Array, target: Array, answer: Answer
) -> dict[str, Callable[[Array], float]]:
    """The figures that have an interval, each as a function of how often a row is counted."""
    expected = margin if answer == "money" else expit(margin)
    return {
        MAIN[answer]: ranking(margin, target, answer),
        "calibration_slope": Slope(margin, target, answer).of,
        "o_e": lambda weight: dot(weight, target) / dot(weight, expected),
    }


def ranking(score: Array, target: Array, answer: Answer) -> Callable[[Array], float]:
    """AUC, or Gini of money, as a function of how often a row is counted; sorted once."""
    return Lorenz(score, target).gini if answer == "money" else Roc(score, target).area


def _dated(dates: pd.Series, margin: Array, target: Array) -> Callable[[Array], float]:
    return Dated(dates, margin, target).area


class Slope:
    """Slope of the outcome on the margin, 1 when the spread of the scores is honest.

    Least squares for money, logistic regression for probabilities (Cox 1958; Newton's method).
    NaN where it is not determined: one class, one score, or outcomes that the score separates.
    """

    def __init__(self, margin: Array, target: Array, answer: Answer) -> None:
        self.centre = float(margin.mean())
        self.centred, self.target, self.answer = margin - self.centre, target, answer
        self.squared = self.centred**2
        self.fitted = (float("nan"), float("nan"))
        if answer != "money":
            self.fitted = self._fit(np.ones(len(margin)))

    def of(self, weight: Array) -> float:
        """The slope with rows counted so often."""
        if self.answer == "money":
            return self._least_squares(weight)
        return self._fit(weight)[0]

    def _least_squares(self, weight: Array) -> float:
        n, x, y = weight.sum(), dot(weight, self.centred), dot(weight, self.target)
        around = dot(weight, self.squared)
        spread = around - x * x / n
        if not spread > 1e-12 * around:
            return float("nan")
        return float((dot(weight * self.centred, self.target) - x * y / n) / spread)

    def _fit(self, weight: Array) -> tuple[float, float]:
        """Slope and intercept, beginning at those of all rows where they are known."""
        start = (1.0, self.centre) if np.isnan(self.fitted[0]) else self.fitted
        slope, intercept = start
        seen = weight * self.target
        for _ in range(25):
            p = expit(slope * self.centred + intercept)
            expected = weight * p
            error, spread = seen - expected, expected * (1 - p)
            a, b, c = dot(spread, self.squared), dot(spread, self.centred), spread.sum()
            determinant = a * c - b * b
            if not determinant > 1e-9 * a * c:
                break
            u, v = dot(error, self.centred), error.sum()
            step = (c * u - b * v) / determinant, (a * v - b * u) / determinant
            slope, intercept = slope + step[0], intercept + step[1]
            if max(abs(step[0]), abs(step[1])) < 1e-6:
                return float(slope), float(intercept)
        return float("nan"), float("nan")

    def parts(self) -> Array:
        """What each row brings to the sums (5, rows) that ``slopes`` needs."""
        if self.answer == "money":
            x, y = self.centred, self.target
            return np.array([_ones(x), x, self.squared, y, x * y])
        p = expit(self.fitted[0] * self.centred + self.fitted[1])
        spread, error = p * (1 - p), self.target - p
        return np.array(
            [spread, spread * self.centred, spread * self.squared, error, error * self.centred]
        )

    def slopes(self, sums: Array) -> Array:
        """Slopes of many draws from their sums (draws, 5) over rows.

        Exact for money; for probabilities one step of Newton's method from the slope of all rows
        (Moulton and Zeger 1991), which costs a draw no pass over its rows.
        """
        a, b, c, y, xy = sums.T
        determinant = a * c - b * b
        safe = np.where(determinant > 1e-9 * a * c, determinant, np.nan)
        step = (a * xy - b * y) / safe
        return step if self.answer == "money" else np.asarray(self.fitted[0] + step, np.float64)


def calibration_slope(
    margin: Array, target: Array, answer: Answer, weight: Array | None = None
) -> float:
    """The slope of ``Slope``; weights repeat rows."""
    return Slope(margin, target, answer).of(_ones(margin) if weight is None else weight)


def _ones(values: Array) -> Array:
    return np.ones(len(values))


def dot(a: Array, b: Array) -> float:
    """Sum of products on one thread, in one order.

    BLAS starts threads for every sum; beside another model's fit they wait for each other, and
    200 draws of 60,000 rows take a hundred times as long.
    """
    return float(np.einsum("i,i", a, b))


def compare(
    test: pd.DataFrame, ours: Array, theirs: Array, answer: Answer, rival: str, digest: str = ""
) -> Comparison:
    """AUC, or Gini of money, against a rival's on the same rows, with a paired interval."""
    target = test["target"].to_numpy(np.float64)
    us, them = ranking(ours, target, answer), ranking(theirs, target, answer)
    figure = them(_ones(target))
    spans = bootstrap(test, {"": lambda weight: us(weight) - them(weight)})
    return Comparison(rival, figure, us(_ones(target)) - figure, spans[""], digest)


def population_stability(
    before: Array, after: Array, weight: Array | None = None, bins: int = 10
) -> float:
    """PSI of scores between two samples, over tenths of the first; weights repeat the second's rows.

    Below 0.1 is customarily called stable, above 0.25 shifted. An empty bin counts half a row.
    """
    edges = np.unique(np.quantile(before, np.linspace(0, 1, bins + 1)[1:-1]))
    weight = np.ones(len(after)) if weight is None else weight
    old = np.bincount(np.searchsorted(edges, before), minlength=len(edges) + 1)
    new = np.bincount(np.searchsorted(edges, after), weights=weight, minlength=len(edges) + 1)
    was, now = (np.maximum(count, 0.5) / count.sum() for count in (old, new))
    return float(np.sum((now - was) * np.log(now / was)))


def with_stability(judged: Judgement, train: Array, test: Array, rows: pd.DataFrame) -> Judgement:
    """The judgement with the PSI between the scores of training and test rows, and its interval."""
    spans = bootstrap(rows, {"psi": lambda weight: population_stability(train, test, weight)})
    return replace(
        judged, psi=population_stability(train, test), intervals={**judged.intervals, **spans}
    )


def with_coverage(
    judged: Judgement, spread: Spread, margin: Array, rows: pd.DataFrame
) -> Judgement:
    """The judgement with the share of unseen customers' amounts that lie within their interval."""
    inside = spread.covered(margin, rows["target"].to_numpy(np.float64))
    spans = bootstrap(rows, {"coverage": lambda weight: float(np.average(inside, weights=weight))})
    return replace(
        judged,
        metrics={**judged.metrics, "coverage": float(inside.mean())},
        intervals={**judged.intervals, **spans},
    )


def probability_metrics(margin: Array, target: Array) -> dict[str, float]:
    """AUC, Gini, KS, Brier, observed over expected, calibration slope and intercept, lift."""
    p = expit(margin)
    area = auc(margin, target)
    slope = _refit(margin, target)
    return {
        "auc": area,
        "gini": 2 * area - 1,
        "ks": kolmogorov_smirnov(margin, target),
        "brier": float(np.mean((p - target) ** 2)),
        "o_e": float(target.sum() / p.sum()),
        "calibration_slope": slope.slope,
        "calibration_intercept": slope.intercept,
        "lift_top_decile": lift(margin, target),
        "base_rate": float(target.mean()),
    }


def _refit(margin: Array, target: Array) -> Calibration:
    if target.min() == target.max() or np.ptp(margin) == 0:
        return Calibration(float("nan"), float("nan"))
    return calibrate(margin, target, "probability")


def money_metrics(value: Array, target: Array) -> dict[str, float]:
    """Normalised Gini, correlation, bias of the total, calibration slope, mean absolute error."""
    return {
        "normalised_gini": normalised_gini(value, target),
        "correlation": float(np.corrcoef(value, target)[0, 1]) if np.ptp(value) > 0 else 0.0,
        "o_e": float(target.sum() / value.sum()),
        "calibration_slope": calibration_slope(value, target, "money"),
        "mae": float(np.mean(np.abs(value - target))),
        "mean": float(target.mean()),
    }


class Roc:
    """Scores with their outcomes, sorted once for the area under the ROC curve of any weights.

    A target between 0 and 1 is a chance: the row is that much of an event and the rest of it none.
    """

    def __init__(self, score: Array, target: Array) -> None:
        self.events, self.others = np.flatnonzero(target > 0), np.flatnonzero(target < 1)
        self.share, self.rest = target[self.events], 1 - target[self.others]
        marks, self.mark = np.unique(score[self.events], return_inverse=True)
        # Between two events' scores an even number, at one an odd number.
        self.step = sum(np.searchsorted(marks, score[self.others], side) for side in SIDES)
        self.steps = 2 * len(marks) + 1

    def area(self, weight: Array) -> float:
        """AUC with rows counted so often, ties counted half. NaN for one class."""
        others = np.bincount(self.step, weight[self.others] * self.rest, self.steps)
        below, events = np.cumsum(others, dtype=np.float64), weight[self.events] * self.share
        pairs = float(below[-1] * events.sum())
        if not pairs > 0:
            return float("nan")
        passed = below[2 * self.mark] + below[2 * self.mark + 1]
        return dot(events, passed) / 2 / pairs


def auc(score: Array, target: Array, weight: Array | None = None) -> float:
    """Area under the ROC curve, ties counted half; weights repeat rows. NaN for one class.

    Targets may be chances, as for ``Roc``.
    """
    return Roc(score, target).area(_ones(score) if weight is None else weight)


class Dated:
    """Scores with their outcomes by as-of date, sorted once."""

    def __init__(self, dates: pd.Series, score: Array, target: Array) -> None:
        found = dates.groupby(dates, sort=True).indices.values()
        self.parts = [(rows, Roc(score[rows], target[rows])) for rows in found]
        self.target = target

    def area(self, weight: Array) -> float:
        """Mean AUC inside each date, weighted by its events; NaN where no date has both classes."""
        found, events = [], []
        for rows, roc in self.parts:
            area = roc.area(weight[rows])
            if not np.isnan(area):
                found.append(area)
                events.append(dot(weight[rows], self.target[rows]))
        return float(np.average(found, weights=events)) if found else float("nan")


def within_date(
    dates: pd.Series, score: Array, target: Array, weight: Array | None = None
) -> float:
    """Mean AUC inside each as-of date, weighted by its events: how well one list is ranked.

    Targets may be chances and weights repeat rows, as for ``auc``.
    """
    return Dated(dates, score, target).area(_ones(score) if weight is None else weight)


def kolmogorov_smirnov(score: Array, target: Array) -> float:
    """Largest distance between the cumulative scores of events and others."""
    order = np.argsort(-score, kind="stable")
    ends = np.flatnonzero(np.r_[np.diff(score[order]) != 0, True])
    events = np.cumsum(target[order])[ends] / max(target.sum(), 1)
    others = np.cumsum(1 - target[order])[ends] / max((1 - target).sum(), 1)
    return float(np.max(np.abs(events - others)))


def lift(score: Array, target: Array, share: float = 0.1) -> float:
    """Rate of events in the best-scored share over the rate of all; NaN without events."""
    top = np.argsort(-score, kind="stable")[: max(1, round(len(score) * share))]
    return float(target[top].mean() / target.mean()) if target.any() else float("nan")


class Lorenz:
    """Predicted and realised money, each sorted once for the Gini of any weights."""

    def __init__(self, value: Array, target: Array) -> None:
        self.orders = [np.argsort(-one, kind="stable") for one in (value, target)]
        self.sorted = [target[order] for order in self.orders]

    def gini(self, weight: Array) -> float:
        """Concentration along the predicted order, over that along the true order."""
        ours, best = (
            _concentration(weight[order], money)
            for order, money in zip(self.orders, self.sorted, strict=True)
        )
        return ours / best if best != 0 else float("nan")


def normalised_gini(value: Array, target: Array, weight: Array | None = None) -> float:
    """Concentration of realised money along the predicted order, over that of the true order."""
    return Lorenz(value, target).gini(_ones(value) if weight is None else weight)


def concentration(value: Array, target: Array, weight: Array | None = None) -> float:
    """Mean distance of the Lorenz curve along the order of ``value``, best first, from equality."""
    weight = _ones(value) if weight is None else weight
    order = np.argsort(-value, kind="stable")
    return _concentration(weight[order], target[order])


def _concentration(mass: Array, target: Array) -> float:
    """Of rows in order; where everybody stands on the line of equality has a closed form."""
    money, people = np.cumsum(mass * target), mass.sum()
    level = (people + dot(mass, mass) / people) / 2
    return float((dot(mass, money) / money[-1] - level) / people)


def interval(test: pd.DataFrame, score: Array, statistic: Statistic) -> Interval:
    """95 % bootstrap interval of one statistic, drawing whole customers."""
    target = test["target"].to_numpy(np.float64)
    return bootstrap(test, {"": lambda weight: statistic(score, target, weight)})[""]


def bootstrap(
    test: pd.DataFrame, statistics: Mapping[str, Callable[[Array], float]]
) -> dict[str, Interval]:
    """95 % intervals, drawing whole customers (200 draws, fixed seed, the same for every model).

    Args:
        test: customer_id of each row.
        statistics: name -> figure, given how often each row is counted.
    """
    codes, times = resampled(test["customer_id"])
    found: dict[str, list[float]] = {name: [] for name in statistics}
    for drawn in times:
        weight = drawn[codes].astype(np.float64)
        for name, statistic in statistics.items():
            found[name].append(statistic(weight))
    return {name: middle(np.array(values)) for name, values in found.items()}


def resampled(ids: pd.Series) -> tuple[NDArray[np.intp], NDArray[np.uint16]]:
    """Each row's customer by number, and how often each draw has every customer (draws, customers)."""
    codes, customers = pd.factorize(ids)
    draws, n = np.random.default_rng(0), len(customers)
    times = [np.bincount(draws.integers(0, n, n), minlength=n) for _ in range(REPETITIONS)]
    return codes, np.array(times, np.uint16)


def middle(values: Array) -> Interval:
    """The middle 95 % of drawn figures; those that were not determined are left out."""
    if np.isnan(values).all():
        return float("nan"), float("nan")
    low, high = np.nanquantile(values, [0.025, 0.975])
    return float(low), float(high)
