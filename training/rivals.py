"""What a version has to beat on the same test rows: a simple model, and the champion."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from features.definition import Array
from training import release
from training.judge import Comparison, compare
from training.recipes import Recipe
from training.scorecard import scorecard
from training.split import bucket
from training.trees import Forest

PAST = "contribution_365d"


def benchmark(
    recipe: Recipe,
    ours: Array,
    train: pd.DataFrame,
    test: pd.DataFrame,
    features: tuple[str, ...],
    folds: int = 0,
) -> Comparison | None:
    """The simple model of the question against ``ours``; None where there is none to make.

    A scorecard for credit risk, past contribution for value, else a logistic regression.
    With ``folds``, each fold's rows are answered by a benchmark made without them.
    """
    if recipe.label.answer == "money":
        if PAST not in features:
            return None
        past = np.nan_to_num(test[PAST].to_numpy(np.float64))
        return compare(test, ours, past, "money", "contribution of the last year")
    named = "scorecard" if recipe.label.question == "credit_risk" else "logistic regression"
    theirs = _benchmark_margins(recipe, train, test, features, folds)
    return compare(test, ours, theirs, "probability", named)


def _benchmark_margins(
    recipe: Recipe, train: pd.DataFrame, test: pd.DataFrame, features: tuple[str, ...], folds: int
) -> Array:
    if not folds:
        return _simple(recipe, train, test, features)
    fold = np.array([bucket(f"judge:{c}") % folds for c in test["customer_id"]])
    found = np.zeros(len(test))
    for k in range(folds):
        found[fold == k] = _simple(recipe, test[fold != k], test[fold == k], features)
    return found


def _simple(
    recipe: Recipe, train: pd.DataFrame, test: pd.DataFrame, features: tuple[str, ...]
) -> Array:
    if recipe.label.question == "credit_risk":
        return scorecard(train, features, recipe.monotone).margin(test)
    return plain_logistic(train, test, features)


def plain_logistic(train: pd.DataFrame, test: pd.DataFrame, features: Sequence[str]) -> Array:
    """Margins of a logistic regression on the features as they are, gaps filled by medians."""
    model = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True),
        StandardScaler(),
        LogisticRegression(solver="newton-cholesky"),
    )
    named = list(features)
    model.fit(train[named].to_numpy(np.float64), train["target"].to_numpy(np.float64))
    told: Array = model.decision_function(test[named].to_numpy(np.float64))
    return told


def against_champion(
    recipe: Recipe, ours: Array, test: pd.DataFrame, folds: int = 0
) -> Comparison | None:
    """The version that answers now against ``ours`` on the same rows.

    None without one that can be read, where the label is another, where features of it are
    missing, or where the champion has learnt on the test rows (folds).
    """
    found = release.answering(recipe.name)
    if found is None or folds:
        return None
    card = found.card
    if card.label_version != recipe.label.version or set(card.features) - set(test.columns):
        return None
    theirs = Forest.from_text(found.model).margin(test[list(card.features)].to_numpy(np.float64))
    return compare(
        test, ours, theirs, recipe.label.answer, f"champion {card.version}", found.digest
    )
