"""A search never sees the test rows, can be repeated, and changes nothing unless it is better."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.warehouse import Warehouse
from tests.training.test_fit import FEATURES, MONEY, RECIPE, rows_of
from training import life, registry
from training.fit import fold_losses
from training.recipes import Recipe
from training.registry import Trial
from training.run import Seek, Trained, train
from training.search import APART, SPACE, Searched, held_out_loss, loss, search
from training.split import bucket

# No tree grows with leaves this large: anything is better.
POOR = replace(RECIPE, smallest_leaf=200, leaves=4, shrinkage=0.02, rounds=30)
ROWS = rows_of()


def sought(recipe: Recipe = POOR, rows: pd.DataFrame = ROWS, trials: int = 8) -> Searched:
    return search(recipe, rows, FEATURES, trials)


@pytest.fixture(scope="module")
def found() -> Searched:
    return sought()


def test_what_is_better_on_customers_kept_apart_is_used(found: Searched) -> None:
    account = found.account
    assert (account["kept"], account["trials"]) == ("found", 8)
    assert found.recipe.tuned == account["found"] != {}
    assert account["found_loss"] < account["default_loss"]
    apart = np.array([bucket(f"search:{c}") < APART for c in ROWS["customer_id"]])
    again = held_out_loss(found.recipe, ROWS[~apart], ROWS[apart], FEATURES)
    assert again == pytest.approx(account["found_loss"], rel=1e-12)
    assert account["rows_apart"] == apart.sum()


def test_a_search_that_improves_nothing_says_so_and_keeps_the_default(found: Searched) -> None:
    best = replace(POOR, tuned={**found.account["found"]})
    noise = ROWS.assign(target=np.random.default_rng(4).permutation(ROWS["target"].to_numpy()))
    for recipe, rows in ((best, ROWS), (POOR, noise)):
        one = sought(recipe, rows, trials=1)  # the default is the first trial
        assert one.recipe == recipe
        assert one.account["kept"] == "default"
        assert "improves nothing, the default parameters are kept" in one.sentence


def test_the_same_search_finds_the_same_in_any_order_of_the_rows(found: Searched) -> None:
    again = sought(rows=ROWS.sample(frac=1.0, random_state=3))
    assert again.recipe.tuned == found.recipe.tuned
    assert again.account == found.account


def test_poor_trials_are_cut_short_and_every_one_is_told() -> None:
    told: list[Trial] = []
    account = search(RECIPE, ROWS, FEATURES, 8, tell=told.append).account
    assert [trial.name for trial in told] == [f"churn trial {n}" for n in range(8)]
    assert 0 < sum(trial.pruned for trial in told) == account["pruned"] < 8
    assert told[0].parameters["num_leaves"] == RECIPE.leaves  # the recipe's own come first
    assert told[0].loss == pytest.approx(np.mean([*fold_losses(RECIPE, later(), FEATURES)]))
    for trial in told:
        for name, (least, most, _) in SPACE.items():
            assert least <= trial.parameters[name] <= most


def later() -> pd.DataFrame:
    """The rows that trials see."""
    return ROWS[[bucket(f"search:{c}") >= APART for c in ROWS["customer_id"]]]


def test_money_is_searched_too() -> None:
    account = sought(MONEY, ROWS.assign(target=ROWS["spend_90d"] * 100), trials=3).account
    assert account["found_loss"] <= account["default_loss"]


def test_too_few_events_for_a_search_leave_the_recipe_as_it_is() -> None:
    rows = ROWS.assign(target=(np.arange(len(ROWS)) < 21).astype(float))
    one = sought(rows=rows)
    assert one.recipe == POOR
    assert "not searched" in one.sentence
    assert "events among" in one.sentence


def test_losses_are_log_loss_and_squared_error() -> None:
    target = np.array([1.0, 0.0])
    chance = 1 / (1 + np.exp(-np.array([0.3, -2.0])))
    wanted = -np.mean(target * np.log(chance) + (1 - target) * np.log(1 - chance))
    assert loss(np.array([0.3, -2.0]), target, "probability") == pytest.approx(wanted)
    assert loss(np.array([1.0, 3.0]), np.array([0.0, 1.0]), "money") == 2.5


@pytest.mark.slow
def test_a_search_is_nested_in_the_run_of_its_model_and_told_on_the_card(
    loaded_home: Path, home: Path
) -> None:
    home.mkdir()
    (home / "warehouse").symlink_to(loaded_home / "warehouse")
    (outcome,) = train(Warehouse(), "lifetime_value.five_years", seek=Seek(3))
    assert isinstance(outcome, Trained), outcome
    release = life.read("lifetime_value.five_years", outcome.version)
    account = release.card.search
    assert account is not None
    assert account["told"] == release.report["method"]["search"]["told"] == outcome.remarks[0]
    assert json.dumps(account, allow_nan=False)
    assert account["told"] in (release.folder / "card.html").read_text().replace("&#x27;", "'")
    tuned = account["found"] if account["kept"] == "found" else {}
    assert tuned.items() <= release.card.parameters.items()
    with registry.tracking() as client:
        run = client.get_model_version("lifetime_value.five_years", outcome.version).run_id or ""
        (experiment,) = [client.get_run(run).info.experiment_id]
        trials = client.search_runs([experiment], f"tags.`{registry.PARENT}` = '{run}'")
    assert {trial.info.run_name for trial in trials} == {
        f"lifetime_value.five_years trial {n}" for n in range(3)
    }
    assert all(set(trial.data.params) == set(SPACE) for trial in trials)
    assert all(trial.data.metrics["loss"] > 0 for trial in trials)
    # All that the trials saw were training rows.
    counted = release.report["data"]["training"]["rows"]
    assert account["rows"] + account["rows_apart"] == counted
