"""Fit LightGBM, choose its size on unseen customers, and fold the calibration into its leaves."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import lightgbm as lgb
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit

from data.errors import TooFewEvents, TrainingError
from features.definition import Array
from training.conformal import Spread
from training.labels import HORIZON, Answer
from training.money import RECENT, Staircase, winsorised
from training.recipes import Recipe
from training.split import bucket

Fold = tuple[NDArray[np.intp], NDArray[np.intp]]  # rows that teach, and those held out

FOLDS = 4
# What a calibration stands on: with 4,000 events its level is known to 1.6 %, a third of what the
# gate on observed over expected allows.
HELD_OUT_EVENTS, HELD_OUT_AMOUNTS = 4_000, 60_000
SEED = 20260630


@dataclass(frozen=True)
class Calibration:
    """margin = slope x raw margin + intercept, learnt on customers each fold had not seen."""

    slope: float
    intercept: float


@dataclass(frozen=True)
class Fitted:
    """A calibrated booster, and how it came about."""

    booster: lgb.Booster
    features: tuple[str, ...]
    calibration: Calibration
    parameters: dict[str, Any]
    spread: Spread | None = None


def fit(recipe: Recipe, rows: pd.DataFrame, features: tuple[str, ...]) -> Fitted:
    """Fit a recipe to labelled profiles.

    Args:
        rows: customer_id, target and the feature columns.
        features: the recipe's features that this warehouse carries, in order; the horizon, last,
            where the label has several.

    Raises:
        TooFewEvents: one class only, or too few of the rarer.
        TrainingError: a label that is not a number, or an infinite feature value.
    """
    keys = ["as_of", "customer_id", *([HORIZON] if HORIZON in features else [])]
    rows = rows.sort_values(keys).reset_index(drop=True)
    _refuse_bad(recipe, rows, features)
    if recipe.label.answer == "money":
        return _fit_money(recipe, rows, features)
    parameters = _parameters(recipe, features)
    target = rows["target"].to_numpy(np.float64)
    data = _dataset(recipe, rows, features, target)
    apart, held_out, rounds = _held_out(recipe, parameters, rows, features, data)
    raw = lgb.train(parameters, data, num_boost_round=rounds)
    calibration = calibrate(held_out, target[apart], recipe.label.answer)
    return Fitted(
        fold_in(raw, calibration), features, calibration, {**parameters, "rounds": rounds}
    )


def _dataset(
    recipe: Recipe,
    rows: pd.DataFrame,
    features: tuple[str, ...],
    target: Array,
    base: Array | None = None,
) -> lgb.Dataset:
    return lgb.Dataset(
        rows[list(features)],
        target,
        init_score=base,
        categorical_feature=list(recipe.categorical),
        free_raw_data=False,
    )


def _fit_money(recipe: Recipe, rows: pd.DataFrame, features: tuple[str, ...]) -> Fitted:
    """An amount: a staircase where there is recent contribution, trees for what it leaves.

    The slope is learnt on held-out amounts without their tails, the intercept on all of them, so
    that the total is that of what was realised.
    """
    target, parameters = rows["target"].to_numpy(np.float64), _parameters(recipe, features)
    stairs, base, pace = None, np.zeros(len(rows)), None
    if RECENT in features:
        staircase = Staircase.fitted(rows)
        stairs, pace = staircase.booster(rows, features), staircase.pace
        base = np.asarray(stairs.predict(rows[list(features)].to_numpy(), raw_score=True))
    learnt = base + winsorised(target - base)
    data = _dataset(recipe, rows, features, learnt, base)
    apart, held_out, rounds = _held_out(recipe, parameters, rows, features, data)
    held_out += base[apart]
    data = _dataset(recipe, rows, features, learnt)
    raw = lgb.train(parameters, data, num_boost_round=rounds, init_model=stairs)
    slope = calibrate(held_out, learnt[apart], "money").slope
    calibration = Calibration(slope, float(np.mean(target[apart]) - slope * np.mean(held_out)))
    spread = None  # an extrapolated amount lacks the luck that an interval has to cover
    if not recipe.label.extrapolation:
        spread = Spread.of(slope * held_out + calibration.intercept, target[apart])
    told = {**parameters, "rounds": rounds, "pace": pace}
    return Fitted(fold_in(raw, calibration), features, calibration, told, spread)


def _held_out(
    recipe: Recipe,
    parameters: dict[str, Any],
    rows: pd.DataFrame,
    features: tuple[str, ...],
    data: lgb.Dataset,
) -> tuple[NDArray[np.intp], Array, int]:
    """Rows, what boosters that never saw their customers say of them, and the rounds needed."""
    folds = _enough(_folds(rows["customer_id"]), recipe, rows)
    found = lgb.cv(
        parameters,
        data,
        num_boost_round=recipe.rounds,
        folds=folds,
        callbacks=[lgb.early_stopping(40, verbose=False)],
        return_cvbooster=True,
    )
    cvbooster = cast(lgb.CVBooster, found["cvbooster"])
    rounds = max(cvbooster.best_iteration, 1)
    told = [
        np.asarray(
            booster.predict(rows.loc[out, list(features)], raw_score=True, num_iteration=rounds)
        )
        for booster, (_, out) in zip(cvbooster.boosters, folds, strict=True)
    ]
    apart = np.concatenate([out for _, out in folds])
    order = np.argsort(apart)
    return apart[order], np.concatenate(told).astype(np.float64)[order], rounds


def _enough(folds: list[Fold], recipe: Recipe, rows: pd.DataFrame) -> list[Fold]:
    """As few folds as calibrate well: another one costs a booster and teaches nothing more."""
    money = recipe.label.answer == "money"
    counts = np.ones(len(rows)) if money else rows["target"].to_numpy(np.float64)
    wanted = HELD_OUT_AMOUNTS if money else HELD_OUT_EVENTS
    held = np.cumsum([counts[out].sum() for _, out in folds])
    return folds[: int(np.searchsorted(held, wanted)) + 1]


def fold_losses(recipe: Recipe, rows: pd.DataFrame, features: tuple[str, ...]) -> Iterator[float]:
    """The loss on one fold of customers after another, each of trees that the others taught.

    Log loss for probabilities, squared error for money, at the best number of trees.
    """
    rows = rows.sort_values(["as_of", "customer_id"]).reset_index(drop=True)
    parameters = _parameters(recipe, features)
    for taught, out in _folds(rows["customer_id"]):
        learn, unseen = (
            lgb.Dataset(rows.loc[part, list(features)], rows.loc[part, "target"])
            for part in (taught, out)
        )
        booster = lgb.train(
            parameters,
            learn,
            num_boost_round=recipe.rounds,
            valid_sets=[unseen.set_reference(learn)],
            callbacks=[lgb.early_stopping(40, verbose=False)],
        )
        yield float(booster.best_score["valid_0"][parameters["metric"]])


def usual(recipe: Recipe, names: Iterable[str]) -> dict[str, float]:
    """The values that some of LightGBM's parameters have in a recipe."""
    parameters = _parameters(recipe, recipe.features)
    return {name: parameters[name] for name in names}


