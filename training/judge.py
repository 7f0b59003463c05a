"""Judge a fitted model on customers and dates it has never seen."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit

from features.definition import Array
from training.fit import Calibration, Fitted, calibrate
from training.labels import Answer

ENOUGH_EVENTS = 100
REPETITIONS = 200
MOST_DATES = 24
Statistic = Callable[[Array, Array, Array | None], float]


@dataclass(frozen=True)
class Judgement:
    """Figures of one model on its test rows, intervals at 95 %, clustered by customer.

    ``protocol`` says what kept the test rows apart from those the model learnt on.
    """

    protocol: str
    rows: int
    events: int
    metrics: dict[str, float]
    raw: dict[str, float]
    interval: tuple[float, float]


@dataclass(frozen=True)
class Margins:
    """What a model, and the same model before calibration, says of its test rows."""

    calibrated: Array
    raw: Array


def margins(fitted: Fitted, rows: pd.DataFrame) -> Margins:
    """Margins of test rows."""
    values = rows[list(fitted.features)].to_numpy(np.float64)
    calibrated, raw = (
        np.asarray(booster.predict(values, raw_score=True), np.float64)
        for booster in (fitted.booster, fitted.raw)
    )
    return Margins(calibrated, raw)


def judge(found: Margins, test: pd.DataFrame, answer: Answer, protocol: str) -> Judgement:
    """Judge the calibrated margins, and beside them the raw ones.

    Args:
        test: customer_id, as_of and target of the rows the margins are of.
    """
    target = test["target"].to_numpy(np.float64)
    if answer == "money":
        return Judgement(
            protocol=protocol,
            rows=len(test),
            events=len(test),
            metrics=money_metrics(found.calibrated, target),
            raw=money_metrics(found.raw, target),
            interval=interval(test, found.calibrated, normalised_gini),
        )
    metrics = probability_metrics(found.calibrated, target)
    if test["as_of"].nunique() <= MOST_DATES:
        metrics["auc_within_date"] = within_date(test["as_of"], found.calibrated, target)
    return Judgement(
        protocol=protocol,
        rows=len(test),
        events=int(target.sum()),
        metrics=metrics,
        raw=probability_metrics(found.raw, target),
        interval=interval(test, found.calibrated, auc),
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
    """Normalised Gini, correlation, bias of the total, mean absolute error."""
    return {
        "normalised_gini": normalised_gini(value, target),
        "correlation": float(np.corrcoef(value, target)[0, 1]) if np.ptp(value) > 0 else 0.0,
        "o_e": float(target.sum() / value.sum()),
        "mae": float(np.mean(np.abs(value - target))),
        "mean": float(target.mean()),
    }


def auc(score: Array, target: Array, weight: Array | None = None) -> float:
    """Area under the ROC curve, ties counted half; weights repeat rows. NaN for one class.

    A target between 0 and 1 is a chance: the row is that much of an event and the rest of it none.
    """
    weight = np.ones(len(score)) if weight is None else weight
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(score[order]) != 0])
    good = np.add.reduceat((weight * (1 - target))[order], starts)
    bad = np.add.reduceat((weight * target)[order], starts)
    pairs = good.sum() * bad.sum()
    below = np.cumsum(good) - good
    return float(np.sum(bad * (below + good / 2)) / pairs) if pairs > 0 else float("nan")


def within_date(dates: pd.Series, score: Array, target: Array) -> float:
    """Mean AUC inside each as-of date, weighted by its events: how well one list is ranked.

    Targets may be chances, as for ``auc``.
    """
    found, events = [], []
    for positions in dates.groupby(dates, sort=True).indices.values():
        area = auc(score[positions], target[positions])
        if not np.isnan(area):
            found.append(area)
            events.append(target[positions].sum())
    return float(np.average(found, weights=events)) if found else float("nan")


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


def normalised_gini(value: Array, target: Array, weight: Array | None = None) -> float:
    """Concentration of realised money along the predicted order, over that of the true order."""
    best = concentration(target, target, weight)
    return concentration(value, target, weight) / best if best != 0 else float("nan")


def concentration(value: Array, target: Array, weight: Array | None = None) -> float:
    """Mean distance of the Lorenz curve along the order of ``value``, best first, from equality."""
    weight = np.ones(len(value)) if weight is None else weight
    order = np.argsort(-value, kind="stable")
    mass = weight[order]
    money = np.cumsum(mass * target[order])
    people = np.cumsum(mass)
    return float(np.sum(mass * (money / money[-1] - people / people[-1])) / people[-1])


def interval(test: pd.DataFrame, score: Array, statistic: Statistic) -> tuple[float, float]:
    """95 % bootstrap interval, drawing whole customers (200 draws, fixed seed)."""
    target = test["target"].to_numpy(np.float64)
    codes, customers = pd.factorize(test["customer_id"])
    draws = np.random.default_rng(0)
    found = []
    for _ in range(REPETITIONS):
        times = np.bincount(
            draws.integers(0, len(customers), len(customers)), minlength=len(customers)
        )
        found.append(statistic(score, target, times[codes].astype(np.float64)))
    low, high = (
        np.nanquantile(found, [0.025, 0.975]) if not np.isnan(found).all() else (np.nan,) * 2
    )
    return float(low), float(high)
