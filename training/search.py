"""Search for better sizes and paces of the trees. The door to optuna."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import optuna
import pandas as pd

from data.errors import TooFewEvents
from features.definition import Array
from training.fit import SEED, fit, fold_losses, require_events, usual
from training.judge import margins
from training.labels import Answer
from training.recipes import Recipe
from training.registry import Trial
from training.split import bucket

APART = 25  # per cent of the training customers, whom no trial sees
# Name -> least, most, and whether it is drawn on a scale of logarithms. Trees stay small.
SPACE: dict[str, tuple[float, float, bool]] = {
    "num_leaves": (4, 31, True),
    "max_depth": (3, 6, False),
    "learning_rate": (0.02, 0.15, True),
    "min_data_in_leaf": (10, 200, True),
    "lambda_l2": (0.1, 50.0, True),
    "feature_fraction": (0.3, 1.0, False),
    "bagging_fraction": (0.5, 1.0, False),
}
WHOLE = ("num_leaves", "max_depth", "min_data_in_leaf")

optuna.logging.set_verbosity(optuna.logging.WARNING)


@dataclass(frozen=True)
class Searched:
    """A recipe, tuned where that was better, and the account of how it was found."""

    recipe: Recipe
    account: dict[str, Any]

    @property
    def sentence(self) -> str:
        """What came of the search."""
        return str(self.account["told"])


def unsearched(recipe: Recipe, why: str) -> Searched:
    """The recipe as it is, with the reason why nothing was searched."""
    told = f"{recipe.name}: not searched, {why}; the default parameters are kept"
    return Searched(recipe, {"kept": "default", "told": told})


def search(
    recipe: Recipe,
    rows: pd.DataFrame,
    features: tuple[str, ...],
    trials: int,
    *,
    seconds: float = 0.0,
    tell: Callable[[Trial], None] | None = None,
) -> Searched:
    """Try parameters on folds of the training rows, and keep them only if they are better.

    Tree-structured Parzen estimators (Bergstra and others 2011) with a fixed seed; the recipe's
    own parameters are the first trial; a trial whose mean loss after a fold is above the median
    of the earlier trials' is cut short. The winner and the default are then fitted on the
    customers searched over and compared on the quarter that no trial saw. The same rows and the
    same number of trials find the same parameters, unless ``seconds`` ends the search before.

    Args:
        rows: the training rows alone: customer_id, as_of, target and the features.
        seconds: no trial begins after so many; 0 sets no limit.
        tell: is told of each trial when it is over.
    """
    rows = rows.sort_values(["as_of", "customer_id"])
    apart = np.array([bucket(f"search:{c}") < APART for c in rows["customer_id"]], dtype=bool)
    taught, unseen = rows[~apart], rows[apart]
    try:
        for part, least in zip((taught, unseen), recipe.least_events, strict=True):
            target = part["target"].to_numpy(np.float64)
            require_events(recipe, target, least, "to search with")
    except TooFewEvents as refusal:
        return unsearched(recipe, str(refusal))
    study = _study(recipe, taught, features, trials, seconds, tell)
    ended = study.get_trials(states=[optuna.trial.TrialState.COMPLETE])
    if not ended:
        return unsearched(recipe, f"no trial ended within {seconds:g} seconds")
    found = replace(recipe, tuned=_tuned(study.best_trial.params))
    losses = [held_out_loss(one, taught, unseen, features) for one in (recipe, found)]
    better = losses[1] < losses[0]
    account = {
        "kept": "found" if better else "default",
        "default_loss": losses[0],
        "found_loss": losses[1],
        "found": dict(found.tuned),
        "trials": len(study.trials),
        "pruned": len(study.trials) - len(ended),
        "asked": trials,
        "seed": SEED,
        "rows": len(taught),
        "rows_apart": len(unseen),
    }
    told = _sentence(recipe.name, account)
    return Searched(found if better else recipe, {**account, "told": told})


def _sentence(name: str, account: dict[str, Any]) -> str:
    losses = (
        f"{account['default_loss']:.6g} by default, {account['found_loss']:.6g} by the best found"
    )
    ending = (
        "what was found is used"
        if account["kept"] == "found"
        else "the search improves nothing, the default parameters are kept"
    )
    return (
        f"{name}: {account['trials']} trials, {account['pruned']} of them cut short; mean loss on"
        f" {account['rows_apart']:,} rows of customers kept apart: {losses}; {ending}"
    )


def _study(
    recipe: Recipe,
    rows: pd.DataFrame,
    features: tuple[str, ...],
    trials: int,
    seconds: float,
    tell: Callable[[Trial], None] | None,
) -> optuna.Study:
    def objective(trial: optuna.Trial) -> float:
        tried = replace(recipe, tuned=_suggested(trial))
        losses: list[float] = []
        for loss in fold_losses(tried, rows, features):
            losses.append(loss)
            trial.report(float(np.mean(losses)), len(losses))
            if trial.should_prune():
                raise optuna.TrialPruned
        return float(np.mean(losses))

    def over(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        if tell:
            name = f"{recipe.name} trial {trial.number}"
            pruned = trial.state == optuna.trial.TrialState.PRUNED
            loss = trial.intermediate_values[max(trial.intermediate_values)]
            tell(Trial(name=name, parameters=_tuned(trial.params), loss=loss, pruned=pruned))

    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=SEED),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=0),
    )
    study.enqueue_trial(usual(recipe, SPACE))
    study.optimize(objective, n_trials=trials, timeout=seconds or None, callbacks=[over])
    return study


def _suggested(trial: optuna.Trial) -> dict[str, float]:
    return {
        name: trial.suggest_int(name, int(least), int(most), log=log)
        if name in WHOLE
        else trial.suggest_float(name, least, most, log=log)
        for name, (least, most, log) in SPACE.items()
    }


def _tuned(parameters: dict[str, Any]) -> dict[str, float]:
    return {name: parameters[name] for name in SPACE}


def held_out_loss(
    recipe: Recipe, taught: pd.DataFrame, unseen: pd.DataFrame, features: tuple[str, ...]
) -> float:
    """Mean loss of the calibrated model of ``taught`` on the rows of ``unseen``."""
    margin = margins(fit(recipe, taught, features), unseen).calibrated
    return loss(margin, unseen["target"].to_numpy(np.float64), recipe.label.answer)


def loss(margin: Array, target: Array, answer: Answer) -> float:
    """Log loss of probabilities, given as log-odds; squared error of money."""
    if answer == "money":
        return float(np.mean((target - margin) ** 2))
    return float(np.mean(np.logaddexp(0.0, margin) - target * margin))