def _refuse_bad(recipe: Recipe, rows: pd.DataFrame, features: tuple[str, ...]) -> None:
    target = rows["target"].to_numpy(np.float64)
    if not np.isfinite(target).all():
        raise TrainingError(
            f"{recipe.name}: {int((~np.isfinite(target)).sum())} of {len(rows)} labels are not"
            " numbers; a label has to be known before it can teach."
        )
    infinite = [f for f in features if np.isinf(rows[f].to_numpy(np.float64)).any()]
    if infinite:
        raise TrainingError(f"{recipe.name}: infinite values in {', '.join(infinite)}")
    if all(rows[f].nunique(dropna=False) < 2 for f in features):
        raise TrainingError(
            f"{recipe.name}: none of the {len(features)} features varies over the {len(rows):,} rows"
        )
    require_events(recipe, target, recipe.least_events[0], "to learn from")


def require_events(recipe: Recipe, target: Array, least: int, purpose: str) -> None:
    """Refuse data in which the rarer outcome is too rare.

    Raises:
        TooFewEvents: with the counts.
    """
    if recipe.label.answer == "money":
        if len(target) < 10 * least:
            raise TooFewEvents(f"{len(target)} rows {purpose}; at least {10 * least} are needed")
        return
    events = int(target.sum())
    rarer = min(events, len(target) - events)
    if rarer < least:
        raise TooFewEvents(
            f"{events} events among {len(target):,} rows {purpose}; at least {least} of the"
            " rarer outcome are needed"
        )


def _parameters(recipe: Recipe, features: tuple[str, ...]) -> dict[str, Any]:
    money = recipe.label.answer == "money"
    return {
        "objective": "regression" if money else "binary",
        "metric": "l2" if money else "binary_logloss",
        "learning_rate": recipe.shrinkage,
        "num_leaves": recipe.leaves,
        "max_depth": 5,
        "min_data_in_leaf": recipe.smallest_leaf,
        "lambda_l2": 5.0,
        "feature_fraction": 0.6,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "max_bin": 127,
        # Leaving within three months is leaving within six.
        "monotone_constraints": [
            1 if name == HORIZON else recipe.monotone.get(name, 0) for name in features
        ],
        "seed": SEED,
        "deterministic": True,
        "force_col_wise": True,
        "num_threads": 1,
        "verbosity": -1,
        **recipe.parameters,
        **recipe.tuned,
    }


def _folds(customers: pd.Series) -> list[Fold]:
    fold = np.array([bucket(f"fold:{c}") % FOLDS for c in customers])
    return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(FOLDS)]


def calibrate(margin: Array, target: Array, answer: Answer) -> Calibration:
    """Slope and intercept that make held-out margins honest.

    Least squares for money (see ``_fit_money`` for its intercept); the logistic likelihood for
    probabilities (Platt 1999, without smoothing of the targets). A slope that is not positive would
    turn the order around; then only the intercept is fitted.
    """
    if answer == "money":
        spread = float(np.var(margin))
        slope = float(np.cov(margin, target, bias=True)[0, 1]) / spread if spread > 0 else 1.0
        slope = slope if slope > 0 else 1.0
        return Calibration(slope, float(np.mean(target) - slope * np.mean(margin)))

    def loss(weights: Array) -> tuple[float, Array]:
        score = weights[0] * margin + weights[1]
        error = expit(score) - target
        likelihood = np.logaddexp(0.0, score) - target * score
        return float(likelihood.mean()), np.array([(error * margin).mean(), error.mean()])

    slope, intercept = minimize(loss, np.array([1.0, 0.0]), jac=True, method="BFGS").x
    if slope > 0:
        return Calibration(float(slope), float(intercept))
    shift = minimize_scalar(lambda w: loss(np.array([1.0, w]))[0]).x
    return Calibration(1.0, float(shift))


def fold_in(booster: lgb.Booster, calibration: Calibration) -> lgb.Booster:
    """The same trees with calibrated leaves: still one plain LightGBM text.

    Every leaf is multiplied by the slope and the leaves of the first tree are shifted by the
    intercept, so that every row's margin becomes slope x margin + intercept.
    """
    text = booster.model_to_string(num_iteration=-1)
    lines, tree = [], -1
    for line in text.split("\n"):
        key, _, values = line.partition("=")
        tree += key == "Tree"
        if values and key in ("leaf_value", "internal_value"):
            shift = calibration.intercept if tree == 0 else 0.0
            scaled = (float(v) * calibration.slope + shift for v in values.split(" "))
            line = f"{key}={' '.join(repr(v) for v in scaled)}"
        if key != "tree_sizes":
            lines.append(line)
    return lgb.Booster(model_str="\n".join(lines))
